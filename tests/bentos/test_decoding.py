"""The fast way through a body accepts nothing that the contract does not, and reads it alike."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.model_server.artefact.card import Card, read_card
from bentos.model_server.request.contract import Request, RequestContract, parse_body
from bentos.model_server.request.decoding import Decoder
from bentos.model_server.request.problems import RequestInvalid, RequestMalformed
from tests.bentos.artefacts import card

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
COLUMNS = ("distance", "weather__temp", "carrier", "is_holiday")
VALID: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 719.5, "seats": 180, "is_holiday": False},
    "features": {"weather__temp": -3},
}


def card_of(**serving: Any) -> Card:
    return read_card(card() | {"serving": serving}, COLUMNS)


STRICT = card_of()
LENIENT = card_of(unknown_fields="ignore", out_of_range={"distance": "clip", "origin": "flag"})


def fast(body: bytes, of: Card = STRICT) -> Request | None:
    return Decoder(of).decode(body, lambda: NOON)


def slow(body: bytes, of: Card = STRICT) -> Request | None:
    try:
        return RequestContract(of).validate(parse_body(body), lambda: NOON)
    except (RequestInvalid, RequestMalformed):
        return None


def content(request: Request) -> tuple[Any, ...]:
    values = request.asked + (request.given or ())
    typed = tuple((type(value), value) for value in values)
    return request.unit_id, request.event_timestamp, typed, request.given is None


numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, 6000, 6000.0, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(), st.sampled_from(["EWR", "UA"]))
junk = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(), scalars))
sections = ("entities", "context", "features")
fields = ("carrier", "origin", "distance", "seats", "is_holiday", "weather__temp", "x")
tops = ("unit_id", *sections, "event_timestamp", "extra")
paths = st.one_of(
    st.tuples(st.sampled_from(sections), st.sampled_from(fields)), st.tuples(st.sampled_from(tops))
)
times = st.sampled_from(
    ["2013-01-05T12:00:00Z", "2013-01-05T12:00:00", "20130105T12Z", "", "soon", "0001-01-01T00Z"]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A valid request with a few things changed, in one of JSON's spellings."""
    request = json.loads(json.dumps(VALID))
    if draw(st.booleans()):
        del request["features"]
    for path in draw(st.lists(paths, max_size=3)):
        place = request
        if len(path) == 2:
            place = request.get(path[0])
        if not isinstance(place, dict):
            continue
        if draw(st.integers(0, 4)) == 0:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = draw(times if path[-1] == "event_timestamp" else junk)
    text = json.dumps(
        request, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1]))
    )
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1]))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@given(body=bodies(), of=st.sampled_from([STRICT, LENIENT]))
@settings(max_examples=600, deadline=None)
def test_what_the_fast_way_accepts_the_contract_accepts_with_equal_values(
    body: bytes, of: Card
) -> None:
    found = fast(body, of)
    if found is None:
        return
    checked = slow(body, of)
    assert checked is not None, body
    assert content(found) == content(checked)
    assert checked.flags == {}
    if found.raw is not None:
        check_raw(found)


def check_raw(found: Request) -> None:
    """What is recorded as it came, with more keys behind, is one line and holds no key twice."""
    assert found.raw is not None
    line = found.raw[:-1] + b',"prediction":1}'
    assert b"\n" not in line
    keys: list[str] = []

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys[:] = [key for key, _ in pairs]
        return dict(pairs)

    record = json.loads(line, object_pairs_hook=noted)
    assert record["unit_id"] == found.unit_id
    assert "event_timestamp" not in keys
    assert ("features" in keys) == (found.given is not None)


@pytest.mark.parametrize("without", [(), ("features",)])
def test_an_ordinary_request_goes_the_fast_way_and_may_be_recorded_as_it_came(
    without: tuple[str, ...],
) -> None:
    body = json.dumps({k: v for k, v in VALID.items() if k not in without}).encode()
    found = fast(body)
    assert found is not None
    assert found.raw == body
    assert (found.given is None) == bool(without)
    checked = slow(body)
    assert checked is not None
    assert content(found) == content(checked)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(VALID, indent=1).encode(),
        json.dumps(VALID | {"event_timestamp": "2013-01-05T12:00:00Z"}).encode(),
        json.dumps(VALID | {"event_timestamp": None}).encode(),
        json.dumps(VALID | {"event_timestamp": None})
        .replace("event_timestamp", "event\\u005ftimestamp")
        .encode(),
        json.dumps(VALID | {"features": None}).encode(),
        b" " + json.dumps(VALID).encode(),
        json.dumps(VALID).encode() + b"\r",
    ],
)
def test_what_cannot_be_recorded_as_it_came_is_accepted_without(body: bytes) -> None:
    found = fast(body)
    assert found is not None
    assert found.raw is None


def test_what_is_redacted_or_unknown_is_never_recorded_as_it_came() -> None:
    body = json.dumps(VALID).encode()
    for of in (LENIENT, card_of(journal={"redact": ["carrier"]})):
        found = fast(body, of)
        assert found is not None
        assert found.raw is None


def test_of_a_key_that_is_there_twice_both_ways_read_the_last() -> None:
    body = b'{"unit_id":"a",' + json.dumps(VALID).encode()[1:]
    found, checked = fast(body), slow(body)
    assert found is not None and checked is not None
    assert found.unit_id == checked.unit_id == "UA1545"
