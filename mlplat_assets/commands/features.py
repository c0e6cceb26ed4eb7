"""`mlplat features list`: views, on-demand views and services, who owns and who uses them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_uses import models_of, models_with
from mlplat_assets.commands.holdings import Holding, holdings
from mlplat_assets.commands.output import Cell, add, duration, moment, table
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.spec import FeatureService, FeatureView, OnDemandView
from resources.settings import Settings


def list_features(settings: Settings, console: Console) -> None:
    """Everything with features in one line each, below its team and owner."""
    declared = catalogue()
    held = holdings(settings, declared, datetime.now(UTC))
    all_of = (declared.views, declared.on_demand, declared.services)
    for team in sorted({one.team for kind in all_of for one in kind.values()}):
        owner = declared.teams[team].owner
        console.print(Text(team, style="bold") + Text(f"  owned by {owner}", style="dim"))
        for made in (
            _views(_of(team, declared.views), declared, held),
            _on_demand(_of(team, declared.on_demand), declared),
            _services(_of(team, declared.services), declared),
        ):
            if made.row_count:
                console.print(made)
                console.print()


def tags_text(tags: Mapping[str, str]) -> str:
    """Tags as people write them: `tier=gold, domain=delays`."""
    return ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))


def _of(team: str, found: Mapping[str, Declared]) -> list[Declared]:
    return [one for _, one in sorted(found.items()) if one.team == team]


def _views(
    views: list[Declared[FeatureView]], declared: Catalogue, held: Mapping[str, Holding]
) -> Table:
    made = table(
        "VIEW", "KEYED BY", "FEATURES", "TTL", "MODELS", "DAYS", "NEWEST EVENT UTC",
        right=("FEATURES", "MODELS", "DAYS"),
    )  # fmt: skip
    for view in views:
        name, spec = view.full_name, view.spec
        add(
            made,
            _named(view),
            ", ".join(entity.name for entity in spec.entities),
            len(spec.features),
            duration(spec.ttl),
            len(models_with(name, declared)),
            held[name].days if name in held else 0,
            _newest(held[name]) if name in held else None,
        )
    return made


def _newest(holding: Holding) -> Cell:
    newest = moment(holding.freshness.newest_event)
    return Text(f"{newest} stale", style="yellow") if holding.freshness.stale_since else newest


def _on_demand(views: list[Declared[OnDemandView]], declared: Catalogue) -> Table:
    made = table(
        "ON-DEMAND VIEW", "REQUEST", "INPUTS", "FEATURES", "MODELS", right=("FEATURES", "MODELS")
    )
    for view in views:
        add(
            made,
            _named(view),
            ", ".join(field.name for field in view.spec.request),
            ", ".join(view.spec.inputs),
            len(view.spec.features),
            len(models_with(view.full_name, declared)),
        )
    return made


def _services(services: list[Declared[FeatureService]], declared: Catalogue) -> Table:
    made = table("SERVICE", "FEATURES", "MODELS", "DESCRIPTION", right=("MODELS",))
    for service in services:
        features = ", ".join(service.spec.features)
        models = len(models_of(service.full_name, declared))
        add(made, _named(service), features, models, service.spec.description)
    return made


def _named(declared: Declared) -> Text:
    """The name, and below it the owner that differs from the team's, and the tags."""
    told = Text(declared.full_name)
    if declared.spec.owner:
        told += Text(f"\nowned by {declared.spec.owner}", style="dim")
    if declared.spec.tags:
        told += Text(f"\n{tags_text(declared.spec.tags)}", style="dim")
    return told
