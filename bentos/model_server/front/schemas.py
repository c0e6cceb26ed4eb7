"""JSON schemas of requests and answers, from a model's card."""

from collections.abc import Mapping
from typing import Any

from bentos.model_server.artefact.card import Card, Field, Kind, Policy

Document = dict[str, Any]

_TYPES = {"float": "number", "int": "integer", "bool": "boolean", "string": "string"}
_INT64 = {"format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_EXAMPLES = {"float": 1.5, "int": 1, "bool": False, "string": "text"}


def schemas(card: Card) -> Document:
    """Every schema that the service's document refers to."""
    request = _request(card)
    return {
        "Request": request,
        "Batch": {
            "type": "object",
            "required": ["requests"],
            "additionalProperties": False,
            "properties": {
                "requests": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 1000,
                    "items": {"$ref": "#/components/schemas/Request"},
                }
            },
            "examples": [{"requests": request["examples"]}],
        },
        "Prediction": _prediction(card),
        "Predictions": {
            "type": "object",
            "required": ["predictions"],
            "properties": {
                "predictions": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Prediction"},
                }
            },
        },
        "Model": {"type": "object"},
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {"type": "string"},
                "field": {"type": "string"},
                "problems": {"type": "array", "items": {"type": "object"}},
            },
        },
    }


def _request(card: Card) -> Document:
    is_closed = card.serving.unknown_fields == "reject"
    policies = card.serving.out_of_range
    entities = {field.name: _field(field, policies, is_nullable=True) for field in card.entities}
    context = {field.name: _field(field, policies, is_nullable=False) for field in card.context}
    example = {
        "unit_id": "UA1545-2013-01-01",
        "entities": {field.name: _example(field) for field in card.entities},
        "context": {field.name: _example(field) for field in card.context},
        "event_timestamp": "2013-01-01T08:15:00Z",
    }
    return {
        "type": "object",
        "required": ["unit_id", "entities", "context"],
        "additionalProperties": not is_closed,
        "properties": {
            "unit_id": {
                "type": "string",
                "minLength": 1,
                "description": "What is predicted for; the same unit keeps its variant.",
            },
            "entities": _section(entities, is_closed),
            "context": _section(context, is_closed),
            "event_timestamp": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "The decision time, with a zone; now, if it is not given.",
            },
            "features": _features(card, is_closed),
        },
        "examples": [example],
    }


def _section(properties: Document, is_closed: bool) -> Document:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": not is_closed,
        "properties": properties,
    }


def _features(card: Card, is_closed: bool) -> Document:
    columns = {column: _stored(feature.dtype) for column, feature in card.stored().items()}
    told = "Every stored feature; with these given, no store is read."
    return _section(columns, is_closed) | {"type": ["object", "null"], "description": told}


def _stored(kind: Kind) -> Document:
    if kind == "timestamp":
        return {"type": ["string", "null"], "format": "date-time"}
    found = _TYPES["float" if kind == "float32" else kind]
    return {"type": [found, "null"]} | (_INT64 if kind == "int" else {})


def _field(field: Field, policies: Mapping[str, Policy], *, is_nullable: bool) -> Document:
    kind: str | list[str] = _TYPES[field.dtype]
    schema: Document = {"type": [kind, "null"] if is_nullable else kind}
    if field.dtype == "int":
        schema |= _INT64
    if policies.get(field.name, "reject") == "reject":
        schema |= _bounds(field, is_nullable)
    if field.description:
        schema["description"] = field.description
    return schema | {"examples": [_example(field)]}


def _bounds(field: Field, is_nullable: bool) -> Document:
    bounds: Document = {}
    if field.minimum is not None:
        bounds["minimum"] = field.minimum
    if field.maximum is not None:
        bounds["maximum"] = field.maximum
    if field.allowed:
        bounds["enum"] = [*field.allowed, *([None] if is_nullable else [])]
    return bounds


def _example(field: Field) -> object:
    if field.allowed:
        return field.allowed[0]
    if field.dtype == "bool" or field.dtype == "string":
        return _EXAMPLES[field.dtype]
    ends = [end for end in (field.minimum, field.maximum) if end is not None]
    value = sum(ends) / len(ends) if ends else _EXAMPLES[field.dtype]
    return int(value) if field.dtype == "int" else value


def _prediction(card: Card) -> Document:
    properties: Document = {
        "prediction_id": {"type": "string"},
        "prediction": {"type": "number"},
        "model": {"const": card.model},
        "version": {"type": "integer"},
        "variant": {"type": "string"},
        "feature_status": {"type": "object", "additionalProperties": {"type": "string"}},
        "flags": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    required = [name for name in properties if name != "flags"]
    if card.classes:
        properties["prediction"] = {"enum": list(card.classes)}
        share = {"type": "number", "minimum": 0, "maximum": 1}
        properties["probabilities"] = _section(dict.fromkeys(card.classes, share), True)
        required.append("probabilities")
    return {"type": "object", "required": required, "properties": properties}
