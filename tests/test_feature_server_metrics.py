"""Freshness as a metric: of every view the age of its newest event, and what it promises."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_server_metrics import metrics
from mlplat_assets.features.quality.freshness import Freshness
from mlplat_assets.features.streaming.consumer import GROUP
from mlplat_assets.features.streaming.sources import EPOCH, MICROSECOND, streamed_sources
from resources.event_stream import EventStream, event_stream

NOW = datetime(2013, 1, 5, 12, tzinfo=UTC)
STREAMED = "flights.origin_live"


def ages(events: EventStream, **hours: float | None) -> dict[str, float]:
    in_lake = {
        f"flights.{view}": Freshness(
            at=NOW,
            newest_event=None if age is None else NOW - timedelta(hours=age),
            promised=timedelta(hours=1),
        )
        for view, age in hours.items()
    }
    text = metrics(events, streamed_sources(catalogue()), in_lake, NOW)
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if "freshness" in line)
    return {name: float(value) for name, value in samples if not name.startswith("#")}


def test_every_view_with_an_event_has_an_age_and_every_promise_is_there(tmp_path: Path) -> None:
    events = event_stream(f"sqlite:///{tmp_path / 'stream.sqlite'}")
    found = ages(events, weather=2.5, aircraft=None)
    assert found == {
        'mlplat_feature_freshness_seconds{view="flights.weather"}': 9000.0,
        'mlplat_feature_freshness_promised_seconds{view="flights.aircraft"}': 3600.0,
        'mlplat_feature_freshness_promised_seconds{view="flights.weather"}': 3600.0,
    }
    events.close()


def test_a_streamed_view_is_as_old_as_the_newest_row_of_its_source(tmp_path: Path) -> None:
    events = event_stream(f"sqlite:///{tmp_path / 'stream.sqlite'}")
    (source,) = streamed_sources(catalogue())
    events.join(source.name, GROUP)
    newest = (NOW - timedelta(hours=3) - EPOCH) // MICROSECOND
    events.acknowledge(source.name, GROUP, [], add={}, put={"newest_event": newest})
    found = ages(events, origin_live=0.1)
    assert found[f'mlplat_feature_freshness_seconds{{view="{STREAMED}"}}'] == 3 * 3600.0
    events.close()
