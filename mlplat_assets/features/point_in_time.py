"""The point-in-time join: what was known of each entity at each moment, and never more."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import pyarrow as pa

from mlplat_assets.features.as_of import last_known, reachable
from mlplat_assets.features.frames import (
    EagerFrame,
    Frame,
    arrow_table,
    key_in_common,
    microseconds,
    select,
)

ENTITY_FRAME = "the entity frame"


@dataclass(frozen=True, eq=False)
class ViewFrame:
    """The rows of one feature view, in the order in which they were written.

    Attributes:
        name: Name of the view, with or without its team (`flights.weather`).
        frame: Its rows.
        keys: Key columns; none for a view whose rows hold for every entity.
        features: Columns to join, in this order.
        event_timestamp: Column with the time of each row; naive times are UTC.
        created_timestamp: Column with the time each row was written, if it is recorded.
        ttl: Greatest age of a value, inclusive; None or zero for no bound.
        key_map: From entity-frame column to key, where the two differ; with it one view can be
            joined twice, under two names.
        landing_delay: Time from a row's event to the moment from which it may be used.

    Raises:
        ValueError: A duration is negative, or the key map names something that is not a key.
    """

    name: str
    frame: Frame
    keys: tuple[str, ...]
    features: tuple[str, ...]
    event_timestamp: str
    created_timestamp: str | None = None
    ttl: timedelta | None = None
    key_map: Mapping[str, str] | None = None
    landing_delay: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        for field, duration in (("ttl", self.ttl), ("landing_delay", self.landing_delay)):
            if duration is not None and duration < timedelta(0):
                raise ValueError(f"{self}: {field} is {duration}; give a duration of 0 or more")
        mapped = list((self.key_map or {}).values())
        for key in mapped:
            if key not in self.keys or mapped.count(key) > 1:
                raise ValueError(
                    f"{self}: key_map must send one column to each key it names; it names "
                    f"{key!r}, {mapped.count(key)} times, and the keys are {list(self.keys)}"
                )

    def __str__(self) -> str:
        return f"view {self.name!r}"

    @property
    def short_name(self) -> str:
        """The view's name without its team."""
        return self.name.rpartition(".")[2]

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """The entity-frame column of each key, in the order of the keys."""
        columns = {key: column for column, key in (self.key_map or {}).items()}
        return tuple(columns.get(key, key) for key in self.keys)


def point_in_time_join(
    entity_frame: EagerFrame,
    views: Sequence[ViewFrame],
    *,
    event_timestamp: str = "event_timestamp",
    known_at: bool = False,
    full_feature_names: bool = False,
    provenance: bool = False,
) -> pa.Table:
    """The entity frame with, for each row, the features known at its time.

    Every row comes back once, in its order and with its columns untouched. A view's row
    qualifies at time t when its keys are equal and `t - ttl <= event_timestamp <= t`, both ends
    included, to the microsecond. Of those the greatest event time counts, then the greatest
    created time (null lowest), then the last written; an expired one does not fall back to an
    older one. A null key or time matches nothing. Naive times are UTC.

    Args:
        entity_frame: Rows to complete, with the key columns of every view.
        views: What to join; their features follow the entity columns in this order.
        event_timestamp: The entity frame's time column.
        known_at: Use only rows whose created timestamp is known and not after t as well.
        full_feature_names: Name features `view__feature`, not `feature`.
        provenance: Append per view `<view>__event_timestamp`, the UTC time of the row used.

    Raises:
        LookupError: A column is missing.
        TypeError: A time is no timestamp, or a key has another type in view and entity frame.
        ValueError: Two output columns have one name, or `known_at` meets a view without created
            timestamps.
    """
    output = arrow_table(entity_frame)
    features = [_feature_names(view, full_feature_names) for view in views]
    times = [f"{view.short_name}__event_timestamp" for view in views] if provenance else []
    refuse_collisions(_named(output.column_names, views, features, times))
    searches: list[Future[tuple[pa.Table, pa.Array]]] = []
    # The next view is read while this one is searched; no more than two are in memory.
    with ThreadPoolExecutor(max_workers=1) as thread:
        for view, names in zip(views, features, strict=True):
            if len(searches) > 1:
                searches[-2].result()
            sides = _sides(output, event_timestamp, view, known_at=known_at)
            searches.append(thread.submit(_joined, view, names, *sides, known_at=known_at))
            del sides
    joined = [search.result() for search in searches]
    for found, _ in joined:
        for name in found.column_names:
            output = output.append_column(name, found[name])
    for name, (_, event) in zip(times, joined, strict=False):
        output = output.append_column(name, event)
    return output


def _joined(
    view: ViewFrame,
    names: Sequence[str],
    entities: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    known_at: bool,
) -> tuple[pa.Table, pa.Array]:
    """The view's features for each entity, under their names, and the time of the row used."""
    used = last_known(
        entities,
        rows,
        keys=[name for name in entities.columns if name != "t"],
        ttl=view.ttl,
        landing_delay=view.landing_delay,
        known_at=known_at,
    )
    columns = [
        rows[f"feature_{position}"].gather(used).to_arrow() for position in range(len(names))
    ]
    event = rows["event"].gather(used).cast(pl.Datetime("us", "UTC"))
    return pa.table(columns, names=list(names)), event.to_arrow()


def _feature_names(view: ViewFrame, full: bool) -> list[str]:
    return [f"{view.short_name}__{name}" if full else name for name in view.features]


def refuse_collisions(named: Iterable[tuple[str, str]]) -> None:
    """That every output column, named with where it comes from, comes from one place.

    Raises:
        ValueError: One comes from several.
    """
    sources: dict[str, list[str]] = {}
    for name, source in named:
        sources.setdefault(name, []).append(source)
    for name, of_name in sources.items():
        if len(of_name) > 1:
            raise ValueError(
                f"output column {name!r} would come from {' and from '.join(of_name)}: pass "
                "full_feature_names=True and give each view a name of its own, or rename a column"
            )


def _named(
    entity_columns: Sequence[str],
    views: Sequence[ViewFrame],
    features: Sequence[Sequence[str]],
    times: Sequence[str],
) -> Iterable[tuple[str, str]]:
    yield from ((name, ENTITY_FRAME) for name in dict.fromkeys(entity_columns))
    for position, view in enumerate(views):
        for name in (*features[position], *times[position : position + 1]):
            yield name, str(view)


def _sides(
    entity_table: pa.Table, event_timestamp: str, view: ViewFrame, *, known_at: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The entities as `t`, `key_<i>`, and the view's rows that can match at all.

    The rows are `event`, `created`, `key_<i>` and `feature_<i>`, in the order written; all times
    are microseconds in UTC.
    """
    created = view.created_timestamp
    if known_at and created is None:
        raise ValueError(f"{view} has no created_timestamp, which known_at=True needs: name one")
    left = select(entity_table, [event_timestamp, *view.entity_columns], ENTITY_FRAME)
    stamps = [view.event_timestamp, *([created] if created else [])]
    right = select(view.frame, [*stamps, *view.keys, *view.features], str(view))
    asked, held = left.collect_schema(), right.collect_schema()
    left_keys, right_keys = [], []
    for position, (column, key) in enumerate(zip(view.entity_columns, view.keys, strict=True)):
        pair = key_in_common(column, asked[column], key, held[key], str(view))
        left_keys.append(pair[0].alias(f"key_{position}"))
        right_keys.append(pair[1].alias(f"key_{position}"))
    t = microseconds(event_timestamp, asked[event_timestamp], ENTITY_FRAME).alias("t")
    entities = left.select(t, *left_keys).collect()
    event = microseconds(view.event_timestamp, held[view.event_timestamp], str(view))
    written = microseconds(created, held[created], str(view)) if created else pl.lit(0, pl.Int64)
    features = [pl.col(name).alias(f"feature_{i}") for i, name in enumerate(view.features)]
    rows = right.select(event.alias("event"), written.alias("created"), *right_keys, *features)
    known_keys = [pl.col(name).is_not_null() for name in entities.columns if name != "t"]
    return entities, rows.filter(reachable(entities, view.ttl), *known_keys).collect()
