"""`mlplat models approve, reject, revoke, champion`: who says what of a version, on record."""

from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import commit, facts, heading, moment
from mlplat_assets.commands.registered import approval_table, by_whom, require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.registry.records import Action, Approval
from resources.settings import Settings


def approve(
    settings: Settings,
    console: Console,
    name: str,
    number: int,
    *,
    approver: str | None,
    reason: str,
) -> None:
    """Record an approval, and tell how many the version has of those it needs."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        given = registry.approve(
            name, number, actor=settings.actor, approver=approver, reason=reason
        )
        standing = registry.standing_approvals(name, number)
        needed = registry.version(name, number).approval.required
    names = ", ".join(each.approver for each in standing if each.verdict is Action.APPROVED)
    _tell(console, given, f"approved by {given.approver}, until {moment(given.expires_at)} UTC")
    console.print(f"  {len(standing)} of {needed} approvals: {names}")


def reject(
    settings: Settings,
    console: Console,
    name: str,
    number: int,
    *,
    approver: str | None,
    reason: str,
) -> None:
    """Record a rejection."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        given = registry.reject(
            name, number, actor=settings.actor, approver=approver, reason=reason
        )
    _tell(console, given, f"rejected by {given.approver}; it cannot be promoted")


def revoke(
    settings: Settings, console: Console, name: str, number: int, *, approver: str, reason: str
) -> None:
    """Take back a verdict."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        taken = registry.revoke_approval(
            name, number, actor=settings.actor, approver=approver, reason=reason
        )
    what = "approval" if taken.verdict is Action.APPROVED else "rejection"
    _tell(console, taken, f"the {what} by {taken.approver} is revoked")


def show_champion(settings: Settings, console: Console, name: str, at: datetime | None) -> None:
    """The version in production at a moment, its data, and who answers for it."""
    asked = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        crowned = registry.decision(name, asked)
        if crowned is None or crowned.version is None:
            console.print(f"{name} had no version in production at {moment(asked)} UTC.")
            return
        version = registry.version(name, crowned.version)
        promoted = registry.promotion_of(name, version.number, asked)
        given = registry.approvals_of(name, version.number, asked)
    console.print(Text(f"{name} version {version.number}", style="bold"))
    approvers = promoted and promoted.approver
    console.print(
        facts(
            {
                "at": f"{moment(asked)} UTC",
                "since": f"{moment(crowned.at)} UTC, {crowned.action.replace('_', ' ')}",
                "decided by": by_whom(crowned.actor, crowned.role),
                "reason": crowned.reason,
                "approved by": approvers or "nobody: break glass",
                "author": version.author,
                "training set": version.lineage.get("training_set_digest"),
                "lake snapshot": version.lineage.get("lake_snapshot"),
                "code commit": commit(version.lineage),
                "artefact": crowned.artifact_digest,
                "evidence": crowned.evidence_digest,
                "audit entry": crowned.id,
            }
        )
    )
    if given:
        console.print(heading("Approvals"))
        console.print(approval_table(given))


def _tell(console: Console, given: Approval, what: str) -> None:
    name = Text(f"{given.model} version {given.number}", style="bold")
    console.print(Text("✓ ", style="green") + name + Text(f": {what}."))
