"""What a model's declaration of serving changes in answers and in the journal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.buckets import BUCKETS, bucket_of
from resources.online_store import OnlineStore, online_store
from tests.bentos.artefacts import MODEL, expected_prediction
from tests.bentos.endpoints import HOUR, NOON, REQUEST, endpoint, weather, write_weather


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    """The weather of EWR."""
    with weather(tmp_path) as store:
        yield store


@pytest.fixture
def away() -> Iterator[OnlineStore]:
    """A store whose server is not there."""
    opened = online_store("redis://127.0.0.1:1/0")
    yield opened
    opened.close()


def predicted(
    distance: float = 700, temp: float | None = 0.5, carrier: str | None = "UA"
) -> object:
    expected = expected_prediction(bias=-1.0, distance=distance, temp=temp, carrier=carrier)
    return pytest.approx(expected, rel=1e-5)


def context(**changed: Any) -> dict[str, Any]:
    return {"context": REQUEST["context"] | changed}


def test_given_features_are_taken_and_no_store_is_read(tmp_path: Path, away: OnlineStore) -> None:
    with endpoint(tmp_path, away) as asked:
        status, answer = asked.answer(features={"weather__temp": 2.0})
        assert status == 200
        assert answer["prediction"] == predicted(temp=2.0)
        assert answer["feature_status"] == {"weather__temp": "GIVEN"}
        (record,) = asked.records()
        assert record["features"] == {"weather__temp": 2.0}
        assert record["feature_times"] == record["feature_partitions"] == {}
        assert asked.answer(features={"weather__temp": None})[1]["feature_status"] == {
            "weather__temp": "NULL"
        }


@pytest.mark.parametrize(
    ("features", "field"),
    [
        ({}, "features.weather__temp"),
        ({"weather__temp": "warm"}, "features.weather__temp"),
        ({"weather__temp": 1e999}, "features.weather__temp"),
        ({"weather__temp": 1.0, "weather__tmp": 1.0}, "features.weather__tmp"),
        ([], "features"),
    ],
)
def test_features_that_are_not_all_of_them_are_refused(
    tmp_path: Path, store: OnlineStore, features: object, field: str
) -> None:
    with endpoint(tmp_path, store) as asked:
        status, answer = asked.answer(features=features)
        assert (status, answer["field"]) == (422, field)


def test_an_outlier_is_clipped_where_the_model_says_so(tmp_path: Path, store: OnlineStore) -> None:
    policies = {"distance": "clip", "seats": "clip", "origin": "clip"}
    with endpoint(tmp_path, store, out_of_range=policies) as asked:
        status, answer = asked.answer(**context(distance=9000, seats=0))
        assert status == 200
        assert answer["prediction"] == predicted(distance=6000)
        assert answer["flags"] == {"distance": "clipped", "seats": "clipped"}
        (record,) = asked.records()
        assert record["flags"] == answer["flags"]
        assert record["context"] == {"distance": 6000, "seats": 1, "is_holiday": False}
        status, answer = asked.answer(entities={"carrier": "UA", "origin": "Newark"})
        assert answer["flags"] == {"origin": "clipped"}
        assert answer["feature_status"] == {"weather__temp": "NOT_FOUND"}


def test_an_outlier_is_let_through_and_flagged_where_the_model_says_so(
    tmp_path: Path, store: OnlineStore
) -> None:
    with endpoint(tmp_path, store, out_of_range={"distance": "flag"}) as asked:
        status, answer = asked.answer(**context(distance=9000))
        assert status == 200
        assert answer["prediction"] == predicted(distance=9000)
        assert answer["flags"] == asked.records()[0]["flags"] == {"distance": "flagged"}
        assert "flags" not in asked.answer()[1]
        assert asked.answer(**context(distance="far"))[0] == 422
        assert asked.answer(**context(seats=0))[0] == 422


def test_unknown_fields_are_ignored_where_the_model_says_so(
    tmp_path: Path, store: OnlineStore
) -> None:
    with endpoint(tmp_path, store, unknown_fields="ignore") as asked:
        status, _ = asked.answer(secret="s", **context(colour="red"))
        assert status == 200
        (record,) = asked.records()
        assert "secret" not in record
        assert "colour" not in record["context"]


def test_a_store_that_is_away_gives_declared_defaults_and_says_so(
    tmp_path: Path, away: OnlineStore
) -> None:
    defaults = {"weather__temp": 0.25}
    with endpoint(tmp_path, away, on_unavailable="defaults", defaults=defaults) as asked:
        status, answer = asked.answer()
        assert status == 200
        assert answer["prediction"] == predicted(temp=0.25)
        assert answer["feature_status"] == {"weather__temp": "DEFAULTED"}
        (record,) = asked.records()
        assert record["flags"] == answer["flags"] == {"store": "unavailable"}
        assert record["feature_times"] == {"flights.weather": None}
        assert asked.endpoint.meter.statuses["DEFAULTED"] == 1
    with endpoint(tmp_path, away, on_unavailable="defaults") as asked:
        status, answer = asked.answer()
        assert answer["prediction"] == predicted(temp=None)
        assert answer["feature_status"] == {"weather__temp": "NULL"}


def test_a_store_that_is_away_refuses_without_a_policy(tmp_path: Path, away: OnlineStore) -> None:
    with endpoint(tmp_path, away) as asked:
        assert asked.answer()[0] == 503


def test_a_view_with_a_cache_is_read_once_and_again_past_its_ttl(
    tmp_path: Path, store: OnlineStore
) -> None:
    with endpoint(tmp_path, store, cache={"flights.weather": 600.0}) as asked:
        assert asked.answer()[1]["prediction"] == predicted(temp=0.5)
        write_weather(store, 3.0, NOON)
        assert asked.answer()[1]["prediction"] == predicted(temp=0.5)
        # The cached row is of 11:00 and the view's ttl is six hours.
        late = (NOON + 5.5 * HOUR).isoformat()
        assert asked.answer(event_timestamp=late)[1]["prediction"] == predicted(temp=3.0)


def test_redacted_fields_count_for_the_prediction_and_are_not_recorded(
    tmp_path: Path, store: OnlineStore
) -> None:
    with endpoint(tmp_path, store, journal={"redact": ["carrier", "seats"]}) as asked:
        for features in ({}, {"features": {"weather__temp": 0.5}}):
            assert asked.answer(**features)[1]["prediction"] == predicted()
        for record in asked.records():
            assert record["entities"] == {"carrier": None, "origin": "EWR"}
            assert record["context"]["seats"] is None
        for segment in asked.journal.iterdir():
            assert b"9876543210" not in segment.read_bytes()


def test_a_share_of_units_is_recorded_as_a_whole(tmp_path: Path, store: OnlineStore) -> None:
    units = [f"unit {number}" for number in range(60)]
    with endpoint(tmp_path, store, journal={"share": 0.3}) as asked:
        for _ in range(2):
            answers = asked.answers(*[REQUEST | {"unit_id": unit} for unit in units])
            assert {status for status, _ in answers} == {200}
        recorded = [record["unit_id"] for record in asked.records()]
    expected = [u for u in units if bucket_of(f"journal\0{MODEL}", u) < 0.3 * BUCKETS]
    assert sorted(recorded) == sorted(expected * 2)
    assert 5 < len(expected) < 35


def test_a_number_that_the_model_cannot_take_is_the_callers_problem(
    tmp_path: Path, store: OnlineStore
) -> None:
    with endpoint(tmp_path, store) as asked:
        status, answer = asked.answer(features={"weather__temp": 10**400})
        assert (status, answer["field"]) == (422, "features.weather__temp")
