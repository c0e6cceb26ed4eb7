"""What a version proved, as tables. Pure; evidence of any age, with what it lacks left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlplat_assets.commands.registered import gates_of, metrics_of
from resources.registry.records import Version

Judged = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Held:
    """One thing that the version was held to."""

    what: str
    value: float | None
    interval: str | None
    bound: float | None
    champion: float | None
    difference: str | None
    verdict: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of the version, of the champion then and of the baseline, on the same rows."""

    name: str
    own: float
    interval: str | None
    champion: float | None
    difference: str | None
    baseline: float | None


def held(version: Version) -> list[Held]:
    """Gates, then slices, fairness and budgets that decide something."""
    evidence = version.evidence
    found = [_held(f"gate {gate.get('metric')}", gate) for gate in gates_of(version)]
    for each in evidence.get("slices") or ():
        if each.get("verdict"):
            found.append(_held(f"slice {each.get('column')} {each.get('value')}", _of_slice(each)))
    for each in evidence.get("fairness") or ():
        gap = _estimate(each.get("gap"))
        found.append(_held(f"fairness {each.get('column')}", {**each, "value": gap}))
    for each in evidence.get("budget") or ():
        found.append(_held(f"budget {each.get('name')}", each))
    return found


def metrics(version: Version) -> list[Metric]:
    """Every metric on the holdout."""
    evidence = version.evidence
    intervals = evidence.get("intervals") or {}
    differences = (evidence.get("differences") or {}).get("champion") or {}
    return [
        Metric(
            name=name,
            own=own,
            interval=span((intervals.get("candidate") or {}).get(name)),
            champion=(evidence.get("champion_metrics") or {}).get(name),
            difference=span(differences.get(name), "+"),
            baseline=(evidence.get("baseline_metrics") or {}).get(name),
        )
        for name, own in metrics_of(version).items()
    ]


def slices(version: Version) -> Sequence[Judged]:
    """The parts of the holdout that were looked at on their own: name, rows, both models."""
    return [
        {
            "name": f"{each.get('column')} {each.get('value')}",
            "rows": each.get("rows"),
            "own": span((each.get("metrics") or {}).get("candidate")),
            "champion": span((each.get("metrics") or {}).get("champion")),
            "difference": span(each.get("difference"), "+"),
            "verdict": each.get("verdict") or "reported",
        }
        for each in version.evidence.get("slices") or ()
    ]


def span(found: Mapping[str, float] | None, sign: str = "") -> str | None:
    """An estimate with its 95% interval; None of nothing."""
    if found is None:
        return None
    estimate, low, high = (f"{found[end]:{sign}.4f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def _held(what: str, judged: Judged) -> Held:
    passed = judged.get("passed") is True
    return Held(
        what=what,
        value=judged.get("value"),
        interval=span(judged.get("interval")),
        bound=judged.get("floor", judged.get("limit")),
        champion=judged.get("champion"),
        difference=span(judged.get("difference"), "+"),
        verdict=judged.get("verdict") or ("PASS" if passed else "FAIL"),
        reason=judged.get("reason") or "-",
    )


def _of_slice(each: Judged) -> Judged:
    measured = each.get("metrics") or {}
    own, champion = measured.get("candidate"), measured.get("champion")
    known = {"value": _estimate(own), "interval": own, "champion": _estimate(champion)}
    return {**each, **known, "limit": each.get("margin")}


def _estimate(found: Mapping[str, float] | None) -> float | None:
    return None if found is None else found.get("estimate")
