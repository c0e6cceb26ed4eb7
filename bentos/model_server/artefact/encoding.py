"""Columns of values to the two arrays that a model's ONNX graph reads.

Training, evaluation and serving all encode here, so what is served is what was evaluated.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from struct import Struct
from struct import error as StructError
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Numeric = npt.NDArray[np.float32]
Categorical = npt.NDArray[np.int64]
# A list (with None for missing), a NumPy array, a Polars series or an Arrow array.
Column = Sequence[Any] | npt.ArrayLike
Row = tuple[Any, ...]
_FLAGS = {True: "true", False: "false"}


class Encoder:
    """A compiled preprocessing document: numeric columns, and the categories of the others.

    Categories are coded from 1 in their listed order; 0 stands for missing and for unseen.
    """

    def __init__(self, preprocessing: Mapping[str, Any]) -> None:
        self.numeric: tuple[str, ...] = tuple(preprocessing["numeric"])
        self.codes: dict[str, dict[object, int]] = {
            column: {category: code for code, category in enumerate(categories, start=1)}
            for column, categories in preprocessing["categorical"].items()
        }
        self.categorical: tuple[str, ...] = tuple(self.codes)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every input column, numeric ones first."""
        return self.numeric + self.categorical

    def __call__(self, columns: Mapping[str, Column]) -> tuple[Numeric, Categorical]:
        """The numeric [n, N] and categorical [n, C] arrays; columns not in the model are ignored.

        None and NaN become NaN; a number beyond float32 becomes infinite.

        Raises:
            KeyError: A column of the model is missing.
            ValueError: Columns differ in length, or a numeric column holds something else.
        """
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise KeyError(f"columns {missing} are inputs of the model and were not given")
        rows = len(_plain(columns[self.columns[0]])) if self.columns else 0
        numeric = np.empty((rows, len(self.numeric)), dtype=np.float32)
        with np.errstate(over="ignore"):
            for position, name in enumerate(self.numeric):
                numeric[:, position] = _one_length(
                    np.asarray(columns[name], np.float64), name, rows
                )
        categorical = np.empty((rows, len(self.categorical)), dtype=np.int64)
        for position, (name, codes) in enumerate(self.codes.items()):
            coded = [codes.get(_category(value), 0) for value in _plain(columns[name])]
            categorical[:, position] = _one_length(np.asarray(coded, np.int64), name, rows)
        return numeric, categorical


class RowEncoder:
    """What Encoder does, for rows of values in one fixed order: thirty times as fast for one row.

    `names` says what the values of a row are, at least the encoder's columns; of equal names the
    last one counts. Categorical values are texts, flags or None.
    """

    def __init__(self, preprocessing: Mapping[str, Any], names: Sequence[str]) -> None:
        encoder = Encoder(preprocessing)
        index = {name: position for position, name in enumerate(names)}
        self._numeric = picker([index[name] for name in encoder.numeric])
        self._categorical = picker([index[name] for name in encoder.categorical])
        self._gets = [_with_flags(codes).get for codes in encoder.codes.values()]
        self._widths = len(encoder.numeric), len(encoder.categorical)
        self._pack = Struct(f"={len(encoder.numeric)}d").pack

    def __call__(self, rows: Sequence[Row]) -> tuple[Numeric, Categorical]:
        """The numeric [n, N] and categorical [n, C] arrays.

        Raises:
            ValueError: A numeric value is something else.
        """
        pick = self._numeric
        wide = np.frombuffer(b"".join([self._packed(pick(row)) for row in rows]), np.float64)
        with np.errstate(over="ignore"):
            numeric = wide.astype(np.float32).reshape(len(rows), self._widths[0])
        pick, gets = self._categorical, self._gets
        # Lengths are equal by construction; asking for the check costs as much as a look-up.
        coded = [[get(value, 0) for get, value in zip(gets, pick(row))] for row in rows]  # noqa: B905
        categorical = np.array(coded, np.int64).reshape(len(rows), self._widths[1])
        return numeric, categorical

    def _packed(self, values: Row) -> bytes:
        """The numbers of a row as doubles, half the time that NumPy takes for a tuple."""
        try:
            return self._pack(*values)
        except StructError:
            known = [math.nan if value is None else value for value in values]
            return np.array(known, np.float64).tobytes()


def encode(
    columns: Mapping[str, Column], preprocessing: Mapping[str, Any]
) -> tuple[Numeric, Categorical]:
    """Encode once; keep an Encoder where the same preprocessing serves many calls."""
    return Encoder(preprocessing)(columns)


def _with_flags(codes: Mapping[object, int]) -> dict[object, int]:
    """The codes with flags as they come, beside the texts that stand for them."""
    flags = {flag: codes[text] for flag, text in _FLAGS.items() if text in codes}
    return {**codes, **flags}


def picker(positions: Sequence[int]) -> Callable[[Row], Row]:
    """A function that takes the values at these positions out of a row."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


def _category(value: object) -> object:
    if isinstance(value, bool):
        return _FLAGS[value]
    return value


def _plain(values: Column) -> Sequence[Any]:
    """Python values of a Polars or Arrow column (`to_list`, `to_pylist`), or of a NumPy array."""
    for name in ("to_list", "to_pylist", "tolist"):
        convert: Callable[[], Sequence[Any]] | None = getattr(values, name, None)
        if convert is not None:
            return convert()
    return cast(Sequence[Any], values)


def _one_length(array: npt.NDArray[Any], name: str, rows: int) -> npt.NDArray[Any]:
    # Checked because NumPy would repeat a column of one value down the whole array.
    if array.shape != (rows,):
        raise ValueError(f"column {name!r} has shape {array.shape}, expected {rows} values")
    return array
