"""On-demand features: a team's function of columns, run alike in training and in serving.

Training hands in whole columns, serving columns of one; both run `OnDemandFunction`.
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np

from bentos.model_server.artefact.card import Column, Kind, OnDemandEntry
from bentos.model_server.artefact.column_arrays import Array, Scalar, as_array, as_values
from bentos.model_server.request.field_check import SHOWN
from resources.digests import digest_of_bytes
from resources.online_store import Value


class OnDemandFailed(RuntimeError):
    """A team's function raised, or gave something other than what it declares."""


@dataclass(frozen=True, kw_only=True)
class OnDemandFunction:
    """An on-demand view, ready to run."""

    entry: OnDemandEntry
    compute: Callable[[Mapping[str, Array]], Mapping[str, Array]]

    @cached_property
    def takes(self) -> dict[str, Kind]:
        """Name and type of every column that it needs."""
        request: dict[str, Kind] = {field.name: field.dtype for field in self.entry.request}
        stored: dict[str, Kind] = {each.column: each.dtype for each in self.entry.inputs}
        return request | stored

    @cached_property
    def gives(self) -> dict[str, Column]:
        """Its features by the name of their column, `<view>__<feature>`."""
        name = self.entry.view.partition(".")[2]
        return {f"{name}__{feature.name}": feature for feature in self.entry.features}

    def __call__(self, columns: Mapping[str, Sequence[Scalar]]) -> dict[str, list[Value]]:
        """Every declared feature by column name, None where a value is missing.

        Columns that it does not take are ignored.

        Raises:
            OnDemandFailed: A column is absent or mistyped, or the function failed.
        """
        arrays = {name: self._array(name, columns, dtype) for name, dtype in self.takes.items()}
        try:
            with np.errstate(all="ignore"):  # what cannot be computed is missing
                made = self.compute(arrays)
        # A team's code may raise anything, and sys.exit() in it must not end the service.
        except (Exception, SystemExit) as error:
            raise self._failed(
                f"{_described(error, self.entry.source)}; every row must be answered, with NaN "
                "(None for a text) where a value is missing"
            ) from error
        if not isinstance(made, Mapping):
            raise self._failed(
                f"compute returned a {type(made).__name__}; return one array for each feature, "
                "by its name"
            )
        return self._checked(made, rows=len(next(iter(arrays.values()))))

    def try_missing(self) -> None:
        """Run on one row of which nothing is known.

        Raises:
            OnDemandFailed: The function cannot do without a value.
        """
        self({name: [None] for name in self.takes})

    def _array(self, name: str, columns: Mapping[str, Sequence[Scalar]], dtype: Kind) -> Array:
        if name not in columns:
            known = ", ".join(sorted(columns))
            raise self._failed(f"column {name!r} was not given; there are {known}")
        try:
            return as_array(columns[name], dtype)
        except (TypeError, ValueError) as error:
            raise self._failed(f"column {name!r} is not {dtype}: {error}") from error

    def _checked(self, made: Mapping[str, object], rows: int) -> dict[str, list[Value]]:
        declared = {feature.name for feature in self.entry.features}
        if made.keys() != declared:
            raise self._failed(
                f"compute returned {sorted(made)}; return exactly the declared features, "
                f"{sorted(declared)}"
            )
        found: dict[str, list[Value]] = {}
        for column, feature in self.gives.items():
            try:
                found[column] = as_values(made[feature.name], feature.dtype, rows)
            except ValueError as error:
                raise self._failed(
                    f"feature {feature.name!r}, declared {feature.dtype}, {error}"
                ) from error
        return found

    def _failed(self, problem: str) -> OnDemandFailed:
        return OnDemandFailed(f"on-demand view {self.entry.view}: {problem}")


def load_functions(entries: Sequence[OnDemandEntry], folder: Path) -> tuple[OnDemandFunction, ...]:
    """The functions of a card's entries, from the artefact folder that holds the card.

    Raises:
        OnDemandFailed: A source is not the one that the card names, or does not run.
        OSError: A source is missing.
    """
    return tuple(function_of(entry, (folder / entry.source).read_bytes()) for entry in entries)


def function_of(entry: OnDemandEntry, source: bytes) -> OnDemandFunction:
    """The function that a source declares.

    Raises:
        OnDemandFailed: The source is not the one that the entry names, or does not run.
    """
    found = digest_of_bytes(source)
    if found != entry.digest:
        raise OnDemandFailed(
            f"{entry.source} has digest {found}, but the card was made with {entry.digest}; "
            "restore the artefact, or train again"
        )
    # Not imported by path: Python would leave its bytecode among the verified files.
    module = ModuleType(f"on_demand_{found.removeprefix('sha256:')}")
    sys.modules[module.__name__] = module  # where a dataclass in the file looks up its types
    try:
        exec(compile(source, entry.source, "exec"), module.__dict__)
        compute = module.__dict__["ON_DEMAND"].compute
    except (Exception, SystemExit) as error:  # whatever a team's code raises
        raise OnDemandFailed(
            f"on-demand view {entry.view}: {_described(error, entry.source)}"
        ) from error
    return OnDemandFunction(entry=entry, compute=compute)


def _described(error: BaseException, source: str) -> str:
    """The error, and the line of the source that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == source]
    where = f", line {lines[-1]}," if lines else ""
    said = str(error).partition("\n")[0][:SHOWN]
    return f"{source}{where} raised {type(error).__name__}: {said}"
