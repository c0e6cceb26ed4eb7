"""Rows of streamed views as the online store takes them."""

from collections.abc import Iterable

from mlplat_assets.features.streaming.sources import moment
from mlplat_assets.features.streaming.tiles import ViewRow
from resources.online_store import OnlineRow


def newest_rows(rows: Iterable[ViewRow], features: tuple[str, ...]) -> list[OnlineRow]:
    """The newest row of each key; an older one would not be taken."""
    newest: dict[tuple, ViewRow] = {}
    for row in rows:
        if row.key not in newest or row.t >= newest[row.key].t:
            newest[row.key] = row
    return [
        OnlineRow(
            key=row.key,
            event_timestamp=(at := moment(row.t)),
            created_timestamp=at,
            partition=at.date().isoformat(),
            values=dict(zip(features, row.values, strict=True)),
        )
        for row in newest.values()
    ]
