"""The feature cache against a naive one that reads the store's history."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.model_server.features.cache import FeatureCache
from resources.online_store import FeatureValues, Status, ViewRequest

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=50)
SECONDS = {"flights.weather": 20.0}


def request(key: object = "EWR", view: str = "flights.weather") -> ViewRequest:
    return ViewRequest(view=view, key=(key,), features=("temp",), ttl=TTL)  # type: ignore[arg-type]


def found(temp: float, age: float = 0.0, status: Status = Status.PRESENT) -> FeatureValues:
    event = (NOON - timedelta(seconds=age) - EPOCH) // timedelta(microseconds=1)
    return FeatureValues(
        view="flights.weather",
        status_by_feature={"temp": status},
        values={"temp": temp},
        event=event,
        created=event,
        partition="2013-01-05",
    )


steps = st.lists(
    st.tuples(st.sampled_from(["put", "get"]), st.integers(0, 3), st.integers(0, 15)), max_size=60
)


@given(steps=steps)
@settings(max_examples=200, deadline=None)
def test_only_what_was_read_lately_and_is_within_its_ttl_is_used_again(
    steps: list[tuple[str, int, int]],
) -> None:
    now = 0.0
    cache = FeatureCache(lambda: now, capacity=3)
    read: dict[int, tuple[float, FeatureValues]] = {}
    for number, (what, key, passed) in enumerate(steps):
        now += passed
        if what == "put":
            values = found(float(number), age=-now)
            cache.put(request(key), values, SECONDS)
            read[key] = (now, values)
            continue
        at = NOON + timedelta(seconds=now)
        got = cache.get(request(key), at, SECONDS)
        if got is not None:
            read_at, values = read[key]
            assert got is values
            assert now - read_at <= 20.0
            assert got.event is not None
            assert (at - EPOCH) // timedelta(microseconds=1) - got.event <= 50_000_000
        assert len(cache) <= 3


def test_a_value_is_used_again_until_its_seconds_are_over() -> None:
    now = 0.0
    cache = FeatureCache(lambda: now)
    held = found(1.0)
    cache.put(request(), held, SECONDS)
    now = 20.0
    assert cache.get(request(), NOON, SECONDS) is held
    now = 20.1
    assert cache.get(request(), NOON, SECONDS) is None
    assert len(cache) == 0


def test_a_value_that_is_older_than_the_ttl_for_this_decision_is_read_again() -> None:
    cache = FeatureCache(lambda: 0.0)
    held = found(1.0, age=45)
    cache.put(request(), held, SECONDS)
    assert cache.get(request(), NOON + timedelta(seconds=5), SECONDS) is held
    assert cache.get(request(), NOON + timedelta(seconds=6), SECONDS) is None


def test_views_without_a_cache_and_values_beyond_their_age_are_not_kept() -> None:
    cache = FeatureCache(lambda: 0.0)
    cache.put(request(view="flights.aircraft"), found(1.0), SECONDS)
    cache.put(request(), found(1.0, status=Status.OUTSIDE_MAX_AGE), SECONDS)
    assert len(cache) == 0


def test_keys_of_another_type_are_other_entities() -> None:
    cache = FeatureCache(lambda: 0.0)
    cache.put(request(1), found(1.0), SECONDS)
    assert cache.get(request(True), NOON, SECONDS) is None
    assert cache.get(request(1.0), NOON, SECONDS) is None


def test_the_least_recently_used_value_goes_first() -> None:
    cache = FeatureCache(lambda: 0.0, capacity=2)
    first, second, third = found(1.0), found(2.0), found(3.0)
    cache.put(request("a"), first, SECONDS)
    cache.put(request("b"), second, SECONDS)
    assert cache.get(request("a"), NOON, SECONDS) is first
    cache.put(request("c"), third, SECONDS)
    assert cache.get(request("b"), NOON, SECONDS) is None
    assert cache.get(request("a"), NOON, SECONDS) is first
