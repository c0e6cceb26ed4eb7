"""The OpenAPI document says of each field what the card says."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.model_server.artefact.card import Card
from bentos.model_server.front.openapi import Described, openapi
from bentos.model_server.request.field_check import FieldCheck
from tests.bentos.artefacts import card, of_classes


def document(**serving: Any) -> dict[str, Any]:
    made = card()
    made["serving"] |= serving
    return openapi(msgspec.convert(made, Card), has_tokens=False)


def request(**serving: Any) -> dict[str, Any]:
    return document(**serving)["components"]["schemas"]["Request"]


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """What JSON Schema says of one scalar; of the words that are used here."""
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}
    if value is None:
        return "null" in names
    fits = any(
        isinstance(value, kinds[name]) and isinstance(value, bool) == (name == "boolean")
        for name in names
        if name != "null"
    )
    if not fits or ("enum" in schema and value not in schema["enum"]):
        return False
    return isinstance(value, str | bool) or (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    )


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["EWR", "UA", "ewr", "", "x" * 300])
    | st.integers(-2, 6002)
)


@given(value=VALUES, policy=st.sampled_from(["reject", "clip", "flag"]))
def test_a_field_takes_what_its_check_takes(value: Any, policy: Any) -> None:
    found = msgspec.convert(card(), Card)
    policies = {field.name: policy for field in (*found.entities, *found.context)}
    schema = request(out_of_range=policies)
    for section, fields in (("entities", found.entities), ("context", found.context)):
        for field in fields:
            check = FieldCheck(field, nullable=section == "entities", policy=policy)
            _, wrong, _ = check.accepted(value)
            said = schema["properties"][section]["properties"][field.name]
            assert accepts(said, value) == (wrong is None), (field.name, value, said)


def test_the_example_is_a_request_that_the_document_takes() -> None:
    schema = request()
    (example,) = schema["examples"]
    assert set(schema["required"]) <= example.keys() <= schema["properties"].keys()
    for section in ("entities", "context"):
        said = schema["properties"][section]
        assert said["required"] == list(example[section])
        assert all(accepts(said["properties"][n], v) for n, v in example[section].items())


def test_unknown_fields_are_ruled_out_where_they_are_rejected() -> None:
    assert request()["additionalProperties"] is False
    assert request()["properties"]["context"]["additionalProperties"] is False
    assert request(unknown_fields="ignore")["properties"]["context"]["additionalProperties"]


def test_classes_are_answered_by_name_with_the_probability_of_each() -> None:
    found = openapi(msgspec.convert(of_classes(), Card), has_tokens=False)
    answer = found["components"]["schemas"]["Prediction"]
    assert answer["properties"]["prediction"] == {"enum": ["late", "on_time"]}
    assert answer["properties"]["probabilities"]["required"] == ["late", "on_time"]


@pytest.mark.parametrize("has_tokens", [True, False])
def test_the_merged_document_has_both_halves(has_tokens: bool) -> None:
    theirs = {
        "openapi": "3.0.2",
        "paths": {"/predict": {"post": {}}},
        "components": {"schemas": {"Theirs": {}}},
        "tags": [{"name": "Service APIs"}],
    }
    held = msgspec.convert(card(), Card)
    described = Described(card=lambda: held, bentoml=lambda: theirs, has_tokens=has_tokens)
    merged = json.loads(described.merged())
    assert merged["openapi"] == "3.1.0"
    assert {"/predict", "/v1/predict", "/v1/predict/batch"} <= merged["paths"].keys()
    assert {"Theirs", "Request", "Error"} <= merged["components"]["schemas"].keys()
    assert ("security" in merged) == has_tokens
    assert described.merged() is described.merged()
    for path in merged["paths"].values():
        for operation in path.values():
            for text in references(operation):
                assert text.removeprefix("#/components/schemas/") in merged["components"]["schemas"]


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [text for value in part.values() for text in references(value)]
    return [text for value in part for text in references(value)] if isinstance(part, list) else []
