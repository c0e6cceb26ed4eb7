"""What the feature server says of its streams, in the text format of Prometheus."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from mlplat_assets.features.streaming.consumer import GROUP
from mlplat_assets.features.streaming.sources import EPOCH, MICROSECOND, StreamedSource
from resources.event_stream import EventStream

_EVENTS = {
    "pushed": "Rows that the stream has taken.",
    "applied": "Rows that the views count.",
    "late": "Rows behind the watermark, whose days the batch run repairs.",
    "duplicate": "Rows that came again.",
    "refused": "Messages that are no row of the source.",
}


def metrics(stream: EventStream, sources: Sequence[StreamedSource], now: datetime) -> str:
    """Counters by source, lag in rows, and each view's freshness in seconds."""
    return "\n".join(_lines(stream, sources, now)) + "\n"


def _lines(stream: EventStream, sources: Sequence[StreamedSource], now: datetime) -> Iterator[str]:
    counts = {source.name: stream.counts(source.name) for source in sources}
    for name, says in _EVENTS.items():
        yield from _head(f"mlplat_stream_{name}_total", "counter", says)
        for source, found in counts.items():
            yield f'mlplat_stream_{name}_total{{source="{source}"}} {found.get(name, 0)}'
    yield from _head("mlplat_stream_lag", "gauge", "Rows that have not landed.")
    for source in sources:
        yield f'mlplat_stream_lag{{source="{source.name}"}} {stream.lag(source.name, GROUP)}'
    says = "Seconds since the newest row that has landed happened."
    yield from _head("mlplat_feature_freshness_seconds", "gauge", says)
    for source in sources:
        newest = counts[source.name].get("newest_event")
        if newest is None:
            continue
        age = (now - EPOCH - newest * MICROSECOND).total_seconds()
        for view in source.views:
            yield f'mlplat_feature_freshness_seconds{{view="{view.full_name}"}} {age:.3f}'


def _head(name: str, kind: str, says: str) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} {kind}"
