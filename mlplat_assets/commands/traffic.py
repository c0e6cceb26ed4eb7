"""`mlplat traffic`: who answers which units, and every change of it on record."""

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, counted, facts, stage_text, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.registry.traffic_table import CANARY, CHAMPION, TrafficTable
from resources.settings import Settings


def show(settings: Settings, console: Console, name: str) -> None:
    """The table in force."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        found = registry.traffic(name)
    _show(console, found)


def set_share(
    settings: Settings,
    console: Console,
    name: str,
    number: int,
    percent: float,
    reason: str,
    *,
    variant: str = CANARY,
) -> None:
    """Set the share of an arm."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        changed = registry.set_share(
            name, number, percent, variant=variant, actor=settings.actor, reason=reason
        )
    _tell(console, changed, f"version {number} answers {percent:g}% as {variant}")


def end_arm(settings: Settings, console: Console, name: str, variant: str, reason: str) -> None:
    """End an arm."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        changed = registry.end_arm(name, variant, actor=settings.actor, reason=reason)
    _tell(console, changed, f"{variant} is ended, its units are the champion's")


def set_shadow(
    settings: Settings, console: Console, name: str, number: int, on: bool, reason: str
) -> None:
    """Set or end a shadow."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        changed = registry.set_shadow(name, number, on, actor=settings.actor, reason=reason)
    _tell(console, changed, f"version {number} is {'a' if on else 'no'} shadow")


def set_override(
    settings: Settings, console: Console, name: str, unit_id: str, variant: str | None, reason: str
) -> None:
    """Set or end an override."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        changed = registry.set_override(name, unit_id, variant, actor=settings.actor, reason=reason)
    has = f"is answered by {variant}" if variant else "is answered by its bucket's variant"
    _tell(console, changed, f"unit {unit_id} {has}")


def clear(settings: Settings, console: Console, name: str, reason: str) -> None:
    """End everything."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        changed = registry.clear_traffic(name, actor=settings.actor, reason=reason)
    _tell(console, changed, "the champion answers every unit")


def show_unit(settings: Settings, console: Console, name: str, unit_id: str) -> None:
    """Who answers one unit."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        found = registry.traffic(name)
    variant = found.traffic.variant(unit_id)
    versions = {arm.variant: arm.version for arm in found.traffic.arms}
    if found.champion:
        versions[CHAMPION] = found.champion.version
    console.print(
        facts(
            {
                "unit": unit_id,
                "bucket": found.traffic.bucket(unit_id),
                "variant": variant,
                "because": "of an override" if unit_id in found.traffic.overrides else "its bucket",
                "version": versions.get(variant),
                "revision": found.revision,
            }
        )
    )


def _tell(console: Console, changed: TrafficTable, what: str) -> None:
    name = Text(changed.model, style="bold")
    console.print(Text("✓ ", style="green") + name + Text(f": {what}.\n"))
    _show(console, changed)
    console.print("\nA running service changes over within a second.", style="dim")


def _show(console: Console, found: TrafficTable) -> None:
    made = table("VARIANT", "VERSION", "SHARE", "STAGE", right=("VERSION", "SHARE"))
    placed = {each.version: each.stage for each in found.placed}
    rest = 100 - sum(arm.share for arm in found.traffic.arms)
    champion = found.champion
    if champion:
        add(made, CHAMPION, champion.version, f"{rest:.2f}%", stage_text(champion.stage))
    for arm in found.traffic.arms:
        stage = stage_text(placed.get(arm.version))
        add(made, arm.variant, arm.version, f"{arm.share:.2f}%", stage)
    for version in found.traffic.shadows:
        add(made, Text("shadow", style="dim"), version, None, stage_text(placed.get(version)))
    console.print(made)
    overrides = found.traffic.overrides
    if overrides:
        told = ", ".join(f"{unit} {variant}" for unit, variant in [*overrides.items()][:10])
        console.print(f"\n{counted(len(overrides), 'override')}: {told}")
    if not champion:
        console.print("\nNo version is in production.", style="dim")
    console.print(f"\nRevision {found.revision} of {found.model}.", style="dim")
