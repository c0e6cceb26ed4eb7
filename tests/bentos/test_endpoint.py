"""One prediction from request to journal, in this process, on real stores."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.routing.versions import Routing, Target
from resources.buckets import bucket_of
from resources.online_store import OnlineRow, OnlineStore, online_store
from tests.bentos.artefacts import MODEL, card, expected_prediction, write_artefact

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
    "event_timestamp": "2013-01-05T12:00:00+00:00",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    """Weather of EWR at 11:00."""
    opened = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    known = OnlineRow(
        key=("EWR",),
        event_timestamp=NOON - HOUR,
        created_timestamp=NOON,
        partition="2013-01-05",
        values={"temp": 0.5},
    )
    opened.write("flights.weather", [known])
    yield opened
    opened.close()


@pytest.fixture
def endpoint(tmp_path: Path, store: OnlineStore) -> Iterator[Callable[..., Endpoint]]:
    """Makes the endpoint of version 3 of a model with the given policy."""
    journals: list[Journal] = []

    def make(on_missing: str = "predict", bias: float = -1.0) -> Endpoint:
        folder = write_artefact(tmp_path / "artefact", bias=bias, document=card(on_missing))
        routing = Routing(model=MODEL)
        target = Target(version=3, artifact_digest="sha256:" + "3" * 64)
        routing.activate(routing.load(target, folder))
        journals.append(Journal(tmp_path / "journal" / MODEL, lambda: NOON))
        return Endpoint(
            routing=routing, store=store, journal=journals[0], bento="b:v3", clock=lambda: NOON
        )

    yield make
    for journal in journals:
        journal.close()


def ask(endpoint: Endpoint, **changed: Any) -> tuple[int, dict[str, Any]]:
    answer = asyncio.run(endpoint.answer_body(json.dumps(REQUEST | changed).encode()))
    return answer.status, json.loads(answer.body)


def test_an_answer_is_journalled_with_all_that_went_into_it(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    status, answer = ask(endpoint())
    assert status == 200
    expected = expected_prediction(bias=-1.0, distance=700, temp=0.5, carrier="UA")
    assert answer["prediction"] == pytest.approx(expected, rel=1e-5)
    assert (answer["model"], answer["version"], answer["variant"]) == (MODEL, 3, "champion")
    assert answer["feature_status"] == {"weather__temp": "PRESENT"}
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record.pop("latency_ms") >= 0
    assert record == answer | {
        "artifact_digest": "sha256:" + "3" * 64,
        "bento": "b:v3",
        "served_at": NOON.isoformat(),
        "event_timestamp": NOON.isoformat(),
        "unit_id": "UA1545",
        "entities": {"carrier": "UA", "origin": "EWR"},
        "context": {"distance": 700, "seats": 180, "is_holiday": False},
        "features": {"weather__temp": 0.5},
        "feature_status": {"*": "PRESENT"},
        "feature_times": {"flights.weather": (NOON - HOUR).isoformat()},
        "feature_partitions": {"flights.weather": "2013-01-05"},
        "bucket": bucket_of(MODEL, "UA1545"),
        "revision": 0,
    }


@pytest.mark.parametrize("origin", ["JFK", None])
def test_an_unknown_entity_is_predicted_with_the_value_missing(
    endpoint: Callable[..., Endpoint], tmp_path: Path, origin: str | None
) -> None:
    status, answer = ask(endpoint(), entities={"carrier": "UA", "origin": origin})
    assert status == 200
    assert answer["feature_status"] == {"weather__temp": "NOT_FOUND"}
    expected = expected_prediction(bias=-1.0, distance=700, temp=None, carrier="UA")
    assert answer["prediction"] == pytest.approx(expected, rel=1e-5)
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record["features"] == {"weather__temp": None}
    assert record["feature_times"] == {"flights.weather": None}
    assert record["feature_partitions"] == {"flights.weather": None}


def test_an_unknown_entity_is_refused_where_the_model_requires_it(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    strict = endpoint("refuse")
    status, answer = ask(strict, entities={"carrier": "UA", "origin": "JFK"})
    assert status == 422
    assert "flights.weather has no features for origin='JFK'" in answer["error"]
    assert answer["field"] == "entities.origin"
    assert ask(strict)[0] == 200
    assert len(read_segments(tmp_path / "journal", {})[0]) == 1


def test_a_value_past_its_ttl_is_missing_and_says_so(endpoint: Callable[..., Endpoint]) -> None:
    asked = endpoint()
    at_the_bound = ask(asked, event_timestamp=(NOON + 5 * HOUR).isoformat())[1]
    past_it = ask(asked, event_timestamp=(NOON + 5.01 * HOUR).isoformat())[1]
    assert at_the_bound["feature_status"] == {"weather__temp": "PRESENT"}
    assert past_it["feature_status"] == {"weather__temp": "OUTSIDE_MAX_AGE"}


def test_a_request_without_a_time_is_decided_now(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    assert ask(endpoint(), event_timestamp=None)[0] == 200
    ((record,), _) = read_segments(tmp_path / "journal", {})
    assert record["event_timestamp"] == NOON.isoformat()


def test_an_invalid_request_gets_422_with_every_problem(endpoint: Callable[..., Endpoint]) -> None:
    status, answer = ask(endpoint(), unit_id="", context={"distance": "\ud800", "seats": 1})
    assert status == 422
    assert {problem["field"] for problem in answer["problems"]} == {
        "unit_id",
        "context.distance",
        "context.is_holiday",
    }
    first = {name: answer[name] for name in ("error", "field", "value", "expected")}
    assert first in answer["problems"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe"])
def test_a_malformed_body_gets_400(endpoint: Callable[..., Endpoint], body: bytes) -> None:
    assert asyncio.run(endpoint().answer_body(body)).status == 400


def test_nothing_is_answered_that_could_not_be_journalled(
    endpoint: Callable[..., Endpoint], tmp_path: Path
) -> None:
    (tmp_path / "journal").write_text("in the way")
    status, answer = ask(endpoint())
    assert status == 503
    assert "cannot be recorded" in answer["error"]
    assert "prediction" not in answer


def test_a_store_that_is_away_gets_503(endpoint: Callable[..., Endpoint], tmp_path: Path) -> None:
    asked = endpoint()
    away = online_store("redis://127.0.0.1:1/0")
    lonely = Endpoint(
        routing=asked.routing,
        store=away,
        journal=Journal(tmp_path / "other", lambda: NOON),
        bento="",
        clock=lambda: NOON,
    )
    status, answer = ask(lonely)
    away.close()
    assert status == 503
    assert "online store" in answer["error"]


def test_the_description_tells_what_is_served(endpoint: Callable[..., Endpoint]) -> None:
    described = json.loads(json.dumps(endpoint().description()))
    assert described["model"] == MODEL
    assert described["version"] == 3
    assert described["request"]["context"]["distance"]["maximum"] == 6000.0
