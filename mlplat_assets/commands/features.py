"""`mlplat features`: the feature views, who uses them, and how far the lake holds them."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.output import (
    Cell,
    add,
    counted,
    duration,
    facts,
    heading,
    moment,
    table,
)
from mlplat_assets.commands.stores import NotThereYet, opened_lake
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.references import resolve_features
from mlplat_assets.spec import FeatureView
from resources.lake import VERSIONS, Lake
from resources.settings import REPOSITORY, Settings

_RECORDED = f"""
    with newest as (
        select table_name, partition_day, arg_max(row_count, recorded_at) as row_count,
               max(recorded_at) as recorded_at
        from {VERSIONS} where starts_with(table_name, 'features.') group by 1, 2
    )
    select table_name as name, count(*) as days, min(partition_day) as first,
           max(partition_day) as last, sum(row_count)::bigint as rows,
           max(recorded_at) as recorded_at
    from newest group by 1 order by 1"""  # noqa: S608  a constant of ours


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What the lake holds of a view; times are UTC."""

    days: int
    first: date
    last: date
    rows: int
    newest_event: datetime | None
    recorded_at: datetime


def list_features(settings: Settings, console: Console) -> None:
    """Every feature view in one line, below its team and owner."""
    declared, held = catalogue(), holdings(settings)
    for team in sorted({view.team for view in declared.views.values()}):
        owner = declared.teams[team].owner
        console.print(Text(team, style="bold") + Text(f"  owned by {owner}", style="dim"))
        console.print(_team_table(team, declared, held))
        console.print()


def _team_table(team: str, declared: Catalogue, held: Mapping[str, Holding]) -> Table:
    made = table(
        "VIEW", "KEYED BY", "FEATURES", "TTL", "MODELS", "DAYS", "NEWEST EVENT UTC",
        right=("FEATURES", "MODELS", "DAYS"),
    )  # fmt: skip
    for name, view in sorted(declared.views.items()):
        if view.team != team:
            continue
        owner = f"\nowned by {view.spec.owner}" if view.spec.owner else ""
        add(
            made,
            Text(name) + Text(owner, style="dim"),
            ", ".join(entity.name for entity in view.spec.entities),
            len(view.spec.features),
            duration(view.spec.ttl),
            len(users(name, declared)),
            held[name].days if name in held else 0,
            moment(held[name].newest_event) if name in held else None,
        )
    return made


def show_view(settings: Settings, console: Console, name: str) -> None:
    """One feature view: its declaration, its features and who uses each."""
    declared = catalogue()
    if name not in declared.views:
        close = difflib.get_close_matches(name, declared.views, n=1)
        remedy = (
            f"did you mean {close[0]}?" if close else "`mlplat features list` shows what there is"
        )
        raise LookupError(f"{name!r} is no feature view; {remedy}")
    view = declared.views[name]
    models = users(name, declared)
    console.print(Text(name, style="bold"))
    console.print(view.spec.description)
    console.print()
    console.print(facts(_declaration(view, declared) | _holding(holdings(settings).get(name))))
    made = table("FEATURE", "TYPE", "DESCRIPTION", "USED BY")
    for feature in view.spec.features:
        used = [model for model, features in models.items() if feature.name in features]
        add(
            made,
            Text(feature.name, style="bold"),
            feature.dtype,
            feature.description,
            ", ".join(used),
        )
    console.print(heading("Features"))
    console.print(made)


def users(name: str, declared: Catalogue) -> dict[str, set[str]]:
    """The models that read a view, and which of its features each takes."""
    found: dict[str, set[str]] = {}
    for model in declared.models.values():
        for used in resolve_features(model, declared):
            if used.view.full_name == name:
                found.setdefault(model.full_name, set()).add(used.feature.name)
    return found


def holdings(settings: Settings) -> Mapping[str, Holding]:
    """What the lake holds of each view that has recorded partitions; nothing without a lake."""
    try:
        with opened_lake(settings) as lake:
            return _holdings(lake)
    except NotThereYet:
        return {}


def _holdings(lake: Lake) -> dict[str, Holding]:
    if not lake.has(VERSIONS):
        return {}
    recorded = lake.read(_RECORDED).to_pylist()
    newest = " union all ".join(
        f"select '{row['name']}' as name, max(event_timestamp) as newest from {row['name']}"  # noqa: S608  names that the platform recorded
        for row in recorded
    )
    events = {row["name"]: row["newest"] for row in lake.read(newest).to_pylist()} if newest else {}
    return {
        row["name"].removeprefix("features.").replace("__", ".", 1): Holding(
            days=row["days"],
            first=row["first"],
            last=row["last"],
            rows=row["rows"],
            newest_event=events[row["name"]],
            recorded_at=row["recorded_at"],
        )
        for row in recorded
    }


def _declaration(view: Declared[FeatureView], declared: Catalogue) -> dict[str, Cell]:
    spec = view.spec
    return {
        "owner": declared.owner(view),
        "keyed by": ", ".join(f"{entity.name} ({entity.dtype})" for entity in spec.entities),
        "ttl": duration(spec.ttl) or "none: a value of any age is used",
        "landing delay": duration(spec.landing_delay) or "none",
        "online": spec.online,
        "made by": f"dbt model {view.dbt_model}" if view.dbt_model else "Python",
        "declared in": str(view.file).removeprefix(f"{REPOSITORY}/"),
    }


def _holding(holding: Holding | None) -> dict[str, Cell]:
    if holding is None:
        return {"in the lake": Text("no partition recorded yet", style="yellow")}
    span = f"{holding.first} to {holding.last}"
    days = f"{counted(holding.days, 'day')}, {span}, {counted(holding.rows, 'row')}"
    return {
        "in the lake": days,
        "newest event": f"{moment(holding.newest_event)} UTC",
        "last change": f"{moment(holding.recorded_at)} UTC",
    }
