"""Features of now, from the online store: what to ask it, and its answers by entity row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlplat_assets.discovery import Declared
from mlplat_assets.features.selection import Selection
from mlplat_assets.spec import DType, FeatureView, Field
from resources.online_store import FeatureValues, KeyValue, Status, Value, ViewRequest

EntityRow = Mapping[str, KeyValue]
_PYTHON: Mapping[DType, type] = {
    "float": float, "float32": float, "int": int, "bool": bool, "string": str,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OnlineFeatures:
    """Answers in the order of the entity rows.

    `rows` hold the entity row's own values, then each feature's; `statuses` each feature's status,
    under the same name; `event_timestamps` the UTC time of each view's row, by `team.view`.
    """

    rows: list[dict[str, Value]]
    statuses: list[dict[str, Status]]
    event_timestamps: list[dict[str, datetime | None]]

    def to_dict(self) -> dict[str, list[Value]]:
        """The values by column."""
        names = list(self.rows[0]) if self.rows else []
        return {name: [row[name] for row in self.rows] for name in names}


def lookups(selection: Selection, entity_rows: Sequence[EntityRow]) -> list[ViewRequest]:
    """One request per entity row and view, entity row by entity row.

    Raises:
        LookupError: An entity row lacks a key.
        TypeError: A key is of another type than the view's.
        ValueError: A view is not served online.
    """
    views = selection.views()
    for view, _ in views:
        if not view.spec.online:
            raise ValueError(
                f"view {view.full_name!r} is not online: declare online, or ask for its past"
            )
    return [
        ViewRequest(
            view=view.full_name,
            key=tuple(_key(position, row, entity, view) for entity in view.spec.entities),
            features=tuple(names),
            ttl=view.spec.ttl,
        )
        for position, row in enumerate(entity_rows)
        for view, names in views
    ]


def answers(
    selection: Selection,
    entity_rows: Sequence[EntityRow],
    found: Sequence[FeatureValues],
    *,
    full_feature_names: bool,
) -> OnlineFeatures:
    """The store's answers to `lookups`, by entity row.

    Raises:
        ValueError: Two output columns would have one name.
    """
    columns = selection.columns(full=full_feature_names)
    _refuse_collisions([*(name for row in entity_rows[:1] for name in row), *columns])
    width = len(selection.views())
    rows, statuses, times = [], [], []
    for position, row in enumerate(entity_rows):
        of_row = {one.view: one for one in found[position * width : (position + 1) * width]}
        sources = [(of_row[one.view.full_name], one.feature.name) for one in selection.features]
        values = [source.values[name] for source, name in sources]
        rows.append({**row, **dict(zip(columns, values, strict=True))})
        states = [source.status_by_feature[name] for source, name in sources]
        statuses.append(dict(zip(columns, states, strict=True)))
        times.append({view: one.event_timestamp for view, one in of_row.items()})
    return OnlineFeatures(rows=rows, statuses=statuses, event_timestamps=times)


def _key(position: int, row: EntityRow, entity: Field, view: Declared[FeatureView]) -> KeyValue:
    if entity.name not in row:
        raise LookupError(
            f"entity row {position} has no {entity.name!r}, a key of view {view.full_name!r}; "
            f"it has {', '.join(row) or 'nothing'}"
        )
    value, wanted = row[entity.name], _PYTHON[entity.dtype]
    if value is None or type(value) is wanted:
        return value
    if wanted is float and type(value) is int and int(float(value)) == value:
        return float(value)
    raise TypeError(
        f"entity row {position}: {entity.name} is {value!r}, a {type(value).__name__}, but view "
        f"{view.full_name!r} is keyed by {entity.dtype}: convert it"
    )


def _refuse_collisions(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"output column {name!r} would come from two places: "
                "pass full_feature_names=True, or ask for one of them"
            )
