"""Drift by the value of a column: in which part of the traffic a window differs from training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlplat_assets.monitoring.drift.bins import ColumnProfile, coarse
from mlplat_assets.monitoring.drift.profile import Profile
from mlplat_assets.monitoring.drift.segment_profile import SegmentProfile
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.monitoring.drift.verdict import ALPHA, LEAST_ROWS, profiled_columns
from mlplat_assets.statistics.distances import psi, psi_by_chance
from mlplat_assets.statistics.homogeneity import homogeneity_p
from mlplat_assets.statistics.multiplicity import benjamini_hochberg


@dataclass(frozen=True, kw_only=True)
class SegmentDrift:
    """One column of the rows with one value of a segment column, against such training rows.

    Attributes:
        segment: The column that parts the rows, and `value` its value.
        rows: The window's rows with that value.
        reference_rows: The training's.
        column: What is compared.
        psi: Over the coarse bins of the whole column.
        threshold: What it must exceed: the policy's floor, and what chance gives.
        p_value: Of the chi-square test; `segment_drift` adjusts it for all values and columns.
    """

    segment: str
    value: str
    rows: int
    reference_rows: int
    column: str
    psi: float
    threshold: float
    p_value: float

    @property
    def drifted(self) -> bool:
        """Whether the difference is significant and large enough."""
        return self.p_value < ALPHA and self.psi > self.threshold


def segment_drift(
    segment: str, found: Mapping[str | None, Sketch], profile: Profile, floor: float
) -> list[SegmentDrift]:
    """Every column of every value that has 200 rows in the window and in training.

    What single training days had is not known by value, so this says where to look and is no
    verdict.
    """
    references = profile.get("segments", {}).get(segment, {})
    compared = [
        _compared((segment, value, name), sketch, references[value], column, floor)
        for value, sketch in found.items()
        if value is not None and value in references and sketch.rows >= LEAST_ROWS
        for name, column in profiled_columns(profile).items()
        if name != segment
    ]
    adjusted = benjamini_hochberg([one.p_value for one in compared])
    return [replace(one, p_value=q) for one, q in zip(compared, adjusted, strict=True)]


def _compared(
    subject: tuple[str, str, str],
    sketch: Sketch,
    reference: SegmentProfile,
    profile: ColumnProfile,
    floor: float,
) -> SegmentDrift:
    segment, value, name = subject
    before = np.array(reference["counts"][name])
    column = sketch.columns[name]
    now = np.array([*coarse(profile, column.counts), column.nulls])
    held = int(((before > 0) | (now > 0)).sum())
    chance = psi_by_chance(held, reference["rows"], sketch.rows, ALPHA)
    return SegmentDrift(
        segment=segment,
        value=value,
        rows=sketch.rows,
        reference_rows=reference["rows"],
        column=name,
        psi=float(psi(before / reference["rows"], now / sketch.rows)),
        threshold=max(floor, chance),
        p_value=homogeneity_p(before, now),
    )
