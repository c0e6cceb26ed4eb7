"""The judgement of a candidate against its gates, in sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

from mlplat_assets.assessment.verdicts import Verdict, against_champion, worst
from mlplat_assets.model_spec import METRICS, Gate, Task
from mlplat_assets.statistics.intervals import Interval


class GateResult(TypedDict):
    """One gate as evidence records it.

    `interval` is the value's, `difference` that of candidate minus champion: estimate, low, high.
    """

    metric: str
    floor: float | None
    margin: float | None
    value: float
    interval: dict[str, float]
    champion: float | None
    difference: dict[str, float] | None
    verdict: Verdict
    passed: bool
    reason: str


class Judged(NamedTuple):
    """What the gates said: one result each, whether all passed, why not where not."""

    gates: list[GateResult]
    passed: bool
    reasons: list[str]


def judge(
    gates: Sequence[Gate],
    task: Task,
    metrics: Mapping[str, Interval],
    champion: Mapping[str, Interval] | None = None,
    differences: Mapping[str, Interval] | None = None,
) -> Judged:
    """Holds a candidate against floors, and its differences from the champion against margins.

    A value equal to its floor passes. Without a champion only floors are held. The first gate is
    the primary one.

    Raises:
        ValueError: There is no gate, or a gate bounds nothing, names a metric that the task
            does not have, or a metric is missing or not finite.
    """
    if not gates:
        raise ValueError("the model declares no gate, so any candidate would pass; declare one")
    results = [
        judge_one(gate, task, metrics, champion, differences, primary=gate is gates[0])
        for gate in gates
    ]
    reasons = [result["reason"] for result in results if not result["passed"]]
    return Judged(results, not reasons, reasons)


def judge_one(
    gate: Gate,
    task: Task,
    metrics: Mapping[str, Interval],
    champion: Mapping[str, Interval] | None = None,
    differences: Mapping[str, Interval] | None = None,
    *,
    primary: bool = False,
) -> GateResult:
    """One gate's result; a failing one says each bound that it misses."""
    if gate.metric not in METRICS[task]:
        raise ValueError(
            f"gate on {gate.metric!r}: a {task} model has {', '.join(sorted(METRICS[task]))}"
        )
    if gate.floor is None and gate.margin is None:
        raise ValueError(f"gate on {gate.metric!r} bounds nothing; give it a floor or a margin")
    higher = METRICS[task][gate.metric] == "higher"
    value = finite(metrics, gate.metric, "candidate")
    held = [] if gate.floor is None else [at_floor(gate, value.estimate, gate.floor, higher)]
    compared = None
    if gate.margin is not None and champion is None:
        held.append((Verdict.PASS, f"{gate.metric} {value}: there is no champion yet"))
    elif champion is not None and differences is not None:
        compared = finite(differences, gate.metric, "difference from champion")
        if gate.margin is not None:
            held.append(
                against_champion(
                    gate.metric, compared, gate.margin, higher_is_better=higher, primary=primary
                )
            )
    verdict = worst(verdict for verdict, _ in held)
    told = [reason for each, reason in held if each == verdict or verdict is Verdict.PASS]
    if verdict is Verdict.FAIL:
        told += [reason for each, reason in held if each is Verdict.INCONCLUSIVE]
    return GateResult(
        metric=gate.metric,
        floor=gate.floor,
        margin=gate.margin,
        value=value.estimate,
        interval=value.json(),
        champion=None if champion is None else finite(champion, gate.metric, "champion").estimate,
        difference=compared and compared.json(),
        verdict=verdict,
        passed=verdict is Verdict.PASS,
        reason="; ".join(told),
    )


def at_floor(gate: Gate, value: float, floor: float, higher: bool) -> tuple[Verdict, str]:
    """Whether the measured value meets the floor.

    The value and not its interval: a floor says which model is of no use at all, and is set far
    from what is usual; how sure the value is, is shown beside it. Two models are another matter,
    where a difference is mostly chance.
    """
    worse, bound_name = ("below", "floor") if higher else ("above", "limit")
    if (value < floor) if higher else (value > floor):
        shown, bound = apart(value, floor)
        return Verdict.FAIL, f"{gate.metric} {shown} is {worse} the {bound_name} {bound}"
    return Verdict.PASS, f"{gate.metric} {value:.4g} meets its {bound_name} {floor:.4g}"


def apart(value: float, bound: float) -> tuple[str, str]:
    """Both numbers with three decimals, or as many more as it takes to tell them apart."""
    for digits in range(3, 17):
        pair = f"{value:.{digits}f}", f"{bound:.{digits}f}"
        if pair[0] != pair[1]:
            return pair
    return repr(value), repr(bound)


def finite(metrics: Mapping[str, Interval], name: str, whose: str) -> Interval:
    """A metric, or an error where it is missing or NaN, which would compare as passing."""
    value = metrics.get(name)
    if value is None or not all(map(math.isfinite, (value.estimate, value.low, value.high))):
        raise ValueError(f"the {whose}'s {name} is {value}; evaluate it on rows that define it")
    return value
