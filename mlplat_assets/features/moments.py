"""Which entities at which moments: a caller's entity frame, or every change of the views."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.historical import LakeSnapshot
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView

EVENT_TIMESTAMP = "event_timestamp"


def time_column(frame: pa.Table) -> str:
    """The column with an entity frame's moments: `event_timestamp`, or else its only timestamp.

    Raises:
        ValueError: It has neither.
    """
    if EVENT_TIMESTAMP in frame.column_names:
        return EVENT_TIMESTAMP
    found = [field.name for field in frame.schema if pa.types.is_timestamp(field.type)]
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} timestamp columns ({', '.join(found)})" if found else "no timestamp"
    raise ValueError(
        f"the entity frame has {several} and none named {EVENT_TIMESTAMP!r}: "
        f"name the one that holds each row's moment {EVENT_TIMESTAMP}"
    )


def in_utc(moment: date, name: str) -> datetime:
    """A moment without zone, as the lake keeps it: aware ones in UTC, naive ones and dates as UTC.

    Raises:
        TypeError: It is no date and no time.
    """
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    if isinstance(moment, date):
        return datetime.combine(moment, datetime.min.time())
    raise TypeError(f"{name} is a {type(moment).__name__}: pass a datetime, or a date in UTC")


def changes(
    at: LakeSnapshot,
    views: Sequence[Declared[FeatureView]],
    start: datetime,
    end: datetime,
    *,
    known_at: bool,
) -> pa.Table:
    """Every entity at every moment in [start, end) at which a row of one of the views took effect.

    A row takes effect at its event time plus the view's landing delay; with `known_at`, not before
    it was created. The keys are those of the view that has the most. A moment of a view with fewer
    counts for every entity that shares its keys and has a row within reach in a widest view. Rows
    are distinct, ordered by moment and keys; a null key gives none.

    Raises:
        ValueError: start is after end, or no view has the keys of all others.
    """
    if start > end:
        raise ValueError(f"start {start} is after end {end}: swap them")
    keys = _widest(views)
    parts = [_part(at, view, keys, known_at=known_at) for view in views]
    listed = ", ".join([*keys, "moment"])
    columns = ", ".join([*keys, f"timezone('UTC', moment) as {EVENT_TIMESTAMP}"])
    return at.read(
        f"""with wide as ({_entities(at, views, keys)}),
                 moments as (select distinct {listed} from ({" union all ".join(parts)}))
            select {columns} from moments order by {", ".join(["moment", *keys])}""",
        [start, end],
    )


def _widest(views: Sequence[Declared[FeatureView]]) -> list[str]:
    """The keys of the view that has the most."""
    keys = {view.full_name: [entity.name for entity in view.spec.entities] for view in views}
    widest = max(keys.values(), key=len)
    if any(set(names) - set(widest) for names in keys.values()):
        said = "; ".join(f"{name} by {', '.join(of) or 'none'}" for name, of in keys.items())
        raise ValueError(
            f"without an entity frame one view must have the keys of all others ({said}): "
            "pass entity_df, or ask for the views one by one"
        )
    return widest


def _part(at: LakeSnapshot, view: Declared[FeatureView], keys: list[str], *, known_at: bool) -> str:
    """SQL for the full keys and moments that one view gives."""
    own = [entity.name for entity in view.spec.entities]
    effective = f"event_timestamp + {_interval(view.spec.landing_delay)}"
    moment = f"greatest({effective}, created_timestamp)" if known_at else effective
    # The plain bounds let the lake skip files; the moment alone would not.
    bounds = [f"event_timestamp < $2 - {_interval(view.spec.landing_delay)}"]
    if known_at:
        bounds.append("created_timestamp < $2")
    else:
        bounds.append(f"event_timestamp >= $1 - {_interval(view.spec.landing_delay)}")
    bounds += ["moment >= $1", "moment < $2", *(f"{key} is not null" for key in own)]
    listed = ", ".join([*own, f"{moment} as moment"])
    rows = f"select {listed} from {_table(at, view)} where {' and '.join(bounds)}"
    if set(own) == set(keys):
        return f"select {', '.join([*keys, 'moment'])} from ({rows})"
    shared = " and ".join(f"narrow.{key} = wide.{key}" for key in own) or "true"
    full = ", ".join([*(f"wide.{key}" for key in keys), "moment"])
    return f"select {full} from ({rows}) as narrow join wide on {shared}"


def _entities(at: LakeSnapshot, views: Sequence[Declared[FeatureView]], keys: list[str]) -> str:
    """SQL for the full keys that have a row within reach in a widest view."""
    if not keys:
        return "select 1"
    known = "".join(f" and {key} is not null" for key in keys)
    parts = []
    for view in views:
        oldest = f" and event_timestamp >= $1 - {_interval(view.spec.ttl)}" if view.spec.ttl else ""
        if len(view.spec.entities) == len(keys):
            parts.append(
                f"select {', '.join(keys)} from {_table(at, view)} where event_timestamp < $2 - "
                f"{_interval(view.spec.landing_delay)}{oldest}{known}"
            )
    return " union ".join(parts)


def _table(at: LakeSnapshot, view: Declared[FeatureView]) -> str:
    return at.table(table("features", view.team, view.name))


def _interval(duration: timedelta) -> str:
    return f"to_microseconds({duration // timedelta(microseconds=1)})"
