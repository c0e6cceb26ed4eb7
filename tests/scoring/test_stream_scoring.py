"""A day of departures scored from its stream while the consumer is killed twice."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mlplat_assets.monitoring.explanation import explain
from mlplat_assets.monitoring.predictions import ingest
from mlplat_assets.scoring.event_consumer import group_of
from resources.event_stream import EventStream, event_stream
from resources.lake import lake_from
from resources.online_store import OnlineRow, online_store
from resources.registry.registry import registry
from resources.settings import Settings, from_environment
from tests.bentos.artefacts import expected_prediction
from tests.bentos.servers import ROOT
from tests.e2e.streaming import await_that
from tests.features.streaming.live_departures import SOURCE, departures, events, messages
from tests.scoring.live_model import COLUMNS, FEATURES, MODEL, TABLE, VIEW, crown, write_model

DAY = date(2013, 2, 11)
PUSH = 20


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Embedded stores of a home of their own, the model in production, its features online."""
    found = from_environment({"MLPLAT_HOME": str(tmp_path), "MLPLAT_ACTOR": "carol"})
    crown(found, write_model(tmp_path / "artefact"))
    with closing(online_store(found.online_url)) as online:
        online.write(VIEW, [online_row(origin, n) for n, origin in enumerate(("EWR", "JFK"))])
    return found


def online_row(origin: str, n: int) -> OnlineRow:
    at = datetime(2013, 2, 11, tzinfo=UTC)
    return OnlineRow(
        key=(origin,),
        event_timestamp=at,
        created_timestamp=at,
        partition="2013-02-11",
        values=dict(zip(FEATURES, (7 + n, 0.5 + n), strict=True)),
    )


class Scorer:
    """One `mlplat score-stream` process."""

    def __init__(self, settings: Settings) -> None:
        self.log = settings.home / f"scorer-{random.randbytes(4).hex()}.log"
        command = [sys.executable, "-m", "mlplat_assets.cli", "score-stream", MODEL]
        environment = {**os.environ, **settings.environment(), "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        await_that(lambda: "is scored by" in self.log.read_text() or self.ended(), "it begins")
        assert not self.ended(), self.log.read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def drain(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def stream(settings: Settings) -> Iterator[EventStream]:
    with closing(event_stream(settings.stream_url)) as opened:
        yield opened


def journaled(settings: Settings) -> list[dict[str, Any]]:
    """Whole lines of the journal, oldest segment first."""
    files = sorted((settings.journal / MODEL).glob("*.ndjson"))
    lines = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def test_each_event_is_in_the_lake_once_through_two_deaths(
    settings: Settings, stream: EventStream
) -> None:
    day = departures(DAY, DAY)
    sent = events(day)
    sent += sent[:50]  # a producer that sends again
    bodies, done = messages(sent), 0
    for part in range(3):
        scorer = Scorer(settings)
        try:
            until, before = len(bodies) * (part + 1) // 3, len(journaled(settings))
            while done < until:
                stream.append(SOURCE, bodies[done : min(done + PUSH, until)])
                done = min(done + PUSH, until)
            if part < 2:
                await_that(
                    lambda n=before: len(journaled(settings)) > n, "some of these are scored"
                )
                scorer.kill()
            else:
                await_that(lambda: stream.lag(SOURCE, group_of(MODEL)) == 0, "all is scored")
                assert scorer.drain() == 0, scorer.log.read_text()
        finally:
            scorer.kill()
    lines = journaled(settings)
    assert len(lines) >= len(sent) > day.height > 500

    lake = lake_from(settings)
    assert ingest(lake, settings.journal / MODEL, TABLE) == day.height
    assert ingest(lake, settings.journal / MODEL, TABLE) == 0
    found = lake.read(f"select * from {TABLE}").to_pylist()
    assert Counter(row["unit_id"] for row in found) == Counter(day["flight_id"].to_list())
    assert len({row["prediction_id"] for row in found}) == day.height
    assert {(r["variant"], r["stream"], r["version"]) for r in found} == {("stream", SOURCE, 1)}
    for row in found:
        assert row["prediction"] == pytest.approx(expected(row), abs=1e-6)
    told = explain(found[0]["prediction_id"], lake, registry(settings.registry_url))
    assert (told.stream, told.model, told.unit_id) == (SOURCE, MODEL, found[0]["unit_id"])
    assert [view.view for view in told.views] == [VIEW]


def expected(row: dict[str, Any]) -> float:
    features, entities = json.loads(row["features"]), json.loads(row["entities"])
    departures_1h, delay = (features[column] for column in COLUMNS)
    assert (departures_1h is None) == (entities["origin"] == "LGA"), "LGA is not online"
    distance = 0.0 if departures_1h is None else departures_1h
    return expected_prediction(
        bias=-3.0, distance=distance, temp=delay, carrier=entities["carrier"]
    )


def test_what_is_no_event_is_kept_aside_and_the_rest_is_scored(
    settings: Settings, stream: EventStream
) -> None:
    (event, *_), left = events(departures(DAY, DAY)), []
    stream.join(f"{MODEL}.scores", "readers")
    stream.join(f"{MODEL}.scores.refused", "readers")
    stream.append(SOURCE, [b'{"no": "departure"}', *messages([event])])
    scorer = Scorer(settings)
    try:
        await_that(lambda: stream.lag(SOURCE, group_of(MODEL)) == 0, "both are done with")
    finally:
        scorer.kill()
    for name in (f"{MODEL}.scores", f"{MODEL}.scores.refused"):
        read = stream.read(name, "readers", "test", count=10, wait_seconds=0)
        left.append([json.loads(message.body) for message in read])
    ((scored,), (refused,)) = left
    assert scored["unit_id"] == event["flight_id"]
    assert scored == journaled(settings)[0]
    assert "no" in refused["message"]
    assert "flight_id" in refused["error"]


def test_a_model_that_asks_for_more_than_an_event_tells_is_refused(settings: Settings) -> None:
    more = [{"name": "distance", "dtype": "float"}]
    crown(settings, write_model(settings.home / "more", bias=1.0, context=more))
    command = [sys.executable, "-m", "mlplat_assets.cli", "score-stream", MODEL]
    environment = {**os.environ, **settings.environment(), "COLUMNS": "300"}
    ended = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "flights.departures has no distance" in ended.stdout + ended.stderr
