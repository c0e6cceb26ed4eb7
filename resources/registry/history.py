"""What was true at a moment, told from audit entries alone. Entries are oldest first."""

from collections.abc import Iterable, Sequence

from resources.registry.errors import TransitionRefused
from resources.registry.records import Action, AuditEntry, Stage


def reigns(entries: Iterable[AuditEntry]) -> list[int]:
    """The champions that a rollback can return to, the present one last.

    A promotion adds one. A rollback drops those after its target, so that rolling back twice
    goes two versions back rather than to and fro.
    """
    stack: list[int] = []
    for entry in entries:
        if entry.version is None or entry.to_stage is not Stage.PRODUCTION:
            continue
        if entry.action is Action.ROLLED_BACK and entry.version in stack:
            del stack[stack.index(entry.version) :]
        stack.append(entry.version)
    return stack


def previous(model: str, entries: Sequence[AuditEntry]) -> int:
    """The champion before the present one.

    Raises:
        TransitionRefused: There was none.
    """
    stack = reigns(entries)
    if len(stack) < 2:
        raise TransitionRefused(
            f"{model} has no champion before {f'version {stack[-1]}' if stack else 'now'}; "
            "promote a version instead"
        )
    return stack[-2]


def champion(entries: Iterable[AuditEntry]) -> int | None:
    """The version in production after the entries, or None."""
    number = None
    for entry in entries:
        if entry.to_stage is Stage.PRODUCTION:
            number = entry.version
        elif entry.from_stage is Stage.PRODUCTION and entry.version == number:
            number = None
    return number


def stage(entries: Sequence[AuditEntry], number: int) -> Stage | None:
    """The stage a version reached last, or None when it was not registered yet."""
    moves = [e.to_stage for e in entries if e.version == number and e.to_stage is not None]
    return moves[-1] if moves else None


def approver(entries: Sequence[AuditEntry], number: int) -> str | None:
    """Who approved the version for production, or None when nobody had."""
    names = [e.approver for e in entries if e.version == number and e.action is Action.PROMOTED]
    return names[-1] if names else None
