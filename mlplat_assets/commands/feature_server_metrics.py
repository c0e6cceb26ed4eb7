"""What the feature server says of streams and views, in the text format of Prometheus."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from mlplat_assets.features.quality.freshness import Freshness
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


def metrics(
    stream: EventStream,
    sources: Sequence[StreamedSource],
    in_lake: Mapping[str, Freshness],
    now: datetime,
) -> str:
    """Counters by source, lag in rows, and each view's age and promised age in seconds.

    `in_lake` is the freshness of every view. Of a streamed view the age is that of the newest row
    of its source: its own rows go on for as long as a window holds one.
    """
    lines = [*_of_streams(stream, sources), *_of_views(stream, sources, in_lake, now)]
    return "\n".join(lines) + "\n"


def _of_streams(stream: EventStream, sources: Sequence[StreamedSource]) -> Iterator[str]:
    counts = {source.name: stream.counts(source.name) for source in sources}
    for name, says in _EVENTS.items():
        yield from _head(f"mlplat_stream_{name}_total", "counter", says)
        for source, found in counts.items():
            yield f'mlplat_stream_{name}_total{{source="{source}"}} {found.get(name, 0)}'
    yield from _head("mlplat_stream_lag", "gauge", "Rows that have not landed.")
    for source in sources:
        yield f'mlplat_stream_lag{{source="{source.name}"}} {stream.lag(source.name, GROUP)}'


def _of_views(
    stream: EventStream,
    sources: Sequence[StreamedSource],
    in_lake: Mapping[str, Freshness],
    now: datetime,
) -> Iterator[str]:
    ages = {view: found.age for view, found in in_lake.items()}
    for source in sources:
        newest = stream.counts(source.name).get("newest_event")
        if newest is not None:
            ages |= {view.full_name: now - EPOCH - newest * MICROSECOND for view in source.views}
    says = "Seconds since the newest event of the view that is in the lake."
    yield from _gauge("mlplat_feature_freshness_seconds", says, ages)
    says = "The greatest age that the view promises for its newest event."
    promised = {view: found.promised for view, found in in_lake.items()}
    yield from _gauge("mlplat_feature_freshness_promised_seconds", says, promised)


def _gauge(name: str, says: str, spans: Mapping[str, timedelta | None]) -> Iterator[str]:
    yield from _head(name, "gauge", says)
    for view, span in sorted(spans.items()):
        if span is not None:
            yield f'{name}{{view="{view}"}} {span.total_seconds():.3f}'


def _head(name: str, kind: str, says: str) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} {kind}"
