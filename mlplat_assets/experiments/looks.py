"""An experiment as it stood after each day: effects, and the ratio of units."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Literal

from mlplat_assets.experiment_checks import metrics_of
from mlplat_assets.experiment_spec import Better, Experiment, Metric
from mlplat_assets.experiments.arm_days import ArmDay
from mlplat_assets.statistics.covariates import PairedMoments, adjusted
from mlplat_assets.statistics.imbalance import ratio_evidence
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import (
    ConfidenceSequence,
    difference_sequence,
    one_sided_sequence,
)

Role = Literal["primary", "holdout", "guardrail", "secondary"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One metric of one arm against the control, of all units first seen by the end of a UTC day.

    A unit has the mean of all its predictions, later ones too. The ends of a guardrail hold one by
    one at alpha, as only its worse end is asked. The role `holdout` is the primary metric against
    the units of the holdout alone.

    Attributes:
        control: The control's units whose value is known; of the primary metric after CUPED.
        treated: Those of the arm.
        effect: Arm minus control, in the metric's units.
    """

    day: date
    arm: str
    role: Role
    metric: Metric
    control: Moments
    treated: Moments
    effect: ConfidenceSequence


@dataclass(frozen=True, kw_only=True)
class RatioLook:
    """Units of each arm by the end of a UTC day, and how well they fit the buckets.

    `p_value` is the least so far, which is valid at every look.
    """

    day: date
    units: Mapping[str, int]
    crossed: int
    p_value: float


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of an arm's units by some day."""

    metrics: Mapping[str, Moments]
    primary: PairedMoments

    def __add__(self, other: "_Known") -> "_Known":
        metrics = {name: self.metrics[name] + other.metrics[name] for name in self.metrics}
        return _Known(metrics=metrics, primary=self.primary + other.primary)


def looks(spec: Experiment, days: Sequence[ArmDay]) -> list[Look]:
    """Every metric of every arm after each day, oldest first.

    Alpha is shared out equally among the arms (Bonferroni).
    """
    found: list[Look] = []
    alpha = spec.alpha / len(spec.arms)
    for day, known in _by_day(spec, days):
        everyone = _all_of(known)
        for arm in spec.arms:
            found += _looks_of(spec, day, arm, everyone, alpha)
            if spec.holdout:
                kept = {**everyone, spec.control: known[spec.control, True]}
                first = _looks_of(spec, day, arm, kept, alpha)[0]
                found.append(replace(first, role="holdout"))
    return found


def ratio_looks(
    spec: Experiment, days: Sequence[ArmDay], shares: Mapping[str, int]
) -> list[RatioLook]:
    """The ratio of the arms' units after each day, oldest first.

    Args:
        spec: The experiment.
        days: Its units.
        shares: How many buckets each arm has, the control first.
    """
    found: list[RatioLook] = []
    units, crossed, least = dict.fromkeys(shares, 0), 0, 1.0
    for day, rows in groupby(sorted(days, key=lambda row: row.day), key=lambda row: row.day):
        for row in rows:
            units[row.arm] += row.units
            crossed += row.crossed
        least = min(least, ratio_evidence(list(units.values()), list(shares.values())))
        found.append(RatioLook(day=day, units=dict(units), crossed=crossed, p_value=least))
    return found


def _by_day(
    spec: Experiment, days: Sequence[ArmDay]
) -> Iterator[tuple[date, dict[tuple[str, bool], _Known]]]:
    """What is known by each day, of each arm and of the holdout."""
    nothing = _Known(
        metrics={metric.measure: Moments() for _, metric in metrics_of(spec)},
        primary=PairedMoments(),
    )
    known = {(arm, held): nothing for arm in (spec.control, *spec.arms) for held in (False, True)}
    for day, rows in groupby(sorted(days, key=lambda row: row.day), key=lambda row: row.day):
        for row in rows:
            place = row.arm, row.held_back
            known[place] = known[place] + _Known(metrics=row.metrics, primary=row.primary)
        yield day, dict(known)


def _all_of(known: Mapping[tuple[str, bool], _Known]) -> dict[str, _Known]:
    return {arm: known[arm, False] + known[arm, True] for arm, _ in known}


def _looks_of(
    spec: Experiment, day: date, arm: str, known: Mapping[str, _Known], alpha: float
) -> list[Look]:
    control, treated = known[spec.control], known[arm]

    def look(role: Role, metric: Metric, a: Moments, b: Moments) -> Look:
        return Look(
            day=day,
            arm=arm,
            role=role,
            metric=metric,
            control=a,
            treated=b,
            effect=_one_sided(a, b, metric.better, alpha)
            if role == "guardrail"
            else difference_sequence(a, b, alpha=alpha),
        )

    before, after = adjusted([control.primary, treated.primary])
    declared: tuple[tuple[Role, list[Metric]], ...] = (
        ("guardrail", [each.metric for each in spec.guardrails]),
        ("secondary", list(spec.secondary)),
    )
    return [
        look("primary", spec.primary, before, after),
        *(
            look(role, metric, control.metrics[metric.measure], treated.metrics[metric.measure])
            for role, metrics in declared
            for metric in metrics
        ),
    ]


def _one_sided(a: Moments, b: Moments, better: Better, alpha: float) -> ConfidenceSequence:
    """Arm minus control with the p-value of "the arm is not worse"."""
    found = one_sided_sequence(a, b, alpha=alpha)
    if better == "lower":
        return found
    return replace(found, p_value=one_sided_sequence(b, a, alpha=alpha).p_value)
