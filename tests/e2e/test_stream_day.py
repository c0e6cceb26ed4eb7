"""A real day of departures through the stream equals the batch result, with the consumer killed."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis

from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.manifest import DBT_PROJECT
from mlplat_assets.features.streaming.consumer import GROUP
from resources.event_stream import event_stream
from resources.lake import Lake, lake_from
from resources.online_store import ViewRequest, online_store
from resources.settings import Settings, from_environment
from tests.bentos.servers import call
from tests.e2e.streaming import Process, await_that, feature_server
from tests.features.streaming.live_departures import (
    RAW_TABLE,
    SOURCE,
    VIEW,
    VIEW_TABLE,
    departures,
    events,
)
from tests.services import redis_url, unavailable

DAY = date(2013, 2, 11)
HISTORY = DAY - timedelta(days=1)
PUSH = 20


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """Stores of a home of their own, with the stream and the online store in Redis."""
    server = redis.Redis.from_url(redis_url())
    try:
        server.ping()
    except redis.ConnectionError as error:
        unavailable(f"Redis is not reachable at {redis_url()}: {error}")
    keys = [f"mlplat:stream:{{{SOURCE}}}", f"mlplat:stream:{{{SOURCE}}}:counts"]
    server.delete(*keys)
    online = online_store(redis_url())
    online.clear(VIEW)
    yield from_environment(
        {
            "MLPLAT_HOME": str(tmp_path),
            "MLPLAT_STREAM_URL": redis_url(),
            "MLPLAT_ONLINE_URL": redis_url(),
        }
    )
    server.delete(*keys)
    online.clear(VIEW)
    online.close()


def test_a_replayed_day_equals_the_batch_result_through_three_deaths(
    settings: Settings, tmp_path: Path
) -> None:
    lake = lake_from(settings)
    history = departures(HISTORY, HISTORY)
    lake.replace_days(RAW_TABLE, history.to_arrow(), HISTORY, HISTORY)
    day = departures(DAY, DAY)
    assert day.height > 500
    deaths = push_and_kill(settings, tmp_path, arrivals(day))
    assert deaths == 3

    assert online_values(settings, lake) == last_rows(lake)
    counts = event_stream(settings.stream_url).counts(SOURCE)
    assert (counts["applied"], counts["late"]) == (day.height, 0)
    assert counts["duplicate"] > 0

    streamed = recorded(lake, VIEW_TABLE)
    assert changed(lake, VIEW_TABLE) == 0, "the consumer recorded what it landed"
    lake.replace_days(RAW_TABLE, day.to_arrow(), DAY, DAY)
    assert changed(lake, RAW_TABLE) == 0, "the raw day is what a batch ingest lands"
    build(settings, lake)
    assert changed(lake, VIEW_TABLE) == 0, "the batch result is the stream's, bit for bit"
    assert recorded(lake, VIEW_TABLE) == streamed
    assert streamed["row_count"] > day.height


def arrivals(day: pl.DataFrame) -> list[dict[str, Any]]:
    """The day's events as they arrive: up to half an hour out of order, some of them twice."""
    shuffle = random.Random(20130211)
    sent = events(day)
    delays = [timedelta(minutes=shuffle.randint(0, 30)) for _ in sent]
    left = [datetime.fromisoformat(event["departed_at"]) for event in sent]
    delayed = [(at + delay, n) for n, (at, delay) in enumerate(zip(left, delays, strict=True))]
    in_order = [sent[n] for _, n in sorted(delayed)]
    return [event for event in in_order for _ in range(1 + (shuffle.random() < 0.05))]


def push_and_kill(settings: Settings, home: Path, sent: list[dict[str, Any]]) -> int:
    """Push over HTTP while consumers read; kill three of them on the way, drain the fourth."""
    stream = event_stream(settings.stream_url)
    deaths, done = 0, 0
    moments = random.Random(DAY.toordinal())
    with feature_server(settings, home) as port:
        for part in range(4):
            consumer = Process(settings, home / f"consumer-{part}.log", "stream", VIEW, "--replay")
            until = len(sent) * (part + 1) // 4
            try:
                await_that(lambda c=consumer: c.says("feeds"), "the consumer begins")
                landed = stream.counts(SOURCE).get("applied", 0)
                while done < until:
                    some = sent[done : min(done + PUSH, until)]
                    assert call(port, "POST", f"/push/{SOURCE}", some) == (
                        200,
                        {"accepted": len(some)},
                    )
                    done += len(some)
                    threading.Event().wait(moments.uniform(0, 0.2))
                if part < 3:
                    await_that(
                        lambda n=landed: stream.counts(SOURCE).get("applied", 0) > n,
                        "something has landed",
                    )
                    threading.Event().wait(moments.uniform(0, 0.5))
                    consumer.kill()
                    deaths += 1
                else:
                    await_that(lambda: stream.lag(SOURCE, GROUP) == 0, "everything has landed")
                    consumer.drain()
            finally:
                consumer.end()
    stream.close()
    return deaths


def last_rows(lake: Lake) -> dict[str, dict[str, Any]]:
    rows = lake.read(
        f"select * from {VIEW_TABLE} qualify event_timestamp = "
        "max(event_timestamp) over (partition by origin)"
    ).to_pylist()
    names = [feature.name for feature in catalogue().views[VIEW].spec.features]
    return {
        row["origin"]: {"at": row["event_timestamp"].replace(tzinfo=UTC)}
        | {name: row[name] for name in names}
        for row in rows
    }


def online_values(settings: Settings, lake: Lake) -> dict[str, dict[str, Any]]:
    names = tuple(feature.name for feature in catalogue().views[VIEW].spec.features)
    origins = ["EWR", "JFK", "LGA"]
    asked = [ViewRequest(view=VIEW, key=(o,), features=names, ttl=None) for o in origins]
    store = online_store(settings.online_url)
    at = next(iter(last_rows(lake).values()))["at"]
    found = store.read(asked, at)
    store.close()
    return {
        o: {"at": values.event_timestamp, **values.values}
        for o, values in zip(origins, found, strict=True)
    }


def changed(lake: Lake, table: str) -> int:
    """How many of the day's partitions have another digest than recorded before."""
    return sum(v.changed for v in lake.record_partitions(table, DAY, DAY, run_id="test"))


def recorded(lake: Lake, table: str) -> dict[str, Any]:
    return lake.read(
        """select digest, row_count from lineage.partition_versions
           where table_name = ? and partition_day = ? order by recorded_at desc limit 1""",
        [table, DAY],
    ).to_pylist()[0]


def build(settings: Settings, lake: Lake) -> None:
    """The day by the view's SQL, as a batch run builds it."""
    window = {"MLPLAT_WINDOW_FIRST": DAY.isoformat(), "MLPLAT_WINDOW_LAST": DAY.isoformat()}
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build"]
    command += ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    command += ["--select", "ftr_flights__origin_live", "--target-path", str(settings.home / "dbt")]
    lake.close()
    subprocess.run(
        command,
        check=True,
        env={**os.environ, **settings.environment(), **window},
    )
