"""What a request must look like, compiled once from a model's card.

    {"unit_id": "UA1545-2013-01-01", "entities": {...}, "context": {...},
     "event_timestamp": "2013-01-01T08:15:00+00:00"}

`event_timestamp`, the decision time, is optional; every other field is required.
"""

import difflib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from bentos.model_server.artefact.card import Card
from bentos.model_server.request.field_check import SHOWN, FieldCheck, is_unicode, name_of, shown

Value = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A valid request; `event_timestamp` is UTC."""

    unit_id: str
    entities: dict[str, Value]
    context: dict[str, Value]
    event_timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with one field, and what was expected there."""

    error: str
    field: str
    value: object
    expected: Mapping[str, object]

    def document(self) -> dict[str, object]:
        """The problem as JSON, with values that JSON cannot carry or that are long shortened."""
        return {
            "error": self.error,
            "field": self.field[:SHOWN],
            "value": shown(self.value),
            "expected": dict(self.expected),
        }


class RequestMalformed(ValueError):
    """The body is not a JSON object."""


class RequestInvalid(ValueError):
    """The request does not fit the card; `problems` lists everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.error for problem in problems))
        self.problems = problems


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
        self._sections = {
            "entities": {field.name: FieldCheck(field, nullable=True) for field in card.entities},
            "context": {field.name: FieldCheck(field, nullable=False) for field in card.context},
        }
        self._top = {
            "unit_id": {"dtype": "string", "minimum_length": 1},
            "entities": {"dtype": "object", "fields": list(self._sections["entities"])},
            "context": {"dtype": "object", "fields": list(self._sections["context"])},
            "event_timestamp": {
                "dtype": "string",
                "format": "ISO 8601 with zone",
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
        problems = _misnamed("", given, self._top, optional={"event_timestamp"})
        sections: dict[str, dict[str, Value]] = {}
        for name, checks in self._sections.items():
            if name in given:
                sections[name] = _section(name, given[name], checks, self._top[name], problems)
        unit_id = self._unit_id(given, problems)
        moment = self._moment(given, clock, problems)
        if problems or moment is None:
            raise RequestInvalid(problems)
        return Request(unit_id=unit_id, event_timestamp=moment, **sections)

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
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            if moment is not None and moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        error = "event_timestamp must be an ISO 8601 time with a zone, like 2013-01-01T08:15:00Z"
        expected = self._top["event_timestamp"]
        problems.append(_problem(error, "event_timestamp", value, expected))
        return None


def _section(
    name: str,
    given: object,
    checks: Mapping[str, FieldCheck],
    expected: Mapping[str, object],
    problems: list[Problem],
) -> dict[str, Value]:
    if not isinstance(given, dict):
        problems.append(_problem(f"{name} must be an object", name, given, expected))
        return {}
    values = cast(dict[str, Value], given)
    if values.keys() != checks.keys():
        schema = {field: check.expected for field, check in checks.items()}
        problems += _misnamed(f"{name}.", values, schema)
    for field, check in checks.items():
        if field in values and (wrong := check.wrong(values[field])):
            path = f"{name}.{field}"
            problems.append(_problem(f"{path} {wrong}", path, values[field], check.expected))
    return values


def _misnamed(
    prefix: str,
    given: Mapping[str, object],
    expected: Mapping[str, Mapping[str, object]],
    optional: Collection[str] = (),
) -> list[Problem]:
    """Unknown fields, each with the closest missing name, and the missing fields left over."""
    problems: list[Problem] = []
    missing = [name for name in expected if name not in given]
    for name in given:
        if name in expected:
            continue
        close = difflib.get_close_matches(name[:SHOWN], missing, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(expected)}"
        schema = expected[close[0]] if close else {"fields": list(expected)}
        error = f"{prefix}{name[:SHOWN]} is not a field of this model; {hint}"
        problems.append(_problem(error, prefix + name, given[name], schema))
        missing = [other for other in missing if other not in close]
    for name in missing:
        if name not in optional:
            path = prefix + name
            problems.append(_problem(f"{path} is missing", path, None, expected[name]))
    return problems


def _problem(error: str, field: str, value: object, expected: Mapping[str, object]) -> Problem:
    return Problem(error=error, field=field, value=value, expected=expected)
