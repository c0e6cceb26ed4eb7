"""Columns of values as the arrays that an on-demand view computes with, and back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from bentos.model_server.artefact.card import Kind
from bentos.model_server.request.field_check import is_unicode
from resources.online_store import Value

Array = npt.NDArray[Any]
# What a column holds; a datetime without a zone is UTC.
Scalar = Value | datetime

_INT64 = 2**63


def as_array(values: Sequence[Scalar], dtype: Kind) -> Array:
    """Values [n] as `OnDemandView.compute` takes them, in an array that cannot be written to.

    Numbers and flags become float64 with NaN, texts objects with None, times datetime64[us] in
    UTC with NaT.

    Raises:
        TypeError, ValueError: A value is not of the type.
    """
    if dtype == "string":
        array = np.empty(len(values), object)
        array[:] = values
    elif dtype == "timestamp":
        array = np.array([_without_zone(value) for value in values], "datetime64[us]")
    else:
        array = np.array(values, np.float64)
    # A function that wrote into its argument would change what the next one reads.
    array.flags.writeable = False
    return array


def as_values(array: object, dtype: Kind, rows: int) -> list[Value]:
    """What `compute` gave for one feature as Python values, None where a value is missing.

    NaN is missing, and so is an infinite number, which JSON cannot carry.

    Raises:
        ValueError: It is no array [rows] of the type; the message reads on from a feature's name.
    """
    if not isinstance(array, np.ndarray):
        raise ValueError(f"is a {type(array).__name__}: return an array of {rows} values")
    if array.shape != (rows,):
        raise ValueError(f"has shape {array.shape}: return {rows} values, one for each row")
    if dtype == "string":
        return _texts(array)
    if array.dtype.kind not in ("biuf" if dtype == "bool" else "iuf"):
        raise ValueError(f"is an array of {array.dtype}: return {_REMEDIES[dtype]}")
    # Value by value: for the one row of a request four times as fast as NumPy's functions.
    if dtype == "bool":
        return [_flag(value) for value in array.tolist()]
    if dtype == "int":
        return [_whole(value) for value in array.tolist()]
    if dtype == "float32":
        with np.errstate(over="ignore"):  # beyond float32 is infinite, so missing
            array = array.astype(np.float32)
    return [float(value) if isfinite(value) else None for value in array.tolist()]


_REMEDIES: dict[Kind, str] = {
    "float": "numbers, NaN where one is missing",
    "float32": "numbers, NaN where one is missing",
    "int": "whole numbers of 64 bits, NaN where one is missing",
    "bool": "flags, or 0, 1 and NaN where one is missing",
    "string": "texts, None where one is missing",
}


def _flag(value: float) -> bool | None:
    if value in (0, 1):
        return bool(value)
    if isfinite(value):
        raise ValueError(f"holds {value}: return {_REMEDIES['bool']}")
    return None


def _whole(value: float) -> int | None:
    if not isfinite(value):
        return None
    if value != int(value) or not -_INT64 <= value < _INT64:
        raise ValueError(f"holds {value}: return {_REMEDIES['int']}")
    return int(value)


def _texts(array: Array) -> list[Value]:
    values = array.tolist() if array.dtype.kind in "UO" else [array.dtype]
    for value in values:
        if value is not None and not (isinstance(value, str) and is_unicode(value)):
            raise ValueError(f"holds {value!r}: return {_REMEDIES['string']}")
    # NumPy's own texts are a subclass that no encoder knows.
    return [value if value is None else str(value) for value in values]


def _without_zone(value: Scalar) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no datetime")
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
