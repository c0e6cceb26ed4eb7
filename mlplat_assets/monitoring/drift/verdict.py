"""Drift: whether a window of served rows still looks like the rows the model was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlplat_assets.monitoring.drift.bins import ColumnProfile
from mlplat_assets.monitoring.drift.measures import Measures, measured
from mlplat_assets.monitoring.drift.profile import PREDICTION, Profile
from mlplat_assets.monitoring.drift.quality import OF_SCHEMA, Finding, findings
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.statistics.multiplicity import benjamini_hochberg

Verdict = Literal["OK", "WARNING", "DRIFT", "INCONCLUSIVE"]
Kind = Literal["none", "distribution", "quality"]

# False alarms among the columns that count as significant, by Benjamini and Hochberg.
ALPHA = 0.05
# The field's "moderate shift".
WARNING_PSI = 0.1
# Below it the PSI of an undrifted column of ten bins exceeds 0.1 in 41 of 100 windows (n = 100).
LEAST_ROWS = 200


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """One column of a window.

    Attributes:
        name: The input column, or `prediction`.
        verdict: DRIFT, WARNING or OK of its distribution; INCONCLUSIVE in a window of too few
            rows, and of a broken column, whose distribution says nothing.
        kind: Whether the fault is of the data's quality or of its distribution.
        findings: What is wrong with the data, whether or not that breaks the column.
        measures: Distances and tests.
        threshold: What PSI must exceed: the policy's floor, what single training days had, and
            what chance gives.
        q_value: The p-value, adjusted for the number of columns.
    """

    name: str
    verdict: Verdict
    kind: Kind
    findings: tuple[Finding, ...]
    measures: Measures
    threshold: float
    q_value: float

    @property
    def psi(self) -> float:
        """Population stability index, null and unseen bins included."""
        return self.measures.psi

    @property
    def drifted(self) -> bool:
        """Whether its distribution drifted."""
        return self.verdict == "DRIFT"

    @property
    def broken(self) -> bool:
        """Whether its data is at fault."""
        return self.kind == "quality"


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """The verdict over a window, and every column behind it.

    INCONCLUSIVE means too few rows to tell: then no column counts as drifted, and an empty window
    has no columns either. WARNING: less than drift, or a broken column.
    """

    verdict: Verdict
    rows: int
    columns: tuple[ColumnDrift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Columns whose distribution drifted."""
        return tuple(column.name for column in self.columns if column.drifted)

    @property
    def broken(self) -> tuple[str, ...]:
        """Columns whose data is at fault: put right what feeds them before anything is trained."""
        return tuple(column.name for column in self.columns if column.broken)


def compare(sketch: Sketch, profile: Profile, policy: Mapping[str, float]) -> DriftReport:
    """Compares a window of served rows with the profile of the version that served them.

    A column drifts where its difference is significant after the adjustment for the number of
    columns, and its PSI exceeds the policy's floor, what single training days had, and what chance
    gives. The window drifts when at least `columns` of all do, or all of them where there are
    fewer. Any content has a verdict, and no column stops another.

    Args:
        sketch: The window's columns, and the predictions as `prediction`.
        profile: What `reference_profile` gave, possibly read back from JSON.
        policy: `psi_floor`, `columns` and `minimum_rows`, as in the card's `drift`.

    Raises:
        KeyError: The sketch is of another profile.
    """
    if not sketch.rows:
        return DriftReport(verdict="INCONCLUSIVE", rows=0, columns=())
    enough = sketch.rows >= max(policy["minimum_rows"], LEAST_ROWS)
    profiles = profiled_columns(profile)
    found = {
        name: measured(sketch.columns[name], one, profile["rows"], ALPHA)
        for name, one in profiles.items()
    }
    adjusted = benjamini_hochberg([one.p_value for one in found.values()])
    columns = tuple(
        _column(name, profiles[name], sketch, one, q_value, policy["psi_floor"], enough)
        for (name, one), q_value in zip(found.items(), adjusted, strict=True)
    )
    verdict = _window_verdict(columns, policy["columns"]) if enough else "INCONCLUSIVE"
    return DriftReport(verdict=verdict, rows=sketch.rows, columns=columns)


def profiled_columns(profile: Profile) -> dict[str, ColumnProfile]:
    """The profiles of all columns, with that of the predictions."""
    return {**profile["columns"], PREDICTION: profile["prediction"]}


def _column(
    name: str,
    profile: ColumnProfile,
    sketch: Sketch,
    measures: Measures,
    q_value: float,
    floor: float,
    enough: bool,
) -> ColumnDrift:
    usual = max(profile["threshold"], measures.psi_by_chance)
    faults = findings(sketch.columns[name], profile)
    broken = any(one.breaks and (enough or one.fault in OF_SCHEMA) for one in faults)
    verdict: Verdict = "INCONCLUSIVE"
    if enough and not broken:
        verdict = _verdict(measures.psi, q_value, floor, usual)
    return ColumnDrift(
        name=name,
        verdict=verdict,
        kind="quality" if broken else "distribution" if verdict == "DRIFT" else "none",
        findings=faults,
        measures=measures,
        threshold=max(floor, usual),
        q_value=q_value,
    )


def _verdict(psi: float, q_value: float, floor: float, usual: float) -> Verdict:
    if q_value >= ALPHA or psi <= usual:
        return "OK"
    if psi > floor:
        return "DRIFT"
    return "WARNING" if psi > WARNING_PSI else "OK"


def _window_verdict(columns: Sequence[ColumnDrift], needed: float) -> Verdict:
    drifted = sum(column.drifted for column in columns)
    if drifted >= min(needed, len(columns)):
        return "DRIFT"
    if any(column.broken or column.verdict in ("DRIFT", "WARNING") for column in columns):
        return "WARNING"
    return "OK"
