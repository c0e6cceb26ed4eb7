"""The feature store: features of the past for training, of now for serving, and pushed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import pyarrow as pa

from bentos.model_server.artefact.on_demand import OnDemandFunction
from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.frames import EagerFrame, arrow_table
from mlplat_assets.features.historical import lake_at
from mlplat_assets.features.lookup import OnlineFeatures, OnlineQuestion
from mlplat_assets.features.moments import EVENT_TIMESTAMP, changes, in_utc, time_column
from mlplat_assets.features.on_demand import read_functions
from mlplat_assets.features.pushing import Destination, Pushed, push_rows
from mlplat_assets.features.request_values import EntityRow, refuse_without_frame
from mlplat_assets.features.retrieval import historical_features
from mlplat_assets.features.selection import Features, Selection, declared_view, select_features
from mlplat_assets.keys import table
from mlplat_assets.references import OnDemandFeature
from mlplat_assets.spec import FeatureView
from resources.lake import Lake, lake_from
from resources.online_store import OnlineStore, online_store
from resources.settings import from_environment


class FeatureStore:
    """Every declared feature, read and written in one place.

    Features are asked for as `team.view:feature`, `team.view` (all of its features) or
    `team.service`; see `mlplat_assets.references`. Those of on-demand views are computed by the
    declared function, as in training and in serving; what it takes is read with the rest, and is
    no column of the answer unless asked for itself.
    """

    def __init__(
        self,
        lake: Lake,
        online_store: OnlineStore,
        catalogue: Catalogue,
        clock: Callable[[], datetime],
    ) -> None:
        """Remember the stores; `clock` gives the UTC-aware time of pushes and online reads."""
        self._lake = lake
        self._online = online_store
        self._catalogue = catalogue
        self._clock = clock
        self._read: dict[str, OnDemandFunction] = {}

    def get_historical_features(
        self,
        entity_df: EagerFrame | None = None,
        features: Features = (),
        *,
        start: date | None = None,
        end: date | None = None,
        known_at: bool = False,
        as_of_snapshot: int | None = None,
        full_feature_names: bool = False,
        provenance: bool = False,
    ) -> pa.Table:
        """The features as they were known at each row's moment (see `point_in_time_join`).

        Args:
            entity_df: Rows to complete: the views' keys, what on-demand views take from a request,
                and a timestamp, `event_timestamp` or the only one there is.
            features: What to add.
            start: Without an entity frame: one row for every entity and moment from here at which
                a row of any of the views took effect. A naive time is UTC.
            end: The end of that, exclusive.
            known_at: Use only rows that were created by then.
            as_of_snapshot: The lake's snapshot to read (default: the newest); the same snapshot
                gives the same bytes, whatever was rebuilt since.
            full_feature_names: Name columns `view__feature`.
            provenance: Add per view the event time, partition, data version and staleness used
                (see `historical_features`).

        Raises:
            LookupError: A view, feature, column or snapshot does not exist.
            TypeError: A key, time or request column has the wrong type.
            ValueError: The arguments contradict each other, or the moments are not clear.
            OnDemandFailed: A function failed, or its answer to a row depends on other rows.
        """
        selection = select_features(features, self._catalogue)
        functions = self._functions(selection)
        frame = None if entity_df is None else arrow_table(entity_df)
        if (frame is None) == (start is None and end is None):
            raise ValueError(
                "say whose features: pass either entity_df, or start and end for every change"
            )
        with lake_at(self._lake, as_of_snapshot) as at:
            if frame is not None:
                moment = time_column(frame)
            elif start is None or end is None:
                raise ValueError(f"start is {start} and end is {end}: give both")
            else:
                views = [view for view, _ in selection.views()]
                refuse_without_frame(functions, views)
                span = in_utc(start, "start"), in_utc(end, "end")
                frame, moment = changes(at, views, *span, known_at=known_at), EVENT_TIMESTAMP
            return historical_features(
                at,
                frame,
                moment,
                selection,
                functions,
                known_at=known_at,
                full_feature_names=full_feature_names,
                provenance=provenance,
            )

    def get_online_features(
        self,
        entity_rows: Sequence[EntityRow],
        features: Features,
        *,
        at: datetime | None = None,
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        """The newest values of each entity row, with a status each, in one round trip.

        A row holds the views' keys, and what on-demand views take from a request. Ages are measured
        back from `at`, by default now, which is their `event_timestamp` too.

        Raises:
            LookupError: A view or feature does not exist, or an entity row lacks a value.
            TypeError: A value has another type than declared.
            ValueError: Two output columns would have one name, or a view is not online.
            OnDemandFailed: A function failed.
            OnlineStoreUnavailable: The store is away.
        """
        asked = self._question(entity_rows, features, at)
        found = self._online.read(asked.lookups, asked.at)
        return asked.answers(found, full_feature_names=full_feature_names)

    async def get_online_features_async(
        self,
        entity_rows: Sequence[EntityRow],
        features: Features,
        *,
        at: datetime | None = None,
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        """The same as `get_online_features`, without blocking the event loop."""
        asked = self._question(entity_rows, features, at)
        found = await self._online.aread(asked.lookups, asked.at)
        return asked.answers(found, full_feature_names=full_feature_names)

    def push(self, view: str, rows: EagerFrame, to: Destination = "online") -> Pushed:
        """Write rows of a view: keys, `event_timestamp`, every feature.

        `created_timestamp` may say since when each is known (default: now). All are checked before
        any is written; see `push_rows`.

        Raises:
            LookupError: The view does not exist, or a column is missing or unknown.
            TypeError: A column has another type than declared.
            ValueError: A key or time is null, a value does not fit, or the view is not online.
            OnlineStoreUnavailable: The online store is away; the lake, if asked for, has the rows.
        """
        return push_rows(
            declared_view(view, self._catalogue),
            rows,
            to,
            lake=self._lake,
            online_store=self._online,
            clock=self._clock,
        )

    def list_feature_views(self) -> list[Declared[FeatureView]]:
        """Every declared view, by name."""
        return [view for _, view in sorted(self._catalogue.views.items())]

    def describe(self, view: str) -> dict[str, object]:
        """A view's declaration and what both stores hold of it; times are UTC.

        Raises:
            LookupError: The view does not exist.
        """
        declared = declared_view(view, self._catalogue)
        spec = declared.spec
        return {
            "view": declared.full_name,
            "description": spec.description,
            "owner": self._catalogue.owner(declared),
            "tags": dict(spec.tags),
            "entities": {entity.name: entity.dtype for entity in spec.entities},
            "features": {feature.name: feature.dtype for feature in spec.features},
            "ttl": spec.ttl,
            "landing_delay": spec.landing_delay,
            "online_entities": self._online.count(view) if spec.online else None,
            **self._held(declared),
        }

    def _question(
        self, entity_rows: Sequence[EntityRow], features: Features, at: datetime | None
    ) -> OnlineQuestion:
        selection = select_features(features, self._catalogue)
        functions = self._functions(selection)
        return OnlineQuestion(selection, entity_rows, functions, at or self._clock())

    def _functions(self, selection: Selection) -> list[OnDemandFunction]:
        """The functions of the selection's on-demand views, each read and tried once."""
        wanted = {
            one.view.full_name: one
            for one in selection.features
            if isinstance(one, OnDemandFeature)
        }
        unread = [one for name, one in wanted.items() if name not in self._read]
        for function in read_functions(unread)[0]:
            function.try_missing()
            self._read[function.entry.view] = function
        return [self._read[name] for name in wanted]

    def _held(self, view: Declared[FeatureView]) -> dict[str, object]:
        name = table("features", view.team, view.name)
        if not self._lake.has(name):
            return {
                "rows": 0,
                "first_partition": None,
                "last_partition": None,
                "newest_event": None,
            }
        return self._lake.read(
            f"""select count(*) as rows, min(partition_day) as first_partition,
                       max(partition_day) as last_partition,
                       timezone('UTC', max(event_timestamp)) as newest_event
                from {name}"""
        ).to_pylist()[0]


def feature_store() -> FeatureStore:
    """The feature store of this environment and this repository's declarations."""
    settings = from_environment()
    return FeatureStore(
        lake_from(settings),
        online_store(settings.online_url, settings.online_timeout),
        catalogue(),
        lambda: datetime.now(UTC),
    )
