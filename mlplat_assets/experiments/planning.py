"""How large an experiment must be, from what the journal has of the days before it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.exposure import Exposure
from mlplat_assets.experiments.journal_rows import JournalRows
from mlplat_assets.statistics.covariates import PairedMoments
from mlplat_assets.statistics.sample_size import (
    Design,
    proportions,
    units_at_any_look,
    units_at_one_look,
)
from resources.buckets import BUCKETS

# Four whole weeks, so that each weekday counts alike.
BASELINE_DAYS = 28


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The primary metric before the experiment: by unit, and how many units a day brought."""

    primary: PairedMoments
    units_per_day: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Units of control and of each arm, for one look at the end and for any number of looks.

    `days` is how long the larger takes at the traffic of the days before; None if unknown.
    """

    one_look: tuple[int, int]
    any_look: tuple[int, int]
    days: float | None


def baseline_of(journal: JournalRows) -> Baseline:
    """Of all units of the 28 days before the first one, whichever variant answered them.

    Raises:
        LookupError: Those days have fewer than two units with a value.
    """
    spec = journal.query.spec
    before = replace(
        spec,
        first_day=spec.first_day - timedelta(days=BASELINE_DAYS),
        last_day=spec.first_day - timedelta(days=1),
    )
    earlier = replace(journal, query=replace(journal.query, spec=before))
    everyone = Exposure(
        revisions=tuple(earlier.revisions()),
        ranges={spec.control: ((0, BUCKETS),)},
        holdout=(),
        overrides=frozenset(),
        faults=(),
    )
    days = earlier.arm_days(everyone)
    primary = sum((day.primary for day in days), PairedMoments())
    if primary.y.n < 2:
        raise LookupError(
            f"the journal has {primary.y.n} units with a {spec.primary.measure} from "
            f"{before.first_day} to {before.last_day}; give --mean, and --sd unless it is a share"
        )
    units = sum(day.units for day in days)
    return Baseline(primary=primary, units_per_day=units / len({day.day for day in days}))


def design_of(
    spec: Experiment, mean: float, deviation: float | None, *, correlation: float, share: float
) -> Design:
    """What the experiment is to find, of a metric of such a mean and standard deviation.

    Args:
        spec: The experiment.
        mean: The metric's mean among the control's units.
        deviation: Its standard deviation; None where the metric is a share of the units.
        correlation: Of the covariate with the metric; 0 without one.
        share: Percent of the units that each arm has; the control has the rest.

    Raises:
        ValueError: The shares leave the control nothing, or the mean is no share.
    """
    left = 100 - share * len(spec.arms)
    if share <= 0 or left <= 0:
        raise ValueError(
            f"{len(spec.arms)} arms of {share:g}% leave {left:g}% to {spec.control}; give less"
        )
    terms = {"alpha": spec.alpha / len(spec.arms), "power": spec.power, "ratio": share / left}
    if deviation is None:
        after = mean + (spec.effect if spec.primary.better == "higher" else -spec.effect)
        return proportions(mean, after, **terms).explained(correlation)
    variance = deviation**2
    found = Design(variance_a=variance, variance_b=variance, effect=spec.effect, **terms)
    return found.explained(correlation)


def plan_of(design: Design, arms: int, units_per_day: float | None) -> Plan:
    """How many units, and days at so many units a day."""
    any_look = units_at_any_look(design)
    units = any_look[0] + arms * any_look[1]
    return Plan(
        one_look=units_at_one_look(design),
        any_look=any_look,
        days=units / units_per_day if units_per_day else None,
    )
