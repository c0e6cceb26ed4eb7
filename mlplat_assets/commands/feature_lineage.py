"""`mlplat features lineage`: from raw columns through a view to the champions that use it."""

import difflib
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_pages import find_view
from mlplat_assets.commands.feature_uses import (
    models_with,
    on_demand_with,
    services_with,
    views_from,
)
from mlplat_assets.commands.holdings import column_lineages
from mlplat_assets.commands.output import short
from mlplat_assets.commands.registered import versions_by_model
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.column_lineage import ColumnLineage, of_aggregates
from mlplat_assets.features.manifest import DBT_PROJECT
from mlplat_assets.features.view_versions import dbt_tables, upstream_tables, view_digest
from mlplat_assets.spec import FeatureView
from resources.registry.records import Stage
from resources.settings import Settings

Lineages = Mapping[str, ColumnLineage]


def show_lineage(settings: Settings, console: Console, of: str) -> None:
    """One tree: what the view or feature comes from, and what uses it.

    Raises:
        LookupError: There is no such view or feature; names the nearest one.
    """
    declared = catalogue()
    name, _, feature = of.partition(":")
    view = find_view(name, declared)
    known = [field.name for field in view.spec.features]
    if feature and feature not in known:
        close = difflib.get_close_matches(feature, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
        raise LookupError(f"{name} has no feature {feature!r}; {remedy}")
    lineages = lineages_of(settings, view, declared)
    tree = Tree(Text(of, style="bold"), guide_style="dim")
    comes_from = tree.add(Text("comes from", style="dim"))
    if feature:
        _add_columns(comes_from, lineages, f"features.{name}", feature)
    if not comes_from.children:
        _add_tables(comes_from, lineages, f"features.{name}", declared)
    used_by = tree.add(Text("used by", style="dim"))
    _add_users(used_by, settings, view, feature, declared)
    if not used_by.children:
        used_by.add(Text("nothing", style="dim"))
    console.print(tree)
    if f"features.{name}" not in lineages:
        console.print(Text(_why_no_columns(view), style="dim"))


def lineages_of(settings: Settings, view: Declared[FeatureView], declared: Catalogue) -> Lineages:
    """The column lineage of a view and of each table that it comes from, where it is known."""
    tables, waiting = [], [f"features.{view.full_name}"]
    while waiting:
        table = waiting.pop()
        if table not in tables:
            tables.append(table)
            waiting += tables_above(table, declared)
    found = column_lineages(settings, tables)
    for table in tables:
        stage, name = table.split(".", 1)
        spec = declared.views[name].spec if stage == "features" else None
        if spec is not None and spec.aggregates is not None:
            found[table] = of_aggregates(spec, spec.aggregates)
    return found


def tables_above(table: str, declared: Catalogue) -> list[str]:
    """The tables that a table (`stage.team.name`) is computed from; none for a raw one."""
    stage, team, name = table.split(".")
    match stage:
        case "features":
            return upstream_tables(declared.views[f"{team}.{name}"])
        case "labels":
            label = declared.labels[f"{team}.{name}"]
            return dbt_tables(label.file.with_name(f"{label.dbt_model}.sql"))
        case "staging":
            return dbt_tables(DBT_PROJECT / "models" / "staging" / team / f"stg_{team}__{name}.sql")
        case _:
            return []


def _add_columns(above: Tree, lineages: Lineages, table: str, column: str) -> None:
    lineage = lineages.get(table)
    if lineage is None:
        return
    upstream = lineage.columns.get(column, ())
    if not upstream and column in lineage.columns:
        above.add(Text("no single column: a count of rows, or a calendar", style="dim"))
    for reference in upstream:
        table_above, _, column_above = reference.partition(":")
        _add_columns(above.add(Text(reference)), lineages, table_above, column_above)


def _add_tables(above: Tree, lineages: Lineages, table: str, declared: Catalogue) -> None:
    taken: dict[str, set[str]] = {}
    for upstream in lineages[table].columns.values() if table in lineages else ():
        for reference in upstream:
            name, _, column = reference.partition(":")
            taken.setdefault(name, set()).add(column)
    for name in tables_above(table, declared):
        columns = ", ".join(sorted(taken.get(name, ())))
        told = Text(name) + Text(f"  {columns}" if columns else "", style="dim")
        _add_tables(above.add(told), lineages, name, declared)


def _add_users(
    above: Tree, settings: Settings, view: Declared[FeatureView], feature: str, declared: Catalogue
) -> None:
    name = view.full_name
    for other in views_from(name, declared):
        above.add(f"view {other}")
    for service in _users(services_with(name, declared), feature):
        above.add(f"service {service}")
    derived = _users(on_demand_with(name, declared), feature)
    models: dict[str, set[str]] = {
        model: {""} for model in _users(models_with(name, declared), feature)
    }
    for other in derived:
        above.add(f"on-demand view {other}")
        for model in models_with(other, declared):
            models.setdefault(model, set()).add(f"through {other}")
    champions = {
        model: version
        for model, versions in versions_by_model(settings).items()
        for version in versions
        if version.stage is Stage.PRODUCTION
    }
    current = view_digest(view)
    for model, ways in sorted(models.items()):
        through = ", ".join(sorted(ways - {""})) if "" not in ways else ""
        told = above.add(Text(f"model {model}") + Text(f" {through}" if through else "", "dim"))
        if model in champions:
            digest = champions[model].lineage.get("views", {}).get(name)
            told.add(_champion(champions[model].number, digest, current))


def _champion(number: int, digest: str | None, current: str) -> Text:
    told = Text(f"version {number} production", style="bold green")
    if digest == current:
        return told + Text(f"  on the current definition {short(current)}", style="dim")
    trained = f"definition {short(digest)}" if digest else "a definition that was not recorded"
    return told + Text(f"  on {trained}, current is {short(current)}", style="yellow")


def _users(users: Mapping[str, set[str]], feature: str) -> Iterable[str]:
    return sorted(user for user, features in users.items() if not feature or feature in features)


def _why_no_columns(view: Declared[FeatureView]) -> str:
    if view.dbt_model is None:
        return "A Python view's columns cannot be read from its code: these are its tables."
    return "Columns are known once the view has been built in this lake: these are its tables."
