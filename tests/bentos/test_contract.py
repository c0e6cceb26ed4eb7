"""What requests are accepted, and how the others are told why not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.model_server.artefact.card import read_card
from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from bentos.model_server.request.contract import Request, RequestContract, parse_body
from bentos.model_server.request.problems import RequestInvalid, RequestMalformed
from tests.bentos.artefacts import card, write_artefact

NOW = datetime(2013, 1, 5, 12, tzinfo=UTC)
COLUMNS = ("distance", "weather__temp", "carrier", "is_holiday")
CONTRACT = RequestContract(read_card(card(), COLUMNS))
ABSENT = object()


def payload(**changed: Any) -> dict[str, Any]:
    """A valid request with top-level fields or `section__field` changed, ABSENT removing one."""
    request: dict[str, Any] = {
        "unit_id": "UA1545",
        "entities": {"carrier": "UA", "origin": "EWR"},
        "context": {"distance": 719.0, "seats": 180, "is_holiday": False},
    }
    for path, value in changed.items():
        section, _, name = path.partition("__")
        place, key = (request[section], name) if name else (request, section)
        if value is ABSENT:
            del place[key]
        else:
            place[key] = value
    return request


def validate(request: object) -> Request:
    return CONTRACT.validate(request, lambda: NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"context__distance": 719},
        {"context__distance": 0},
        {"context__distance": 6000.0},
        {"entities__carrier": None, "entities__origin": None},
        {"entities__carrier": "a carrier that no one has seen, ünïcode"},
        {"event_timestamp": "2013-01-05T07:00:00-05:00"},
        {"event_timestamp": "2013-01-05T12:00:00Z"},
        {"event_timestamp": None},
    ],
)
def test_a_valid_request_is_accepted(changed: dict[str, Any]) -> None:
    request = validate(payload(**changed))
    assert request.event_timestamp == NOW
    assert request.event_timestamp.tzinfo is UTC
    assert request.unit_id == "UA1545"


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"unit_id": ABSENT}, "unit_id", "missing"),
        ({"unit_id": ""}, "unit_id", "non-empty string"),
        ({"unit_id": 7}, "unit_id", "got int"),
        ({"unit_id": None}, "unit_id", "got null"),
        ({"unit_id": "\ud800"}, "unit_id", "string"),
        ({"entities": ABSENT}, "entities", "missing"),
        ({"entities": []}, "entities", "must be an object"),
        ({"context": None}, "context", "must be an object"),
        ({"contxt": {}}, "contxt", "not a field"),
        ({"context__distance": ABSENT}, "context.distance", "missing"),
        ({"context__distance": None}, "context.distance", "got null"),
        ({"context__distance": "719"}, "context.distance", "must be float, got string"),
        ({"context__distance": True}, "context.distance", "must be float, got bool"),
        ({"context__distance": [1]}, "context.distance", "must be float, got array"),
        ({"context__distance": -0.1}, "context.distance", "from 0 to 6000"),
        ({"context__distance": 6000.1}, "context.distance", "from 0 to 6000"),
        ({"context__distance": float("nan")}, "context.distance", "finite"),
        ({"context__distance": float("inf")}, "context.distance", "finite"),
        ({"context__distance": 10**400}, "context.distance", "from 0 to 6000"),
        ({"context__seats": 1.0}, "context.seats", "must be int, got float"),
        ({"context__seats": True}, "context.seats", "must be int, got bool"),
        ({"context__seats": 0}, "context.seats", "from 1 to inf"),
        ({"context__seats": 2**63}, "context.seats", "64 bits"),
        ({"context__is_holiday": 0}, "context.is_holiday", "must be bool, got int"),
        ({"context__is_holiday": "true"}, "context.is_holiday", "must be bool"),
        ({"context__extra": 1}, "context.extra", "not a field"),
        ({"entities__carrier": 7}, "entities.carrier", "must be string, got int"),
        ({"entities__carrier": "\udfff"}, "entities.carrier", "Unicode"),
        ({"entities__origin": "EWK"}, "entities.origin", "did you mean 'EWR'?"),
        ({"entities__origin": ABSENT}, "entities.origin", "missing"),
        ({"event_timestamp": "2013-01-05T12:00:00"}, "event_timestamp", "zone"),
        ({"event_timestamp": "yesterday"}, "event_timestamp", "ISO 8601"),
        ({"event_timestamp": 1357387200}, "event_timestamp", "ISO 8601"),
        ({"event_timestamp": "0001-01-01T00:00:00+14:00"}, "event_timestamp", "ISO 8601"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(
    changed: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        validate(payload(**changed))
    (problem,) = refused.value.problems
    assert problem.field == field
    assert told in problem.error
    document = problem.document()
    assert document["expected"]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_misspelt_field_is_reported_once_with_the_closest_name() -> None:
    with pytest.raises(RequestInvalid) as refused:
        validate(payload(context__distance=ABSENT, context__distnce=719.0))
    (problem,) = refused.value.problems
    assert problem.field == "context.distnce"
    assert "did you mean 'distance'?" in problem.error
    assert problem.expected["dtype"] == "float"


def test_every_problem_is_listed() -> None:
    request = payload(unit_id=1, entities__origin="XXX", context__distance="far", event_timestamp=1)
    with pytest.raises(RequestInvalid) as refused:
        validate(request)
    assert sorted(problem.field for problem in refused.value.problems) == [
        "context.distance",
        "entities.origin",
        "event_timestamp",
        "unit_id",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000, b'{"a":1}x'])
def test_a_body_that_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(RequestMalformed, match="not JSON"):
        parse_body(body)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"3", b"NaN"])
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    with pytest.raises(RequestMalformed, match="expected a JSON object"):
        validate(parse_body(body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["unit_id", "entities", "context", "event_timestamp", "origin"])
sections = st.dictionaries(
    st.sampled_from(["carrier", "origin", "distance", "seats", "is_holiday", "x"]), json_values
)


@given(request=st.dictionaries(names, json_values | sections))
@settings(max_examples=150, deadline=None)
def test_no_json_object_gets_anything_but_a_request_or_a_refusal(request: dict[str, Any]) -> None:
    try:
        validate(request)
    except RequestInvalid as refused:
        assert refused.problems
        for problem in refused.problems:
            json.dumps(problem.document(), allow_nan=False)


def test_the_schema_is_json_and_names_every_field() -> None:
    schema = json.loads(json.dumps(CONTRACT.schema()))
    assert set(schema["context"]) == {"distance", "seats", "is_holiday"}
    assert schema["entities"]["origin"]["allowed"] == ["EWR", "JFK", "LGA"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format"),
        ({"task": "ranking"}, "task"),
        ({"context": []}, "distance"),
        ({"views": []}, "weather__temp"),
        ({"entities": []}, "keyed by unknown"),
        ({"serving": {"on_missing": "guess"}}, "on_missing"),
    ],
)
def test_a_card_that_cannot_serve_is_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    predictor = Predictor.load(write_artefact(tmp_path, bias=0.0, document=card() | change))
    with pytest.raises(ArtifactUnusable, match=told):
        read_card(predictor.card, predictor.columns)
