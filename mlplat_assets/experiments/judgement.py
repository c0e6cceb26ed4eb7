"""What an experiment says so far: SHIP, STOP, KEEP RUNNING, or INVALID."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.looks import Look, RatioLook
from mlplat_assets.statistics.imbalance import RATIO_ALPHA

Verdict = Literal["SHIP", "STOP", "KEEP RUNNING", "INVALID"]

# Sequences hold in the limit of many units; nothing is decided of fewer in an arm.
LEAST_UNITS = 100
# GrowthBook's: more units than that answered by another variant, and ten at least, spoil it.
MOST_CROSSED, LEAST_CROSSED = 0.01, 10


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict, the arm that it is for (None: all of them), and why."""

    verdict: Verdict
    arm: str | None = None
    reasons: tuple[str, ...] = ()


def faults_of(ratios: Sequence[RatioLook], shares: Mapping[str, int]) -> list[str]:
    """Why the arms cannot be compared: units lost on the way, or answered by several variants."""
    if not ratios:
        return []
    last, found = ratios[-1], []
    if last.p_value <= RATIO_ALPHA:
        told = ", ".join(f"{name} {n:,}" for name, n in last.units.items())
        wanted = " : ".join(f"{n:,}" for n in shares.values())
        found.append(
            f"units arrive as {told}, with buckets as {wanted} (p = {last.p_value:.2g}, always "
            "valid); find what loses units of an arm"
        )
    units = sum(last.units.values())
    if last.crossed >= LEAST_CROSSED and last.crossed > MOST_CROSSED * units:
        found.append(
            f"{last.crossed:,} of {units:,} units were answered by another variant than their own"
        )
    return found


def judge(
    spec: Experiment, looks: Sequence[Look], faults: Sequence[str], *, is_over: bool
) -> Judgement:
    """The verdict of the last look.

    Args:
        spec: The experiment.
        looks: Those of `looks`.
        faults: What makes the comparison none.
        is_over: Whether its days have passed, and their labels come.
    """
    if faults:
        return Judgement(verdict="INVALID", reasons=tuple(faults))
    if not looks:
        ended = Judgement(verdict="STOP", reasons=("it is over and had no unit",))
        return ended if is_over else Judgement(verdict="KEEP RUNNING", reasons=("no unit yet",))
    last = [look for look in looks if look.day == looks[-1].day]
    of_arms = [
        _of_arm(spec, arm, [look for look in last if look.arm == arm], is_over=is_over)
        for arm in spec.arms
    ]
    for verdict in ("SHIP", "KEEP RUNNING"):
        found = [each for each in of_arms if each.verdict == verdict]
        if verdict == "SHIP" and found:
            return max(found, key=lambda each: _gain(spec, last, each.arm))
        if found:
            return _together(found)
    return _together(of_arms)


def _of_arm(spec: Experiment, arm: str, looks: Sequence[Look], *, is_over: bool) -> Judgement:
    primary = next(look for look in looks if look.role == "primary")
    guardrails = [look for look in looks if look.role == "guardrail"]
    units = min(primary.control.n, primary.treated.n)
    over = ["it is over"] if is_over else []
    if units < LEAST_UNITS:
        few = f"{units} units with a value in the smaller arm, at least {LEAST_UNITS} are needed"
        return _judged("STOP" if is_over else "KEEP RUNNING", arm, [few, *over])
    if broken := [told for look in guardrails if (told := _broken(spec, look))]:
        return _judged("STOP", arm, broken)
    worst, best = _ends(primary)
    unsure = [told for look in guardrails if (told := _unsure(spec, look))]
    if worst > 0:
        better = f"{primary.metric.measure} is better: {_told(primary)}"
        verdict = "SHIP" if not unsure else "STOP" if is_over else "KEEP RUNNING"
        return _judged(verdict, arm, [better, *unsure, *(over if unsure else [])])
    if best < 0:
        return _judged("STOP", arm, [f"{primary.metric.measure} is worse: {_told(primary)}"])
    if best < spec.effect:
        return _judged("STOP", arm, [f"no effect of {spec.effect:g} is left: {_told(primary)}"])
    undecided = f"{primary.metric.measure} is undecided: {_told(primary)}"
    return _judged("STOP" if is_over else "KEEP RUNNING", arm, [undecided, *unsure, *over])


def _judged(verdict: Verdict, arm: str, reasons: Sequence[str]) -> Judgement:
    return Judgement(verdict=verdict, arm=arm, reasons=tuple(reasons))


def _together(judgements: Sequence[Judgement]) -> Judgement:
    if len(judgements) == 1:
        return judgements[0]
    reasons = [f"{each.arm}: {reason}" for each in judgements for reason in each.reasons]
    return Judgement(verdict=judgements[0].verdict, reasons=tuple(reasons))


def _ends(look: Look) -> tuple[float, float]:
    """The worst and the best end of the effect, better above zero."""
    low, high = look.effect.low, look.effect.high
    return (low, high) if look.metric.better == "higher" else (-high, -low)


def _gain(spec: Experiment, looks: Sequence[Look], arm: str | None) -> float:
    (estimate,) = (x.effect.estimate for x in looks if x.arm == arm and x.role == "primary")
    return estimate if spec.primary.better == "higher" else -estimate


def _broken(spec: Experiment, look: Look) -> str | None:
    margin = _margin(spec, look)
    if _ends(look)[1] < -margin:
        return f"{look.metric.measure} is worse by more than {margin:g}: {_told(look)}"
    return None


def _unsure(spec: Experiment, look: Look) -> str | None:
    margin = _margin(spec, look)
    if _ends(look)[0] <= -margin:
        return f"{look.metric.measure} may be worse by {margin:g}: {_told(look)}"
    return None


def _margin(spec: Experiment, look: Look) -> float:
    return next(each.margin for each in spec.guardrails if each.metric == look.metric)


def _told(look: Look) -> str:
    effect = look.effect
    return f"{effect.estimate:+.4g} ({effect.low:+.4g} to {effect.high:+.4g})"
