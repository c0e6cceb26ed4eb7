"""The judgement of a candidate against its gates, in sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

from mlplat_assets.model_spec import METRICS, Gate, Task


class GateResult(TypedDict):
    """One gate as evidence records it."""

    metric: str
    floor: float | None
    margin: float | None
    value: float
    champion: float | None
    passed: bool
    reason: str


class Verdict(NamedTuple):
    """What the gates said: one result each, whether all passed, why not where not."""

    gates: list[GateResult]
    passed: bool
    reasons: list[str]


def judge(
    gates: Sequence[Gate],
    task: Task,
    metrics: Mapping[str, float],
    champion_metrics: Mapping[str, float] | None,
) -> Verdict:
    """Holds a candidate's metrics against floors and against the champion's, on the same rows.

    A value equal to its bound passes. Without a champion only floors are held.

    Raises:
        ValueError: There is no gate, or a gate bounds nothing, names a metric that the task
            does not have, or a metric is missing or not finite.
    """
    if not gates:
        raise ValueError("the model declares no gate, so any candidate would pass; declare one")
    results = [judge_one(gate, task, metrics, champion_metrics) for gate in gates]
    reasons = [result["reason"] for result in results if not result["passed"]]
    return Verdict(results, not reasons, reasons)


def judge_one(
    gate: Gate,
    task: Task,
    metrics: Mapping[str, float],
    champion_metrics: Mapping[str, float] | None,
) -> GateResult:
    """One gate's result; a failing one says each bound that it misses."""
    if gate.metric not in METRICS[task]:
        raise ValueError(
            f"gate on {gate.metric!r}: a {task} model has {', '.join(sorted(METRICS[task]))}"
        )
    if gate.floor is None and gate.margin is None:
        raise ValueError(f"gate on {gate.metric!r} bounds nothing; give it a floor or a margin")
    value = finite(metrics, gate.metric, "candidate")
    champion = (
        None if champion_metrics is None else finite(champion_metrics, gate.metric, "champion")
    )
    misses = missed(gate, task, value, champion)
    return GateResult(
        metric=gate.metric,
        floor=gate.floor,
        margin=gate.margin,
        value=value,
        champion=champion,
        passed=not misses,
        reason="; ".join(misses) or met(gate, value, champion),
    )


def missed(gate: Gate, task: Task, value: float, champion: float | None) -> list[str]:
    """The bounds of the gate that the value misses, a sentence each."""
    higher = METRICS[task][gate.metric] == "higher"
    sign, worse, bound_name = (1, "below", "floor") if higher else (-1, "above", "limit")
    misses = []
    if gate.floor is not None and sign * value < sign * gate.floor:
        shown, bound = apart(value, gate.floor)
        misses.append(f"{gate.metric} {shown} is {worse} the {bound_name} {bound}")
    if gate.margin is None or champion is None:
        return misses
    # 1e-12: a candidate level with the champion up to float rounding is level.
    if sign * (champion - value) > gate.margin + 1e-12:
        shown, bound = apart(value, champion)
        misses.append(
            f"{gate.metric} {shown} is {worse} champion's {bound} "
            f"by more than the margin {gate.margin:.3f}"
        )
    return misses


def met(gate: Gate, value: float, champion: float | None) -> str:
    """The sentence of a gate that holds."""
    holds = [] if gate.floor is None else [f"meets its bound {gate.floor:.3f}"]
    if gate.margin is not None:
        compared = f"champion's {champion:.3f}" if champion is not None else "no champion yet"
        holds.append(f"holds against {compared} within the margin {gate.margin:.3f}")
    return f"{gate.metric} {value:.3f} {' and '.join(holds)}"


def apart(value: float, bound: float) -> tuple[str, str]:
    """Both numbers with three decimals, or as many more as it takes to tell them apart."""
    for digits in range(3, 17):
        pair = f"{value:.{digits}f}", f"{bound:.{digits}f}"
        if pair[0] != pair[1]:
            return pair
    return repr(value), repr(bound)


def finite(metrics: Mapping[str, float], name: str, whose: str) -> float:
    """A metric's value, or an error where it is missing or NaN, which would compare as passing."""
    value = metrics.get(name)
    if value is None or not math.isfinite(value):
        raise ValueError(f"the {whose}'s {name} is {value}; evaluate it on rows that define it")
    return value
