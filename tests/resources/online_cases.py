"""Rows and single reads, as the online store's tests write them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from resources.online_store import (
    FeatureValues,
    KeyValue,
    OnlineRow,
    OnlineStore,
    Replacement,
    ViewRequest,
)

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def row(
    *key: KeyValue,
    event: datetime = NOON,
    created: datetime = NOON,
    partition: str = "2013-01-05",
    **values: Any,
) -> OnlineRow:
    """An online row; values by feature name."""
    return OnlineRow(
        key=key,
        event_timestamp=event,
        created_timestamp=created,
        partition=partition,
        values=values,
    )


def read(
    store: OnlineStore,
    view: str,
    *key: KeyValue,
    feature: str = "temp",
    at: datetime = NOON,
    ttl: timedelta | None = None,
) -> FeatureValues:
    """One feature of one entity."""
    (found,) = store.read([ViewRequest(view=view, key=key, features=(feature,), ttl=ttl)], at)
    return found


def correction(
    *key: KeyValue, row: OnlineRow | None, event: datetime = NOON, created: datetime = NOON
) -> Replacement:
    """A correction of the row with these times."""
    return Replacement(key=key, event_timestamp=event, created_timestamp=created, row=row)
