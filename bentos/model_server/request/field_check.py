"""One field of a request: what it must be, what is wrong with it, and how it is shown."""

import difflib
import math
from datetime import UTC, datetime
from typing import ClassVar, cast

import msgspec

from bentos.model_server.artefact.card import Field, Policy

Scalar = bool | int | float | str | None

SHOWN = 200
NO_MOMENT = "must be an ISO 8601 time with a zone, like 2013-01-01T08:15:00Z"
_INT64 = 2**63
_PYTHON = {"float": (float, int), "int": (int,), "bool": (bool,), "string": (str,)}


class FieldCheck:
    """One field's rules; `expected` is them as JSON."""

    def __init__(self, field: Field, *, nullable: bool, policy: Policy = "reject") -> None:
        self.expected = {
            name: value
            for name, value in msgspec.json.decode(msgspec.json.encode(field)).items()
            if value not in (None, "", [])
        } | {"nullable": nullable}
        self._field = field
        self._nullable = nullable
        self._policy = policy
        self._types = _PYTHON[field.dtype]
        self._is_bool = field.dtype == "bool"
        self._allowed = frozenset(field.allowed)
        self._low = -math.inf if field.minimum is None else field.minimum
        self._high = math.inf if field.maximum is None else field.maximum

    def accepted(self, value: object) -> tuple[Scalar, str | None, str | None]:
        """The value as the model gets it, what is wrong with it, what a policy did to it.

        A whole number for a float is a float from here on.
        """
        if value is None:
            return None, None if self._nullable else f"must be {self._field.dtype}, got null", None
        if not isinstance(value, self._types) or (isinstance(value, bool) and not self._is_bool):
            return None, f"must be {self._field.dtype}, got {name_of(value)}", None
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool):
            return value, None, None
        return self._number(cast(float, value))

    def _text(self, value: str) -> tuple[Scalar, str | None, str | None]:
        if not is_unicode(value):
            return None, "must be valid Unicode text", None
        if not self._allowed or value in self._allowed:
            return value, None, None
        if self._policy == "flag":
            return value, None, "flagged"
        if self._policy == "clip":
            return None, None, "clipped"
        close = difflib.get_close_matches(value, self._allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return None, f"must be one of the {len(self._allowed)} allowed values{hint}", None

    def _number(self, value: float) -> tuple[Scalar, str | None, str | None]:
        is_int = self._field.dtype == "int"
        if is_int and not -_INT64 <= value < _INT64:
            return None, "must fit in 64 bits", None
        if isinstance(value, float) and not math.isfinite(value):
            return None, "must be a finite number", None
        flag = None
        if not self._low <= value <= self._high:
            if self._policy == "reject":
                return None, f"must be from {self._low:g} to {self._high:g}", None
            flag = "flagged"
            if self._policy == "clip":
                flag = "clipped"
                value = self._clipped(value)
        try:
            return (value if is_int else float(value)), None, flag
        except OverflowError:
            return None, "must be a finite number", None

    def _clipped(self, value: float) -> float:
        bound = self._low if value < self._low else self._high
        if self._field.dtype != "int":
            return bound
        return math.ceil(bound) if value < self._low else math.floor(bound)


class MomentCheck:
    """A stored feature that is a time."""

    expected: ClassVar[dict[str, object]] = {
        "dtype": "string",
        "format": "ISO 8601 with zone",
        "nullable": True,
    }

    def accepted(self, value: object) -> tuple[datetime | None, str | None, None]:
        """The moment in UTC, and what is wrong with the value."""
        if value is None:
            return None, None, None
        moment = moment_of(value) if isinstance(value, str) else None
        return moment, None if moment else NO_MOMENT, None


def moment_of(value: str) -> datetime | None:
    """The moment that a text names, in UTC, None if it is no ISO 8601 time with a zone."""
    try:
        moment = datetime.fromisoformat(value)
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_unicode(value: str) -> bool:
    """Whether the text has no lone surrogate, which neither SQLite nor UTF-8 can hold."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def name_of(value: object) -> str:
    """What JSON calls the value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "bool", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def shown(value: object) -> object:
    """A value as an error quotes it: short, and such that JSON can carry it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < _INT64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, dict | list):
        return name_of(value)
    return str(value)[:SHOWN]
