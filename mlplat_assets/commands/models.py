"""`mlplat models`: which versions there are, which one serves, and who decided so."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.model_pages import log_table
from mlplat_assets.commands.output import Cell, add, cell_text, stage_text, table
from mlplat_assets.commands.registered import (
    gates_of,
    metrics_of,
    require_registered,
    unknown_model,
    versions_by_model,
)
from mlplat_assets.commands.stores import opened_registry
from resources.registry.records import Stage, Version
from resources.settings import Settings


def list_models(settings: Settings, console: Console) -> None:
    """Every model, declared or registered, with what serves and what is newest."""
    from mlplat_assets.catalogue import catalogue

    declared = catalogue()
    found = versions_by_model(settings)
    made = table("MODEL", "SERVES", "METRIC", "VERSIONS", "NEWEST", "OWNER", right=("VERSIONS",))
    for name in sorted({*declared.models, *found}):
        model, versions = declared.models.get(name), found.get(name, [])
        champion = next((v for v in versions if v.stage is Stage.PRODUCTION), None)
        undeclared = Text("not declared", style="yellow")
        add(
            made,
            Text(name, style="bold"),
            champion and Text(f"version {champion.number}", style="bold green"),
            champion and _first_metric(champion),
            len(versions),
            _newest(versions),
            declared.owner(model) if model else undeclared,
        )
    console.print(made)
    if not found:
        console.print("\nNo version is registered yet. `mlplat demo` makes the first.", style="dim")


def promote(
    settings: Settings, console: Console, name: str, number: int, *, approver: str, reason: str
) -> None:
    """Make a version the champion, on record."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        before = registry.champion(name)
        version = registry.promote(
            name, number, actor=settings.actor, approver=approver, reason=reason
        )
    if before and before.number == version.number:
        console.print(f"{name} version {number} is in production already; nothing changed.")
        return
    _tell_move(console, version, before, f"approved by {approver}")


def roll_back(
    settings: Settings, console: Console, name: str, *, reason: str, to: int | None
) -> None:
    """Return an earlier champion to production, on record."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        before = registry.champion(name)
        version = registry.rollback(name, actor=settings.actor, reason=reason, to=to)
    if before and before.number == version.number:
        console.print(f"{name} version {version.number} is in production already; nothing changed.")
        return
    _tell_move(console, version, before, "rolled back")


def audit(settings: Settings, console: Console, name: str | None, *, verify: bool) -> None:
    """The log of every decision, and whether it is as it was written."""
    with opened_registry(settings) as registry:
        if name is not None and not registry.audit(name):
            raise unknown_model(name, registry.models())
        console.print(log_table(registry.audit(name), with_model=name is None))
        if verify:
            count = registry.verify_audit()
            console.print(
                f"\n✓ {count} entries verified: an unbroken chain to the versions as they are.",
                style="green",
            )


def _tell_move(console: Console, version: Version, before: Version | None, how: str) -> None:
    name = Text(f"{version.model} version {version.number}", style="bold")
    console.print(Text("✓ ", style="green") + name + Text(f" is in production, {how}."))
    if before:
        console.print(f"  Version {before.number} is archived.")
    console.print("  A running service changes over within seconds.", style="dim")


def _first_metric(version: Version) -> str | None:
    for gate in gates_of(version):
        value = metrics_of(version).get(str(gate.get("metric")))
        if value is not None:
            return f"{gate['metric']} {value:.4g}"
    return None


def _newest(versions: Sequence[Version]) -> Cell:
    if not versions:
        return None
    newest = versions[-1]
    return Text(f"{newest.number}, ") + cell_text(stage_text(newest.stage))
