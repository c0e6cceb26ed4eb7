"""Feature views and labels that dbt models declare in their `.yml`.

Read from the `.yml` files themselves, not from dbt's manifest, so that an error names the file to
edit and reading costs no dbt start.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from mlplat_assets.aggregate_declarations import windowed_aggregates
from mlplat_assets.aggregates import WindowedAggregates
from mlplat_assets.dbt_columns import SYSTEM, columns
from mlplat_assets.discovery import DeclarationError, Declared, Team
from mlplat_assets.durations import duration, positive_duration
from mlplat_assets.spec import FeatureView, Field, Label


def dbt_views(models: Path, teams: dict[str, Team]) -> Iterator[Declared[FeatureView]]:
    """The feature views below `models/features/<team>/ftr_<team>__<name>.yml`."""
    for team, name, file, entry in _models(models / "features", "ftr", teams):
        meta = _meta(file, entry, "feature_view")
        described = columns(file, entry)
        entities = tuple(_pick(file, described, key) for key in meta.pop("entities", ()))
        if not entities:
            raise DeclarationError(
                file, "meta.feature_view.entities", "is missing", "List the key columns."
            )
        skip = {*SYSTEM, *(entity.name for entity in entities)}
        features = {name: column for name, column in described.items() if name not in skip}
        view = FeatureView(
            entities=entities,
            features=tuple(features.values()),
            description=_description(entry),
            ttl=_optional(duration, file, meta, "ttl"),
            landing_delay=_optional(duration, file, meta, "landing_delay") or timedelta(0),
            freshness=_optional(positive_duration, file, meta, "freshness"),
            online=meta.pop("online", True),
            owner=meta.pop("owner", None),
            tags=_tags(file, meta.pop("tags", {})),
            aggregates=_aggregates(file, team, entry, meta, features),
        )
        _check_stream(file, view)
        _nothing_left(file, "meta.feature_view", meta)
        yield Declared(team=team, name=name, file=file, spec=view, dbt_model=entry["name"])


def dbt_labels(models: Path, teams: dict[str, Team]) -> Iterator[Declared[Label]]:
    """The label tables below `models/labels/<team>/lbl_<team>__<name>.yml`."""
    for team, name, file, entry in _models(models / "labels", "lbl", teams):
        meta = _meta(file, entry, "label")
        described = columns(file, entry)
        unit = _pick(file, described, meta.pop("unit", "")).name
        entities = tuple(_pick(file, described, key).name for key in meta.pop("entities", ()))
        label = Label(
            unit=unit,
            entities=entities,
            columns=tuple(column for name, column in described.items() if name not in SYSTEM),
            description=_description(entry),
            owner=meta.pop("owner", None),
        )
        _nothing_left(file, "meta.label", meta)
        yield Declared(team=team, name=name, file=file, spec=label, dbt_model=entry["name"])


def _models(
    folder: Path, prefix: str, teams: dict[str, Team]
) -> Iterator[tuple[str, str, Path, dict[str, Any]]]:
    for file in sorted(folder.glob("*/*.yml")):
        team = file.parent.name
        if team not in teams:
            raise DeclarationError(
                file,
                "team",
                f"{team!r} is not in teams.toml",
                "Add the team there or move the file.",
            )
        content = yaml.safe_load(file.read_text()) or {}
        for entry in content.get("models", ()):
            expected = f"{prefix}_{team}__"
            if not entry["name"].startswith(expected):
                raise DeclarationError(
                    file,
                    "name",
                    f"{entry['name']!r} does not begin with {expected!r}",
                    "Rename the model and its .sql file.",
                )
            yield team, entry["name"].removeprefix(expected), file, entry


def _meta(file: Path, entry: dict[str, Any], kind: str) -> dict[str, Any]:
    meta = entry.get("config", {}).get("meta", {}).get(kind)
    if meta is None:
        raise DeclarationError(
            file, f"config.meta.{kind}", "is missing", f"Declare the {kind} there."
        )
    return dict(meta)


def _pick(file: Path, described: dict[str, Field], name: str) -> Field:
    if name not in described:
        raise DeclarationError(
            file,
            "config.meta",
            f"column {name!r} is not described under columns",
            "Describe it or correct the name.",
        )
    return described[name]


def _aggregates(
    file: Path, team: str, entry: dict[str, Any], meta: dict[str, Any], features: Iterable[str]
) -> WindowedAggregates | None:
    if "aggregates" not in meta:
        return None
    types = {column["name"]: column["data_type"] for column in entry["columns"]}
    aggregates = windowed_aggregates(
        file, team, meta.pop("aggregates"), {name: types[name] for name in features}
    )
    # dbt reads lineage from the .sql alone, so the source is named there too.
    sql, source = file.with_name(f"{entry['name']}.sql"), aggregates.source.removeprefix(f"{team}.")
    call = f"windowed_aggregates(source('{team}', '{source}'))"
    if not sql.exists() or call not in sql.read_text():
        raise DeclarationError(sql, "model", f"does not call {call}", f"Write {{{{ {call} }}}}.")
    return aggregates


def _check_stream(file: Path, view: FeatureView) -> None:
    if view.aggregates is not None and view.aggregates.stream and not view.online:
        raise DeclarationError(
            file,
            "meta.feature_view.online",
            "is false for a view with stream: true",
            "Remove one of them.",
        )


def _optional(
    parse: Callable[[Path, str, object], timedelta], file: Path, meta: dict[str, Any], name: str
) -> timedelta | None:
    text = meta.pop(name, None)
    return None if text is None else parse(file, f"meta.feature_view.{name}", text)


def _tags(file: Path, given: object) -> dict[str, str]:
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise DeclarationError(
            file,
            "meta.feature_view.tags",
            f"{given!r} is no mapping of texts",
            "Write {domain: delays, ...}.",
        )
    return given


def _description(entry: dict[str, Any]) -> str:
    return " ".join(entry.get("description", "").split())


def _nothing_left(file: Path, where: str, meta: dict[str, Any]) -> None:
    if meta:
        raise DeclarationError(
            file, where, f"unknown field {sorted(meta)[0]!r}", "Remove it or correct its name."
        )
