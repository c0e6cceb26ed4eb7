"""`mlplat models`: which versions there are, which one serves, and who decided so."""

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import Cell, add, cell_text, stage_text, table
from mlplat_assets.commands.registered import (
    NOTHING_HELD,
    gates_of,
    holdings,
    metrics_of,
    require_registered,
)
from mlplat_assets.commands.stores import opened_registry
from resources.registry.records import Version
from resources.settings import Settings


def list_models(settings: Settings, console: Console) -> None:
    """Every model, declared or registered, with what serves and what is newest."""
    from mlplat_assets.catalogue import catalogue

    declared = catalogue()
    made = table("MODEL", "SERVES", "METRIC", "VERSIONS", "NEWEST", "OWNER", right=("VERSIONS",))
    found = holdings(settings)
    for name in sorted({*declared.models, *found}):
        model, held = declared.models.get(name), found.get(name, NOTHING_HELD)
        champion = held.champion
        undeclared = Text("not declared", style="yellow")
        add(
            made,
            Text(name, style="bold"),
            champion and Text(f"version {champion.number}", style="bold green"),
            champion and _first_metric(champion),
            held.versions,
            _newest(held.newest),
            declared.owner(model) if model else undeclared,
        )
    console.print(made)
    if not found:
        console.print("\nNo version is registered yet. `mlplat demo` makes the first.", style="dim")


def promote(
    settings: Settings,
    console: Console,
    name: str,
    number: int,
    *,
    approver: str | None,
    reason: str,
    break_glass: bool,
) -> None:
    """Make a version the champion, on record."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        before = registry.champion(name)
        version = registry.promote(
            name,
            number,
            actor=settings.actor,
            approver=approver,
            reason=reason,
            break_glass=break_glass,
        )
        (decided,) = registry.audit(name, version=number, newest=1)
    if before and before.number == version.number:
        console.print(f"{name} version {number} is in production already; nothing changed.")
        return
    how = f"approved by {decided.approver}" if decided.approver else "without approval"
    _tell_move(console, version, before, how)


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


def _newest(version: Version | None) -> Cell:
    if version is None:
        return None
    return Text(f"{version.number}, ") + cell_text(stage_text(version.stage))
