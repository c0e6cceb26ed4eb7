"""Features of now, from the online store: what to ask it, and its answers by entity row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bentos.model_server.artefact.column_arrays import Scalar
from bentos.model_server.artefact.on_demand import OnDemandFunction
from mlplat_assets.discovery import Declared
from mlplat_assets.features.request_values import EntityRow, request_rows, value_of
from mlplat_assets.features.selection import Selection
from mlplat_assets.references import AnyFeature, OnDemandFeature
from mlplat_assets.spec import FeatureView, Field
from resources.online_store import FeatureValues, KeyValue, Status, Value, ViewRequest


@dataclass(frozen=True, kw_only=True)
class OnlineFeatures:
    """Answers in the order of the entity rows.

    `rows` hold the entity row's own values, then each feature's; `statuses` each feature's status,
    under the same name; `event_timestamps` the UTC time of each stored view's row, by `team.view`,
    also of those that only on-demand views take. An on-demand feature is PRESENT or NULL, as it is
    in a prediction.
    """

    rows: list[dict[str, Value]]
    statuses: list[dict[str, Status]]
    event_timestamps: list[dict[str, datetime | None]]

    def to_dict(self) -> dict[str, list[Value]]:
        """The values by column."""
        names = list(self.rows[0]) if self.rows else []
        return {name: [row[name] for row in self.rows] for name in names}


class OnlineQuestion:
    """What entity rows ask of the online store, checked, and how its answers become features."""

    def __init__(
        self,
        selection: Selection,
        entity_rows: Sequence[EntityRow],
        functions: Sequence[OnDemandFunction],
        at: datetime,
    ) -> None:
        """Check the rows; `functions` are those of the selection's on-demand views.

        Raises:
            LookupError: An entity row lacks a key, or a request's field.
            TypeError: A key or a request's value is of another type than declared.
            ValueError: A view is not served online, or a value does not fit.
        """
        self.at = at
        self.lookups = _lookups(selection, entity_rows)
        self._selection, self._rows, self._functions = selection, entity_rows, functions
        self._requests = {
            function.entry.view: request_rows(entity_rows, at, function) for function in functions
        }

    def answers(
        self, found: Sequence[FeatureValues], *, full_feature_names: bool
    ) -> OnlineFeatures:
        """The store's answers to `lookups`, by entity row.

        Raises:
            ValueError: Two output columns would have one name.
            OnDemandFailed: A function failed.
        """
        columns = self._selection.columns(full=full_feature_names)
        _refuse_collisions([*(name for row in self._rows[:1] for name in row), *columns])
        width = len(self._selection.views())
        rows, statuses, times = [], [], []
        for position, row in enumerate(self._rows):
            of_row = {one.view: one for one in found[position * width : (position + 1) * width]}
            made = self._computed(position, of_row)
            answered = [_answer(one, of_row, made) for one in self._selection.features]
            values, states = zip(*answered, strict=True)
            rows.append({**row, **dict(zip(columns, values, strict=True))})
            statuses.append(dict(zip(columns, states, strict=True)))
            times.append({view: one.event_timestamp for view, one in of_row.items()})
        return OnlineFeatures(rows=rows, statuses=statuses, event_timestamps=times)

    def _computed(self, position: int, of_row: Mapping[str, FeatureValues]) -> dict[str, Value]:
        """The on-demand features of one entity row by reference, computed alone as in a service."""
        made: dict[str, Value] = {}
        for function in self._functions:
            entry = function.entry
            known: dict[str, Scalar] = dict(self._requests[entry.view][position])
            for stored in entry.inputs:
                known[stored.column] = of_row[stored.view].values[stored.feature]
            values = function({name: [value] for name, value in known.items()})
            for column, feature in function.gives.items():
                made[f"{entry.view}:{feature.name}"] = values[column][0]
        return made


def _lookups(selection: Selection, entity_rows: Sequence[EntityRow]) -> list[ViewRequest]:
    """One request per entity row and view, entity row by entity row."""
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


def _answer(
    one: AnyFeature, of_row: Mapping[str, FeatureValues], made: Mapping[str, Value]
) -> tuple[Value, Status]:
    if isinstance(one, OnDemandFeature):
        value = made[one.reference]
        return value, Status.NULL if value is None else Status.PRESENT
    found = of_row[one.view.full_name]
    return found.values[one.feature.name], found.status_by_feature[one.feature.name]


def _key(position: int, row: EntityRow, entity: Field, view: Declared[FeatureView]) -> KeyValue:
    if entity.name not in row:
        raise LookupError(
            f"entity row {position} has no {entity.name!r}, a key of view {view.full_name!r}; "
            f"it has {', '.join(row) or 'nothing'}"
        )
    wants = f"view {view.full_name!r} is keyed by {entity.dtype}"
    return value_of(f"entity row {position}", row, entity.name, entity.dtype, wants)


def _refuse_collisions(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"output column {name!r} would come from two places: "
                "pass full_feature_names=True, or ask for one of them"
            )
