"""Feature views and labels that dbt models declare in their `.yml`.

Read from the `.yml` files themselves, not from dbt's manifest, so that an error names the file to
edit and reading costs no dbt start.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from mlplat_assets.discovery import DeclarationError, Declared, Team
from mlplat_assets.spec import DType, FeatureView, Field, Label

_DTYPES: dict[str, DType] = {
    "double": "float",
    "float": "float",
    "bigint": "int",
    "integer": "int",
    "boolean": "bool",
    "varchar": "string",
    "timestamp": "timestamp",
    "date": "timestamp",
}
_SYSTEM = {"event_timestamp", "created_timestamp", "partition_day"}
_DURATION = re.compile(r"^(\d+) (minute|hour|day|week)s?$")


def dbt_views(models: Path, teams: dict[str, Team]) -> Iterator[Declared[FeatureView]]:
    """The feature views below `models/features/<team>/ftr_<team>__<name>.yml`."""
    for team, name, file, entry in _models(models / "features", "ftr", teams):
        meta = _meta(file, entry, "feature_view")
        columns = _columns(file, entry)
        entities = tuple(_pick(file, columns, key) for key in meta.pop("entities", ()))
        if not entities:
            raise DeclarationError(
                file, "meta.feature_view.entities", "is missing", "List the key columns."
            )
        skip = _SYSTEM | {entity.name for entity in entities}
        view = FeatureView(
            entities=entities,
            features=tuple(column for name, column in columns.items() if name not in skip),
            description=_description(entry),
            ttl=_duration(file, "ttl", meta.pop("ttl", None)),
            landing_delay=_duration(file, "landing_delay", meta.pop("landing_delay", None))
            or timedelta(0),
            online=meta.pop("online", True),
            owner=meta.pop("owner", None),
        )
        _nothing_left(file, "meta.feature_view", meta)
        yield Declared(team=team, name=name, file=file, spec=view, dbt_model=entry["name"])


def dbt_labels(models: Path, teams: dict[str, Team]) -> Iterator[Declared[Label]]:
    """The label tables below `models/labels/<team>/lbl_<team>__<name>.yml`."""
    for team, name, file, entry in _models(models / "labels", "lbl", teams):
        meta = _meta(file, entry, "label")
        columns = _columns(file, entry)
        unit = _pick(file, columns, meta.pop("unit", "")).name
        entities = tuple(_pick(file, columns, key).name for key in meta.pop("entities", ()))
        label = Label(
            unit=unit,
            entities=entities,
            columns=tuple(column for name, column in columns.items() if name not in _SYSTEM),
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


def _columns(file: Path, entry: dict[str, Any]) -> dict[str, Field]:
    columns = {}
    for column in entry.get("columns", ()):
        name, data_type = column["name"], column.get("data_type", "")
        if data_type not in _DTYPES:
            raise DeclarationError(
                file,
                f"columns.{name}.data_type",
                f"{data_type!r} is not one of {', '.join(_DTYPES)}",
                "Correct it.",
            )
        columns[name] = Field(
            name=name, dtype=_DTYPES[data_type], description=column.get("description", "")
        )
    for required in ("event_timestamp", "created_timestamp", "partition_day"):
        if required not in columns:
            raise DeclarationError(
                file, "columns", f"{required} is missing", "Every feature and label table has it."
            )
    return columns


def _pick(file: Path, columns: dict[str, Field], name: str) -> Field:
    if name not in columns:
        raise DeclarationError(
            file,
            "config.meta",
            f"column {name!r} is not described under columns",
            "Describe it or correct the name.",
        )
    return columns[name]


def _duration(file: Path, where: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _DURATION.match(str(text))
    if match is None:
        raise DeclarationError(
            file,
            f"meta.feature_view.{where}",
            f"{text!r} is no duration",
            "Write it like '6 hours' or '7 days'.",
        )
    return timedelta(**{f"{match[2]}s": int(match[1])})


def _description(entry: dict[str, Any]) -> str:
    return " ".join(entry.get("description", "").split())


def _nothing_left(file: Path, where: str, meta: dict[str, Any]) -> None:
    if meta:
        raise DeclarationError(
            file, where, f"unknown field {sorted(meta)[0]!r}", "Remove it or correct its name."
        )
