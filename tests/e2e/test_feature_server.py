"""The feature server and a live consumer: pushed over HTTP, online within a second."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from resources.event_stream import EventStream, event_stream
from resources.online_store import OnlineRow, online_store
from resources.settings import Settings, from_environment
from tests.bentos.servers import call
from tests.e2e.streaming import Process, await_that, feature_server
from tests.features.streaming.live_departures import SOURCE, VIEW, departure

RECENT, PRESSURE = "flights.origin_recent", "flights.schedule_pressure"
FLIGHT = {"origin": ["TST"], "distance": [1400], "scheduled_minutes": [240], "local_hour": [17]}
VISIBLE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Live:
    """A server's port and the stream behind it."""

    port: int
    stream: EventStream
    settings: Settings

    def push(self, *rows: Any) -> tuple[int, Any]:
        return call(self.port, "POST", f"/push/{SOURCE}", list(rows))

    def ask(self, **request: Any) -> tuple[int, Any]:
        return call(self.port, "POST", "/get-online-features", request)

    def value(self, feature: str, origin: str) -> Any:
        status, found = self.ask(features=[f"{VIEW}:{feature}"], entities={"origin": [origin]})
        assert status == 200, found
        return found["results"][1]["values"][0]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home = tmp_path_factory.mktemp("live")
    settings = from_environment({"MLPLAT_HOME": str(home), "DAGSTER_HOME": str(home)})
    consumer = Process(settings, home / "consumer.log", "stream")
    try:
        with feature_server(settings, home) as port:
            await_that(lambda: consumer.says("feeds"), "the consumer begins")
            stream = event_stream(settings.stream_url)
            yield Live(port=port, stream=stream, settings=settings)
            stream.close()
            consumer.drain()
    finally:
        consumer.end()


def test_a_pushed_row_is_online_within_a_second(live: Live) -> None:
    seconds = []
    for number in range(1, 6):
        row = departure(datetime.now(UTC), f"u{number}", origin="TST", departure_delay=number)
        begun = time.monotonic()
        assert live.push(row) == (200, {"accepted": 1})
        await_that(
            lambda n=number: live.value("departure_delay_max_1h", "TST") == n, "the row is online"
        )
        seconds.append(time.monotonic() - begun)
    assert sorted(seconds)[2] < VISIBLE_SECONDS, seconds


def test_the_answer_has_the_shape_of_feasts(live: Live) -> None:
    status, found = live.ask(
        features=[f"{VIEW}:departures_1h", f"{VIEW}:departures_3h"],
        entities={"origin": ["nowhere", None]},
        full_feature_names=True,
    )
    assert status == 200
    names = ["origin", "origin_live__departures_1h", "origin_live__departures_3h"]
    assert found["metadata"]["feature_names"] == names
    keys, *features = found["results"]
    assert keys == {"values": ["nowhere", None], "statuses": ["PRESENT", "PRESENT"]}
    for feature in features:
        assert feature == {
            "values": [None, None],
            "statuses": ["NOT_FOUND", "NOT_FOUND"],
            "event_timestamps": [None, None],
        }


def test_what_is_computed_on_demand_is_answered_with_what_is_stored(live: Live) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    values = {"departures_3h": 41, "departure_delay_mean_1h": 12.5, "departure_delay_mean_3h": None}
    row = OnlineRow(
        key=("TST",), event_timestamp=at, created_timestamp=at, partition="", values=values
    )
    with closing(online_store(live.settings.online_url)) as store:
        store.write(RECENT, [row])
    wanted = ["traffic", "delay_trend", "scheduled_speed"]
    features = [f"{PRESSURE}:{name}" for name in wanted]
    status, found = live.ask(features=[*features, f"{RECENT}:departures_3h"], entities=FLIGHT)
    assert status == 200, found
    assert found["metadata"]["feature_names"] == [*FLIGHT, *wanted, "departures_3h"]
    *computed, stored = found["results"][len(FLIGHT) :]
    assert computed == [
        {"values": [value], "statuses": [state], "event_timestamps": [None]}
        for value, state in (("usual", "PRESENT"), (None, "NULL"), (350.0, "PRESENT"))
    ]
    assert (stored["values"], stored["statuses"]) == ([41], ["PRESENT"])
    assert datetime.fromisoformat(stored["event_timestamps"][0]) == at


def test_a_function_that_cannot_answer_is_a_500_that_names_it(live: Live) -> None:
    endless = FLIGHT | {"distance": [-(2**63)], "scheduled_minutes": [2**63 - 1]}
    status, answer = live.ask(features=[PRESSURE], entities=endless)
    assert status == 500
    assert answer["error"].startswith(f"on-demand view {PRESSURE}: feature 'slack_minutes'")


GOOD = departure(datetime(2013, 1, 5, tzinfo=UTC), "good")
LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize(
    ("source", "body", "says"),
    [
        ("flights.nothing", [GOOD], ["flights.nothing", "push to one of: flights.departures"]),
        ("flights.weather", [GOOD], ["flights.weather", "no source of a streamed view"]),
        (SOURCE, [GOOD, GOOD | {"departure_delay": "x"}], ["row 1", "departure_delay", "'x'"]),
        (SOURCE, [GOOD | {"departure_delay": 1.5}], ["departure_delay is 1.5", "int"]),
        (SOURCE, [GOOD | {"departure_delay": 2**63}], ["departure_delay", "9223372036854775808"]),
        (SOURCE, [GOOD | {"flight_id": None}], ["flight_id is None", "flight_id (string)"]),
        (SOURCE, [GOOD | {"departed_at": None}], ["departed_at is None"]),
        (SOURCE, [GOOD | {"departed_at": "noon"}], ["departed_at is 'noon'"]),
        (SOURCE, [GOOD | {"departed_at": LATER}], ["departed_at", "future", "clock"]),
        (SOURCE, [GOOD | {"departed_at": "1969-12-31T23:59:59Z"}], ["departed_at", "before 1970"]),
        (SOURCE, [{k: v for k, v in GOOD.items() if k != "dest"}], ["row 0", "dest"]),
        (SOURCE, [GOOD | {"gate": 4}], ["row 0", "gate"]),
        (SOURCE, GOOD, ["array", "send a JSON list of rows"]),
        (SOURCE, [3], ["row 0", "object"]),
        (SOURCE, b"{", ["send a JSON list of rows"]),
        (SOURCE, b'[{"flight_id": 3', ["row 0", "send a JSON list of rows"]),
        (SOURCE, [GOOD | {"departed_at": "0001-01-01T00:00:00+14:00"}], ["departed_at"]),
        (SOURCE, b'[{"flight_id": "\xff"}]', ["UTF-8"]),
    ],
)
def test_a_wrong_push_is_refused_by_name_and_nothing_is_written(
    live: Live, source: str, body: Any, says: list[str]
) -> None:
    before = live.stream.counts(SOURCE).get("pushed", 0)
    status, answer = call(live.port, "POST", f"/push/{source}", body)
    assert status == 422
    for part in says:
        assert part in answer["error"]
    assert live.stream.counts(SOURCE).get("pushed", 0) == before


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"features": [f"{VIEW}:nothing"], "entities": {"origin": ["EWR"]}}, "nothing"),
        ({"features": ["flights.nowhere:x"], "entities": {"origin": ["EWR"]}}, "flights.nowhere"),
        ({"features": [VIEW], "entities": {"dest": ["EWR"]}}, "'origin'"),
        ({"features": [VIEW], "entities": {"origin": ["EWR"], "dest": []}}, "length"),
        ({"features": [VIEW, RECENT], "entities": {"origin": ["EWR"]}}, "full_feature_names"),
        ({"features": [VIEW], "entities": {"origin": [3]}}, "origin is 3"),
        ({"features": [PRESSURE], "entities": {"origin": ["EWR"]}}, "lacks 'distance' (int)"),
        ({"features": [PRESSURE], "entities": FLIGHT | {"distance": ["far"]}}, "distance is 'far'"),
        ({"features": [VIEW], "entities": {}}, "one length"),
        ({"features": [VIEW], "entity_rows": []}, "entit"),
        ({"features": [VIEW], "entities": {"origin": ["EWR"]}, "limit": 3}, "limit"),
        ({"features": [VIEW], "entities": {"origin": []}}, "length >= 1"),
    ],
)
def test_a_wrong_question_is_refused_by_name(
    live: Live, request_: dict[str, Any], says: str
) -> None:
    status, answer = live.ask(**request_)
    assert (status, says in answer["error"]) == (422, True), answer


def test_the_metrics_say_what_became_of_the_rows(live: Live) -> None:
    now = datetime.now(UTC)
    row = departure(now, "metric")
    assert live.push(row, row, departure(now - timedelta(hours=2), "late"))[0] == 200
    label = f'{{source="{SOURCE}"}}'

    def scraped() -> dict[str, float]:
        status, text = call(live.port, "GET", "/metrics")
        assert status == 200
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    await_that(
        lambda: scraped()[f"mlplat_stream_late_total{label}"] == 1, "the late row is counted"
    )
    found = scraped()
    assert found[f"mlplat_stream_duplicate_total{label}"] == 1
    assert found[f"mlplat_stream_lag{label}"] == 0
    gone = (
        found[f"mlplat_stream_pushed_total{label}"] - found[f"mlplat_stream_applied_total{label}"]
    )
    assert gone == 1
    assert 0 <= found[f'mlplat_feature_freshness_seconds{{view="{VIEW}"}}'] < 60


def test_a_service_is_asked_for_beside_features_or_alone(live: Live) -> None:
    status, found = live.ask(feature_service=f"{VIEW}:departures_1h", entities={"origin": ["EWR"]})
    assert (status, found["metadata"]["feature_names"]) == (200, ["origin", "departures_1h"])


def test_nothing_listens_beyond_the_one_address_of_this_machine(live: Live) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=10):
        pass
    # On Linux the whole of 127.0.0.0/8 reaches this machine, so a server of every address answers.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", live.port), timeout=10)


def test_a_request_to_another_host_name_is_not_answered(live: Live) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
    connection.request("GET", "/metrics", headers={"host": "rebound.example.com"})
    assert connection.getresponse().status == 400
    connection.close()


def test_only_one_consumer_of_a_source_may_run(live: Live, tmp_path: Path) -> None:
    second = Process(live.settings, tmp_path / "second.log", "stream")
    ended = threading.Event()
    for _ in range(6000):
        if second.status() is not None:
            break
        ended.wait(0.01)
    assert second.status() == 1
    assert "already; stop it first" in (tmp_path / "second.log").read_text()


def test_a_store_that_is_away_is_said_and_nothing_is_accepted(tmp_path: Path) -> None:
    away = "redis://127.0.0.1:1/0"
    stores = {"MLPLAT_STREAM_URL": away, "MLPLAT_ONLINE_URL": away}
    question = {"features": [VIEW], "entities": {"origin": ["EWR"]}}
    with feature_server(
        from_environment({"MLPLAT_HOME": str(tmp_path), **stores}), tmp_path
    ) as port:
        pushed, push_error = call(port, "POST", f"/push/{SOURCE}", [GOOD])
        asked, ask_error = call(port, "POST", "/get-online-features", question)
    assert (pushed, asked) == (503, 503)
    assert "event stream in Redis" in push_error["error"]
    assert "Redis" in ask_error["error"]
