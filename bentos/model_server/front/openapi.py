"""What the service takes and gives, as OpenAPI 3.1, from the card of the version that answers."""

import json
from collections.abc import Callable

from bentos.model_server.artefact.card import Card
from bentos.model_server.front.gate import BATCH_BYTES, BODY_BYTES
from bentos.model_server.front.refusal import HeaderPairs
from bentos.model_server.front.schemas import Document, schemas

_REFUSALS = {
    "400": "The request or one of its headers is malformed",
    "401": "No valid token, where the service has tokens",
    "404": "There is nothing at this path",
    "405": "The path does not take this method",
    "408": "The request took longer than 10 seconds to arrive",
    "413": "The body is too long",
    "415": "The body is compressed, or not JSON",
    "422": "A field is missing, unknown, mistyped or out of range; `problems` lists every one",
    "429": "The process has all the requests under way that it takes; see Retry-After",
    "431": "The headers are too long",
    "500": "The model, or a function of it, failed on these inputs",
    "503": "The feature store or the journal is away, or the process is full or ending",
    "504": "The deadline of x-request-timeout-ms passed",
}
_HEAD_ONLY = ("400", "401", "404", "405", "408", "431", "503")
_PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Model server</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css">
<link rel="icon" href="./static_content/favicon-light-32x32.png"></head>
<body><div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script></body></html>
"""
# BentoML's own page reports its visitors to a tag manager of Google. This one loads BentoML's
# copy of Swagger and nothing from anywhere else.
_PAGE_HEADERS: HeaderPairs = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"frame-ancestors 'none'",
    ),
)


class Described:
    """The documents of a service, made again when another version answers."""

    page = _PAGE
    page_headers = _PAGE_HEADERS

    def __init__(
        self, *, card: Callable[[], Card], bentoml: Callable[[], Document], has_tokens: bool
    ) -> None:
        self._card = card
        self._bentoml = bentoml
        self._has_tokens = has_tokens
        self._made: tuple[Card, bytes, bytes] | None = None

    def ours(self) -> bytes:
        """Our routes, as JSON."""
        return self._documents()[1]

    def merged(self) -> bytes:
        """BentoML's document with our routes in front, as JSON."""
        return self._documents()[2]

    def _documents(self) -> tuple[Card, bytes, bytes]:
        card = self._card()
        if self._made is None or self._made[0] is not card:
            ours = openapi(card, has_tokens=self._has_tokens)
            merged = _merged(ours, self._bentoml())
            self._made = (card, json.dumps(ours).encode(), json.dumps(merged).encode())
        return self._made


def openapi(card: Card, *, has_tokens: bool) -> Document:
    """The document of one version's card."""
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": card.model,
            "version": "v1",
            "description": f"Predictions of {card.model} ({card.task}). Bodies are JSON of at "
            f"most {BODY_BYTES} bytes, batches {BATCH_BYTES}.",
        },
        "paths": _paths(),
        "components": {"schemas": schemas(card)},
    }
    if has_tokens:
        scheme = {"type": "http", "scheme": "bearer"}
        document["components"]["securitySchemes"] = {"token": scheme}
        document["security"] = [{"token": []}]
    return document


def _paths() -> Document:
    timeout = {
        "name": "x-request-timeout-ms",
        "in": "header",
        "description": "How long the client waits; 5,000 if it does not say.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 60_000},
    }
    predict = _operation("Predict one unit", "Request", "Prediction")
    batch = _operation("Predict many units, all or none", "Batch", "Predictions")
    for operation in (predict, batch):
        operation["parameters"] = [timeout]
    return {
        "/v1/predict": {"post": predict},
        "/v1/predict/batch": {"post": batch},
        "/v1/model": {"get": _operation("The model and the versions that answer", None, "Model")},
        "/v1/openapi.json": {"get": _operation("This document", None, "Model")},
    }


def _operation(summary: str, takes: str | None, gives: str) -> Document:
    refusals = _REFUSALS if takes else {code: _REFUSALS[code] for code in _HEAD_ONLY}
    answers: Document = {"200": {"description": "The answer", "content": _content(gives)}}
    for code, told in refusals.items():
        answers[code] = {"description": told, "content": _content("Error")}
    operation: Document = {"summary": summary, "tags": ["model"], "responses": answers}
    if takes:
        operation["requestBody"] = {"required": True, "content": _content(takes)}
    return operation


def _content(schema: str) -> Document:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _merged(ours: Document, bentoml: Document) -> Document:
    components = {
        name: {**bentoml.get("components", {}).get(name, {}), **part}
        for name, part in ours["components"].items()
    }
    rest = {
        name: part for name, part in bentoml.get("components", {}).items() if name not in components
    }
    return {
        **bentoml,
        **ours,
        "paths": ours["paths"] | bentoml.get("paths", {}),
        "components": rest | components,
        "tags": [{"name": "model"}, *bentoml.get("tags", [])],
    }
