"""Drift: whether a window of served rows still looks like the rows the model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from mlplat_assets.monitoring.drift.profile import (
    PREDICTION,
    ColumnProfile,
    Profile,
    bin_numbers,
    psi,
    shares,
)

Verdict = Literal["OK", "DRIFT", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """How far one column of a window is from its reference.

    Attributes:
        name: The input column, or `prediction`.
        psi: Population stability index against the reference, null and unseen bins included.
        threshold: What PSI must exceed: the policy's floor, and the column's own threshold in the
            profile.
        drifted: Whether it does, in a window large enough to tell.
        null_share: Share of the window's rows without a value.
    """

    name: str
    psi: float
    threshold: float
    drifted: bool
    null_share: float


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """The verdict over a window, and every column behind it.

    INCONCLUSIVE means too few rows to tell: then no column counts as drifted, and an empty window
    has no columns either.
    """

    verdict: Verdict
    rows: int
    columns: tuple[ColumnDrift, ...]
    drifted: tuple[str, ...]


def compare(
    window: pl.DataFrame,
    predictions: npt.NDArray[np.floating],
    profile: Profile,
    policy: Mapping[str, float],
) -> DriftReport:
    """Compares a window of served rows with the profile of the version that served them.

    The predictions are one column more, named `prediction`. The window drifts when at least
    `columns` of all do, or all of them where there are fewer. Any content has a verdict: a column
    of nulls, a constant or infinite one, one of another type than in training.

    Args:
        window: The input columns as served; columns that the profile lacks are ignored.
        predictions: The prediction of each row.
        profile: What `reference_profile` gave, possibly read back from JSON.
        policy: `psi_floor`, `columns` and `minimum_rows`, as in the card's `drift`.

    Raises:
        LookupError: The window lacks a column of the profile.
        ValueError: There is not one prediction for each row.
    """
    rows = len(window)
    if rows != len(predictions):
        raise ValueError(f"got {rows} rows but {len(predictions)} predictions: pass one for each")
    for name in profile["columns"]:
        if name not in window.columns:
            raise LookupError(
                f"the window has no column {name!r}, which the profile has; "
                f"its columns are {', '.join(window.columns)}"
            )
    if rows == 0:
        return DriftReport(verdict="INCONCLUSIVE", rows=0, columns=(), drifted=())
    enough = rows >= policy["minimum_rows"]
    pairs = [(window[name], column) for name, column in profile["columns"].items()]
    pairs.append((pl.Series(PREDICTION, predictions), profile["prediction"]))
    columns = tuple(
        _column_drift(values, column, policy["psi_floor"], enough) for values, column in pairs
    )
    drifted = tuple(column.name for column in columns if column.drifted)
    drifts = len(drifted) >= min(policy["columns"], len(columns))
    verdict: Verdict = "INCONCLUSIVE" if not enough else "DRIFT" if drifts else "OK"
    return DriftReport(verdict=verdict, rows=rows, columns=columns, drifted=drifted)


def _column_drift(
    values: pl.Series, profile: ColumnProfile, floor: float, enough: bool
) -> ColumnDrift:
    reference = shares(profile)
    counts = np.bincount(bin_numbers(values, profile), minlength=len(reference))
    current = counts / len(values)
    index = psi(reference.tolist(), current.tolist())
    threshold = max(floor, profile["threshold"])
    return ColumnDrift(
        name=values.name,
        psi=index,
        threshold=threshold,
        drifted=enough and index > threshold,
        null_share=float(current[-1]),
    )
