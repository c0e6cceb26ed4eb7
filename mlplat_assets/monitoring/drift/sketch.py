"""What is kept of a window of rows: counts over the bins of a profile, which add up.

Its size depends on the profile alone. The counts of a month are the sum of those of its days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from mlplat_assets.monitoring.drift.bins import Integers


@dataclass(frozen=True, kw_only=True)
class ColumnSketch:
    """One column of a window.

    Attributes:
        rows: All rows of the window.
        absent: Those that lack the column, not those where it is null.
        retyped: Those whose value is of another type than in training, whether or not it can be
            read as one of that type.
        counts: Rows by cut, or by category with the unseen ones last; rows in no bin are null,
            NaN or of a type that cannot be read.
        total: Sum of the values, winsorised at the outermost fine edges; 0 of categories.
        least: The least value, None where there is none, and of categories.
        greatest: The greatest.
    """

    rows: int
    absent: int
    retyped: int
    counts: Integers
    total: float = 0.0
    least: float | None = None
    greatest: float | None = None

    @property
    def present(self) -> int:
        """Rows with a value that could be read."""
        return int(self.counts.sum())

    @property
    def nulls(self) -> int:
        """Rows without a value that could be read."""
        return self.rows - self.present

    def __add__(self, other: Self) -> Self:
        """Of both windows together."""
        return type(self)(
            rows=self.rows + other.rows,
            absent=self.absent + other.absent,
            retyped=self.retyped + other.retyped,
            counts=self.counts + other.counts,
            total=self.total + other.total,
            least=min(_known(self.least, other.least), default=None),
            greatest=max(_known(self.greatest, other.greatest), default=None),
        )


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """Every column of a profile, and the predictions as `prediction`, in a window."""

    rows: int
    columns: Mapping[str, ColumnSketch]

    def __add__(self, other: Self) -> Self:
        """Of both windows together.

        Raises:
            KeyError: They are not of one profile.
        """
        return type(self)(
            rows=self.rows + other.rows,
            columns={name: one + other.columns[name] for name, one in self.columns.items()},
        )


def _known(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]
