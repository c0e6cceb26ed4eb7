"""`mlplat features show`: one view, on-demand view or service, in full."""

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_uses import (
    Pinned,
    Uses,
    models_of,
    models_with,
    on_demand_with,
    pinned_to_another,
    services_with,
)
from mlplat_assets.commands.features import tags_text
from mlplat_assets.commands.holdings import Holding, holdings
from mlplat_assets.commands.output import (
    Cell,
    add,
    counted,
    duration,
    facts,
    heading,
    moment,
    short,
    stage_text,
    table,
)
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.view_versions import view_digest
from mlplat_assets.references import resolve_service
from mlplat_assets.spec import FeatureService, FeatureView, Field, OnDemandView
from resources.settings import REPOSITORY, Settings


def show(settings: Settings, console: Console, name: str) -> None:
    """What a name of the catalogue declares, holds and is used by."""
    declared = catalogue()
    if name in declared.on_demand:
        _show_on_demand(console, declared.on_demand[name], declared)
    elif name in declared.services:
        _show_service(console, declared.services[name], declared)
    else:
        _show_view(settings, console, find_view(name, declared), declared)


def find_view(name: str, declared: Catalogue) -> Declared[FeatureView]:
    """The feature view of a name.

    Raises:
        LookupError: There is none; names the nearest one.
    """
    if name not in declared.views:
        known = [*declared.views, *declared.on_demand, *declared.services]
        close = difflib.get_close_matches(name, known, n=1)
        remedy = (
            f"did you mean {close[0]}?" if close else "`mlplat features list` shows what there is"
        )
        raise LookupError(f"{name!r} is no feature view; {remedy}")
    return declared.views[name]


def _show_view(
    settings: Settings, console: Console, view: Declared[FeatureView], declared: Catalogue
) -> None:
    name, current = view.full_name, view_digest(view)
    held = holdings(settings, declared, datetime.now(UTC)).get(name)
    _title(console, view)
    console.print(facts(_limits(view, declared) | _holding(view, held, current)))
    _features(
        console,
        view.spec.features,
        models_with(name, declared)
        | services_with(name, declared)
        | on_demand_with(name, declared),
    )
    pinned = pinned_to_another(settings, name, current)
    if pinned:
        console.print(heading(f"On another definition: current is {short(current)}"))
        console.print(_pinned(pinned))


def _show_on_demand(console: Console, view: Declared[OnDemandView], declared: Catalogue) -> None:
    _title(console, view)
    request = ", ".join(f"{field.name} ({field.dtype})" for field in view.spec.request)
    told = {"request": request, "computed from": ", ".join(view.spec.inputs)}
    console.print(facts(_declaration(view, declared) | told))
    _features(console, view.spec.features, models_with(view.full_name, declared))


def _show_service(console: Console, service: Declared[FeatureService], declared: Catalogue) -> None:
    _title(console, service)
    models = ", ".join(models_of(service.full_name, declared))
    console.print(facts(_declaration(service, declared) | {"used by": models}))
    made = table("FEATURE", "TYPE", "DESCRIPTION")
    for used in resolve_service(service, declared):
        name = f"{used.view.full_name}:{used.feature.name}"
        add(made, Text(name, style="bold"), used.feature.dtype, used.feature.description)
    console.print(heading("Features"))
    console.print(made)


def _title(console: Console, declared: Declared) -> None:
    console.print(Text(declared.full_name, style="bold"))
    console.print(declared.spec.description)
    console.print()


def _declaration(one: Declared, declared: Catalogue) -> dict[str, Cell]:
    return {
        "owner": declared.owner(one),
        **({"tags": tags_text(one.spec.tags)} if one.spec.tags else {}),
        "declared in": str(one.file).removeprefix(f"{REPOSITORY}/"),
    }


def _limits(view: Declared[FeatureView], declared: Catalogue) -> dict[str, Cell]:
    spec = view.spec
    return _declaration(view, declared) | {
        "keyed by": ", ".join(f"{entity.name} ({entity.dtype})" for entity in spec.entities),
        "ttl": duration(spec.ttl) or "none: a value of any age is used",
        "landing delay": duration(spec.landing_delay) or "none",
        "freshness": duration(spec.freshness) or "nothing promised",
        "online": spec.online,
        "made by": f"dbt model {view.dbt_model}" if view.dbt_model else "Python",
    }


def _holding(view: Declared[FeatureView], holding: Holding | None, current: str) -> dict[str, Cell]:
    told: dict[str, Cell] = {"definition": short(current)}
    if holding is None:
        return told | {"in the lake": Text("no partition recorded yet", style="yellow")}
    if holding.definition not in (None, current):
        older = f"last computed by {short(holding.definition)}: materialise "
        told["lake"] = Text(f"{older}features/{view.team}/{view.name} again", style="yellow")
    span = f"{holding.first} to {holding.last}"
    stale = holding.freshness.fresh is False
    return told | {
        "in the lake": f"{counted(holding.days, 'day')}, {span}, {counted(holding.rows, 'row')}",
        "newest event": Text(_newest(holding), style="yellow" if stale else ""),
        "last change": f"{moment(holding.recorded_at)} UTC",
    }


def _newest(holding: Holding) -> str:
    return str(holding.freshness).removeprefix("newest event ")


def _features(console: Console, features: tuple[Field, ...], users: Uses) -> None:
    made = table("FEATURE", "TYPE", "DESCRIPTION", "USED BY")
    for feature in features:
        used = ", ".join(sorted(user for user, names in users.items() if feature.name in names))
        name = Text(feature.name, style="bold")
        add(made, name, feature.dtype, f"{feature.description}{_bounds(feature)}", used)
    console.print(heading("Features"))
    console.print(made)


def _bounds(field: Field) -> str:
    """What the values must keep, as ` [0 to 100; at most 5% null a day]`."""
    low, high = _number(field.minimum), _number(field.maximum)
    nulls = field.max_null_rate
    told: Mapping[str, bool] = {
        f"{low} to {high}": bool(low and high),
        f"at least {low}": bool(low and not high),
        f"at most {high}": bool(high and not low),
        f"one of {' '.join(field.allowed)}": bool(field.allowed),
        f"at most {100 * (nulls or 0):.4g}% null a day": nulls is not None,
    }
    bounds = [text for text, applies in told.items() if applies]
    return f" [{'; '.join(bounds)}]" if bounds else ""


def _number(bound: float | None) -> str:
    return "" if bound is None else f"{bound:.15g}"


def _pinned(pinned: list[Pinned]) -> Table:
    made = table("MODEL", "VERSION", "STAGE", "TRAINED ON", right=("VERSION",))
    for one in pinned:
        trained = short(one.digest) or "a definition that was not recorded"
        add(made, Text(one.model, style="bold"), one.number, stage_text(one.stage.value), trained)
    return made
