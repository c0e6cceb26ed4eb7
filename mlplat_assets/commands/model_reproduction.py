"""`mlplat models reproduce`: a version made again from its lineage, digest by digest."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.model_difference import print_changes
from mlplat_assets.commands.output import add, counted, heading, short, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_lake, opened_registry
from mlplat_assets.models.lineage.data_versions import ChangedDay
from mlplat_assets.models.lineage.reproduction import (
    Compared,
    RebuiltSet,
    Surroundings,
    rebuild,
    retrain,
    surroundings,
)
from resources.artifacts import artifact_store
from resources.settings import Settings

_SHOWN = 20


def reproduce_version(
    settings: Settings, console: Console, name: str, number: int, *, now: bool
) -> bool:
    """Rebuild the training set, train again, and print each digest; whether all are identical."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        version = registry.version(name, number)
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    console.print(Text(f"{name} version {number}, made again", style="bold"))
    _print_surroundings(console, surroundings(version, catalogue(), artifacts, settings))
    with opened_lake(settings) as lake:
        rebuilt = rebuild(version, lake, artifacts, now=now)
    found = [Compared(what="training set", recorded=rebuilt.recorded, found=rebuilt.found)]
    if rebuilt.same_rows:
        found += retrain(version, rebuilt, artifacts)
    snapshot = version.lineage["lake_snapshot"]
    _print_digests(console, found, "the lake now" if now else f"lake snapshot {snapshot}")
    _print_causes(console, rebuilt, now=now)
    return all(one.identical for one in found)


def _print_surroundings(console: Console, around: Surroundings) -> None:
    if around.definitions is None:
        console.print(Text("The model is not declared any more.", style="yellow"))
    told = {
        "Definitions differ today; it is made by the recorded ones": around.definitions,
        "Code differs today": around.code,
        "Environment differs today": around.environment,
    }
    for title, changes in told.items():
        if changes:
            console.print(heading(title))
            print_changes(console, changes)
    if not any(told.values()):
        console.print(Text("Definitions, code and environment are as they were.", style="dim"))


def _print_digests(console: Console, found: Sequence[Compared], source: str) -> None:
    console.print(heading(f"Digests, from {source}"))
    made = table("WHAT", "RECORDED", "NOW", "VERDICT")
    for one in found:
        verdict = Text("identical", "green") if one.identical else Text("DIFFERENT", "bold red")
        add(made, one.what, short(one.recorded, 16), short(one.found, 16), verdict)
    console.print(made)


def _print_causes(console: Console, rebuilt: RebuiltSet, *, now: bool) -> None:
    rows = rebuilt.rows
    if rows is not None:
        console.print(heading("Training rows that differ"))
        console.print(
            f"{rows.changed:,} changed, {rows.added:,} added, {rows.removed:,} removed"
            + ("" if rebuilt.same_rows else "; not trained again on other rows")
        )
        by_column = table("COLUMN", "ROWS", right=("ROWS",))
        for name, count in rows.columns.items():
            add(by_column, name, f"{count:,}")
        if rows.columns:
            console.print(by_column)
        console.print(heading("Partitions that hold other content than was recorded"))
        _print_days(console, rebuilt.partitions)
    if not now and rebuilt.since:
        console.print(heading("Partitions changed since; the snapshot still has them as they were"))
        _print_days(console, rebuilt.since)


def _print_days(console: Console, days: Sequence[ChangedDay]) -> None:
    if not days:
        console.print(Text("none: the rows were made in another way", style="yellow"))
        return
    made = table(
        "LAKE TABLE", "DAY", "RECORDED", "NOW", "ROWS", "USED BY TRAINING ROWS",
        right=("ROWS", "USED BY TRAINING ROWS"),
    )  # fmt: skip
    for day in days[:_SHOWN]:
        rows = f"{day.rows_before:,} to {day.rows_now:,}"
        add(
            made, day.table, day.day.isoformat(), short(day.before), short(day.now), rows,
            f"{day.used:,}",
        )  # fmt: skip
    console.print(made)
    if len(days) > _SHOWN:
        console.print(f"and {counted(len(days) - _SHOWN, 'more day')}")
