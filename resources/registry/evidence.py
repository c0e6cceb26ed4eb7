"""Whether a recorded evaluation still lets a version into production. Pure."""

import math
from collections.abc import Iterator, Sequence

from resources.digests import digest
from resources.registry.errors import ApproverRefused, EvaluationStale, GateRefused
from resources.registry.identity import person
from resources.registry.records import ACCEPTED, Action, AuditEntry, Json, Version

# The parts of evidence that decide: each entry has `passed`, `reason` and, since intervals, a
# `verdict` of PASS, FAIL or INCONCLUSIVE.
_JUDGED = ("gates", "slices", "fairness", "budget")


def require_passed(model: str, artifact_digest: str, evidence: Json, evidence_digest: str) -> None:
    """Refuse an evaluation that is absent, failed, edited, or about something else.

    Raises:
        GateRefused: With the fact and the remedy.
        TypeError: The evidence holds something that is not JSON.
    """
    again = _again(model)
    if not evidence:
        raise GateRefused(f"{model} {artifact_digest} was never evaluated; {again}")
    for path, value in non_finite(evidence, "evidence"):
        raise GateRefused(f"{model}: {path} is {value}, which is not a result; {again}")
    if digest(evidence) != evidence_digest:
        raise GateRefused(
            f"{model}: the evidence's digest is {digest(evidence)}, {evidence_digest} was "
            f"recorded; it was edited since the evaluation, {again}"
        )
    for name, expected in (("model", model), ("artifact_digest", artifact_digest)):
        if evidence.get(name) != expected:
            raise GateRefused(
                f"{model}: evidence[{name!r}] is {evidence.get(name)!r}, expected {expected!r}; "
                f"it is of another evaluation, {again}"
            )
    _require_gates(model, evidence)


def _require_gates(model: str, evidence: Json) -> None:
    held = [each for part in _JUDGED for each in evidence.get(part) or ()]
    failed = [each for each in held if not _passed(each)]
    reasons = [str(each.get("reason") or each.get("metric")) for each in failed]
    if evidence.get("passed") is not True or failed:
        told = "; ".join(reasons or map(str, evidence.get("reasons") or ["no reason recorded"]))
        raise GateRefused(
            f"{model}: the evaluation did not pass ({told}); train a better candidate"
        )
    if not evidence.get("gates"):
        raise GateRefused(f"{model}: evidence['gates'] is empty, nothing was held; declare a gate")
    if "champion_version" not in evidence:
        raise GateRefused(
            f"{model}: evidence has no 'champion_version'; record the champion it was compared "
            "with, or None"
        )


def _passed(result: Json) -> bool:
    """INCONCLUSIVE is no pass, whatever else the result says; None is a slice that is not held."""
    return result.get("passed") is True and result.get("verdict") in (None, "PASS")


def require_unedited(version: Version, judgements: Sequence[AuditEntry]) -> None:
    """Refuse a version whose evidence is not the one that the log says it was accepted on.

    Raises:
        GateRefused: With the fact and the remedy.
    """
    accepted = [entry for entry in judgements if entry.action in ACCEPTED]
    if not accepted or accepted[-1].evidence_digest != version.evidence_digest:
        raise GateRefused(
            f"{version.model} version {version.number}: evidence {version.evidence_digest} is not "
            f"the one on the audit log; {_again(version.model)}"
        )
    require_passed(
        version.model, version.artifact_digest, version.evidence, version.evidence_digest
    )


def require_standing(version: Version, judgements: Sequence[AuditEntry]) -> None:
    """Refuse a version whose evidence was edited, or that a later evaluation refused.

    Raises:
        GateRefused: With the fact and the remedy.
    """
    require_unedited(version, judgements)
    if judgements[-1].action is Action.REFUSED:
        raise GateRefused(
            f"{version.model} version {version.number} was refused by a later evaluation "
            f"({judgements[-1].reason}); {_again(version.model)}"
        )


def require_current(version: Version, champion: int | None) -> None:
    """Refuse an evaluation against a version that is not the champion any more.

    Raises:
        EvaluationStale: Naming both versions and what to run again.
    """
    compared = version.evidence["champion_version"]
    if compared != champion:
        raise EvaluationStale(
            f"{version.model} version {version.number} was evaluated against "
            f"{_named(compared)}, champion is now {_named(champion)}; "
            f"{_again(version.model)}"
        )


def authors(version: Version, judgements: Sequence[AuditEntry]) -> list[str]:
    """Who made the version: its author, and whoever brought its evidence."""
    return [version.author, *(entry.actor for entry in judgements if entry.action in ACCEPTED)]


def may_approve(version: Version, authors: Sequence[str]) -> list[str]:
    """The version's approvers without those who made it."""
    made = {person(name) for name in authors}
    return [name for name in version.approvers if person(name) not in made]


def require_approver(version: Version, approver: str, authors: Sequence[str]) -> None:
    """Refuse an approver who is not listed or who made the version.

    Raises:
        ApproverRefused: Naming who may approve.
    """
    subject = f"{version.model} version {version.number}"
    others = may_approve(version, authors)
    may = f"ask one of: {', '.join(others) or 'nobody yet, add approvers to the model'}"
    if person(approver) not in map(person, version.approvers):
        raise ApproverRefused(f"{approver!r} is not an approver of {subject}; {may}")
    if person(approver) not in map(person, others):
        raise ApproverRefused(f"{approver!r} is the author of {subject}, not its approver; {may}")


def non_finite(value: object, path: str) -> Iterator[tuple[str, float]]:
    """Every NaN or infinity in a JSON value, with the path to it."""
    match value:
        case float() if not math.isfinite(value):
            yield path, value
        case dict():
            for name, inner in value.items():
                yield from non_finite(inner, f"{path}[{name!r}]")
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from non_finite(inner, f"{path}[{index}]")


def _again(model: str) -> str:
    return f"re-run evaluations/{model.replace('.', '/')}"


def _named(number: int | None) -> str:
    return "no champion" if number is None else f"version {number}"
