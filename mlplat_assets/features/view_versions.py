"""Versions of a feature view: the digest of what defines its values, and when each was first used.

The digest covers the keys, the features and their types, ttl, landing delay and aggregates, and
the text that computes them: a dbt model's SQL with the macros and models it uses, or a Python
file with the neighbours it imports. Descriptions, owners, tags and checks of a dbt view are not
part of it; of a Python view they are, because its file is taken whole, comments included.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import Stage
from mlplat_assets.spec import FeatureView
from resources.digests import digest
from resources.lake import Lake, create_table

DEFINITIONS = "lineage.view_definitions"
_MACRO = re.compile(r"{%-?\s*(?:macro|test)\s+(\w+)\s*\(.*?{%-?\s*end(?:macro|test)\s*-?%}", re.S)
_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
_SOURCE = re.compile(r"""\bsource\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)""")
_MODEL_REF = re.compile(r"""\bref\(\s*['"](stg|ftr|lbl)_(\w+?)__(\w+)['"]\s*\)""")
DBT_STAGES: Mapping[str, Stage] = {"stg": "staging", "ftr": "features", "lbl": "labels"}


def view_digest(view: Declared[FeatureView]) -> str:
    """Identifies the definition of a view; another digest means that values may differ."""
    spec = view.spec
    said = {
        "entities": [[entity.name, entity.dtype] for entity in spec.entities],
        "features": [[feature.name, feature.dtype] for feature in spec.features],
        "ttl": _plain(spec.ttl),
        "landing_delay": _plain(spec.landing_delay),
        "aggregates": _plain(spec.aggregates),
        "inputs": list(spec.inputs),
    }
    return digest({"spec": said, "sources": _sources(view)})


def view_digests(declared: Catalogue) -> dict[str, str]:
    """The digest of every view's definition, by full name."""
    return {name: view_digest(view) for name, view in declared.views.items()}


def upstream_tables(view: Declared[FeatureView]) -> list[str]:
    """The tables that a view is computed from, as `stage.team.name`."""
    if view.spec.aggregates is not None:
        return [f"raw.{view.spec.aggregates.source}"]
    if view.dbt_model is None:
        return list(view.spec.inputs)
    return dbt_tables(view.file.with_name(f"{view.dbt_model}.sql"))


def dbt_tables(model: Path) -> list[str]:
    """The tables that a dbt model's SQL names by `source` and `ref`, as `stage.team.name`."""
    text = model.read_text()
    found = {f"raw.{team}.{name}" for team, name in _SOURCE.findall(text)}
    for prefix, team, name in _MODEL_REF.findall(text):
        found.add(f"{DBT_STAGES[prefix]}.{team}.{name}")
    return sorted(found)


def dbt_text_digest(project: Path, model: Path) -> str:
    """Identifies the text of a dbt model: its SQL, the models it refers to, the macros they use."""
    return digest(dict(_dbt_texts(project, model)))


def record_definition(lake: Lake, view: Declared[FeatureView], run_id: str) -> None:
    """Remember that a run computed the view by its present definition, when the last one did not.

    A definition that returns is a new entry, so that the newest entry is the last one used.
    """
    current = view_digest(view)
    seen = definitions_seen(lake, view.full_name)
    if seen and seen[-1][0] == current:
        return
    with lake.write() as connection:
        create_table(
            connection,
            DEFINITIONS,
            """select ''::varchar as view, ''::varchar as digest, now()::timestamp as first_seen,
                      ''::varchar as run_id limit 0""",
        )
        connection.execute(
            f"insert into {DEFINITIONS} values (?, ?, (now() at time zone 'UTC')::timestamp, ?)",
            [view.full_name, current, run_id],
        )


def definitions_seen(lake: Lake, view: str) -> list[tuple[str, datetime]]:
    """The definitions that computed a view and when each was first used (UTC), oldest first."""
    if not lake.has(DEFINITIONS):
        return []
    found = lake.read(
        f"select digest, first_seen from {DEFINITIONS} where view = ? order by first_seen", [view]
    )
    return [(row["digest"], row["first_seen"]) for row in found.to_pylist()]


def _sources(view: Declared[FeatureView]) -> dict[str, str]:
    """The texts that compute a view, by name."""
    if view.dbt_model is None:
        return dict(_python_files(view.file))
    project = view.file.parents[3]  # <project>/models/features/<team>/<file>
    return dict(_dbt_texts(project, view.file.with_name(f"{view.dbt_model}.sql")))


def _python_files(file: Path) -> Iterator[tuple[str, str]]:
    """A catalogue file and the neighbours that it imports."""
    waiting, done = [file], set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        text = path.read_text()
        yield path.name, text
        imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
        names = {alias.name for node in imported for alias in node.names}
        names |= {(node.module or "").rpartition(".")[2] for node in imported}
        waiting += [found for name in names if (found := file.with_name(f"{name}.py")).exists()]


def _dbt_texts(project: Path, model: Path) -> Iterator[tuple[str, str]]:
    """A dbt model, the models that it refers to, and every macro that one of them uses."""
    macros = {
        found[1]: found[0]
        for path in sorted(project.glob("macros/**/*.sql"))
        for found in _MACRO.finditer(path.read_text())
    }
    models = {path.stem: path for path in project.glob("models/**/*.sql")}
    waiting, done = [(model.name, model.read_text())], set()
    while waiting:
        name, text = waiting.pop()
        if name in done:
            continue
        done.add(name)
        yield name, text
        waiting += [(path.name, path.read_text()) for ref in _REF.findall(text)
                    if (path := models.get(ref))]  # fmt: skip
        words = set(re.findall(r"\w+", text))
        # A dispatched macro is named duckdb__x where it is defined, and x where it is used.
        waiting += [(macro, body) for macro, body in macros.items()
                    if macro in words or macro.partition("__")[2] in words]  # fmt: skip


def _plain(value: object) -> object:
    """A declared value as JSON, spans in seconds; what is None or empty is left out."""
    match value:
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {name: _plain(inner) for name, inner in value.items()}
        case _ if is_dataclass(value):
            said = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
            return {name: inner for name, inner in said.items() if inner not in (None, "", (), [])}
        case _:
            return value
