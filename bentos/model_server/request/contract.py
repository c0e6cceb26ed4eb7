"""What a request must look like, compiled once from a model's card.

    {"unit_id": "UA1545-2013-01-01", "entities": {...}, "context": {...},
     "event_timestamp": "2013-01-01T08:15:00+00:00", "features": {...}}

`event_timestamp`, the decision time, and `features`, every stored feature by its column, are
optional; every other field is required.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast

import msgspec

from bentos.model_server.artefact.card import Card, Field, Kind, Policy
from bentos.model_server.request.field_check import (
    SHOWN,
    FieldCheck,
    MomentCheck,
    is_unicode,
    moment_of,
    name_of,
)
from bentos.model_server.request.problems import (
    Problem,
    RequestInvalid,
    RequestMalformed,
    misnamed,
)

Value = bool | int | float | str | datetime | None
OPTIONAL = ("event_timestamp", "features")


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A valid request.

    Attributes:
        unit_id: What is predicted for.
        event_timestamp: The decision time, UTC.
        asked: Values of the card's entities, then of its context, in its order.
        given: Values of the card's stored features in the order of `Card.stored`; None: to be read.
        flags: By field, what a policy did to its value: `clipped` or `flagged`.
        raw: The body that it came in, if that may be recorded as it is.
    """

    unit_id: str
    event_timestamp: datetime
    asked: tuple[Value, ...]
    given: tuple[Value, ...] | None = None
    flags: Mapping[str, str] = {}
    raw: bytes | None = None


def parse_body(body: bytes) -> object:
    """The JSON of a request body, NaN let through so that its field can be named.

    Raises:
        RequestMalformed: The body is not JSON, or is nested too deeply to be a request.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestMalformed(f"the body is not JSON: {str(error)[:SHOWN]}") from error


class RequestContract:
    """Validates requests for one model."""

    def __init__(self, card: Card) -> None:
        policies = card.serving.out_of_range
        self._sections: dict[str, Mapping[str, FieldCheck | MomentCheck]] = {
            "entities": _checks(card.entities, policies, nullable=True),
            "context": _checks(card.context, policies, nullable=False),
            "features": {
                column: _stored_check(column, each.dtype) for column, each in card.stored().items()
            },
        }
        self._ignores_unknown = card.serving.unknown_fields == "ignore"
        self._top: dict[str, dict[str, object]] = {
            "unit_id": {"dtype": "string", "minimum_length": 1},
            "entities": {"dtype": "object", "fields": list(self._sections["entities"])},
            "context": {"dtype": "object", "fields": list(self._sections["context"])},
            "event_timestamp": {
                "dtype": "string",
                "format": "ISO 8601 with zone",
                "optional": True,
            },
            "features": {
                "dtype": "object",
                "fields": list(self._sections["features"]),
                "optional": True,
            },
        }

    def schema(self) -> dict[str, object]:
        """What a request must look like, as JSON."""
        sections: dict[str, object] = {
            name: {field: check.expected for field, check in checks.items()}
            for name, checks in self._sections.items()
        }
        return {**self._top, **sections}

    def validate(self, payload: object, clock: Callable[[], datetime]) -> Request:
        """The request of a parsed body; the clock gives the decision time where it has none.

        Raises:
            RequestMalformed: The payload is not an object.
            RequestInvalid: Fields are missing, unknown, mistyped or out of range.
        """
        if not isinstance(payload, dict):
            raise RequestMalformed(f"the body is {name_of(payload)}, expected a JSON object")
        given = cast(dict[str, object], payload)
        problems = misnamed("", given, self._top, OPTIONAL, self._ignores_unknown)
        flags: dict[str, str] = {}
        unit_id = self._unit_id(given, problems)
        moment = self._moment(given, clock, problems)
        entities = self._section("entities", given, problems, flags)
        context = self._section("context", given, problems, flags)
        features = self._section("features", given, problems, flags)
        if problems or moment is None or entities is None or context is None:
            raise RequestInvalid(problems)
        return Request(
            unit_id=unit_id,
            event_timestamp=moment,
            asked=entities + context,
            given=features,
            flags=flags,
        )

    def _unit_id(self, given: dict[str, object], problems: list[Problem]) -> str:
        value = given.get("unit_id")
        if isinstance(value, str) and value and is_unicode(value):
            return value
        if "unit_id" in given:
            error = f"unit_id must be a non-empty string, got {name_of(value)}"
            problems.append(_problem(error, "unit_id", value, self._top["unit_id"]))
        return ""

    def _moment(
        self, given: dict[str, object], clock: Callable[[], datetime], problems: list[Problem]
    ) -> datetime | None:
        value = given.get("event_timestamp")
        if value is None:
            return clock()
        moment = moment_of(value) if isinstance(value, str) else None
        if moment is None:
            error = (
                "event_timestamp must be an ISO 8601 time with a zone, like 2013-01-01T08:15:00Z"
            )
            expected = self._top["event_timestamp"]
            problems.append(_problem(error, "event_timestamp", value, expected))
        return moment

    def _section(
        self,
        name: str,
        given: Mapping[str, object],
        problems: list[Problem],
        flags: dict[str, str],
    ) -> tuple[Value, ...] | None:
        """The section's values in the card's order; None if it is absent or something is wrong."""
        if name not in given or (name in OPTIONAL and given[name] is None):
            return None
        checks = self._sections[name]
        section = given[name]
        if not isinstance(section, dict):
            problems.append(_problem(f"{name} must be an object", name, section, self._top[name]))
            return None
        values = cast(dict[str, object], section)
        if values.keys() != checks.keys():
            schema = {field: check.expected for field, check in checks.items()}
            problems += misnamed(f"{name}.", values, schema, (), self._ignores_unknown)
        found: list[Value] = []
        for field, check in checks.items():
            if field not in values:
                continue
            value, wrong, flag = check.accepted(values[field])
            if wrong is not None:
                path = f"{name}.{field}"
                problem = _problem(f"{path} {wrong}", path, values[field], check.expected)
                problems.append(problem)
            if flag is not None:
                flags[field] = flag
            found.append(value)
        return tuple(found)


def _checks(
    fields: tuple[Field, ...], policies: Mapping[str, Policy], *, nullable: bool
) -> dict[str, FieldCheck]:
    return {
        field.name: FieldCheck(field, nullable=nullable, policy=policies.get(field.name, "reject"))
        for field in fields
    }


def _stored_check(column: str, kind: Kind) -> FieldCheck | MomentCheck:
    if kind == "timestamp":
        return MomentCheck()
    dtype = "float" if kind == "float32" else kind
    return FieldCheck(Field(name=column, dtype=dtype), nullable=True)


def _problem(error: str, field: str, value: object, expected: Mapping[str, object]) -> Problem:
    return Problem(error=error, field=field, value=value, expected=expected)
