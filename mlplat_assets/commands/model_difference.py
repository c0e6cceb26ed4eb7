"""`mlplat models diff`: what changed between two versions of a model."""

import json
from dataclasses import asdict
from datetime import date

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.days import day_spans
from mlplat_assets.commands.output import Cell, add, counted, heading, short, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from mlplat_assets.models.lineage.difference import Change, Difference, TableChange, difference
from resources.artifacts import artifact_store
from resources.settings import Settings


def show_difference(
    settings: Settings, console: Console, name: str, before: int, after: int, *, as_json: bool
) -> None:
    """Print what changed from one version to another, for people or as one JSON document."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        versions = registry.version(name, before), registry.version(name, after)
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    found = difference(*versions, artifacts)
    if as_json:
        # Not through the console, which would break long lines.
        console.file.write(json.dumps(asdict(found), default=_iso, indent=2) + "\n")
        return
    _print(console, found)


def _print(console: Console, found: Difference) -> None:
    console.print(Text(f"{found.model}: version {found.before} to {found.after}", style="bold"))
    console.print(heading("Data"))
    _print_tables(console, found.tables)
    if found.data or not found.tables:
        print_changes(console, found.data)
    for name in ("features", "code", "parameters", "environment", "metrics"):
        console.print(heading(name.capitalize()))
        print_changes(console, getattr(found, name))


def print_changes(console: Console, changes: list[Change]) -> None:
    """Each change with its two sides; `nothing` where there is none."""
    if not changes:
        console.print(Text("nothing", style="dim"))
        return
    made = table("WHAT", "BEFORE", "AFTER")
    for change in changes:
        add(made, change.what, _side(change.before), _side(change.after))
    console.print(made)


def _print_tables(console: Console, tables: list[TableChange]) -> None:
    if not tables:
        return
    made = table("LAKE TABLE", "DAYS", "ROWS BEFORE", "AFTER", right=("ROWS BEFORE", "AFTER"))
    for one in tables:
        rows = [None if n is None else f"{n:,}" for n in (one.rows_before, one.rows_after)]
        add(made, one.table, _days(one), *rows)
    console.print(made)


def _days(one: TableChange) -> str:
    if one.added is None or one.removed is None or one.changed is None:
        return "differ; which ones was not recorded by one of the versions"
    kinds = {"changed": one.changed, "added": one.added, "removed": one.removed}
    told = [
        f"{counted(len(days), 'day')} {kind}: {day_spans(days)}"
        for kind, days in kinds.items()
        if days
    ]
    return "\n".join(told) or "another span without other rows"


def _side(value: object) -> Cell:
    match value:
        case str() if value.startswith("sha256:"):
            return short(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            return json.dumps(value, default=_iso, sort_keys=True)


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
