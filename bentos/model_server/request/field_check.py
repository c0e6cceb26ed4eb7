"""One field of a request: what it must be, what is wrong with it, and how it is shown."""

import difflib
import math
from typing import cast

import msgspec

from bentos.model_server.artefact.card import Field

SHOWN = 200
_INT64 = 2**63
_PYTHON = {"float": (float, int), "int": (int,), "bool": (bool,), "string": (str,)}


class FieldCheck:
    """One field's rules; `expected` is them as JSON."""

    def __init__(self, field: Field, *, nullable: bool) -> None:
        self.expected = {
            name: value
            for name, value in msgspec.json.decode(msgspec.json.encode(field)).items()
            if value not in (None, "", [])
        } | {"nullable": nullable}
        self._field = field
        self._nullable = nullable
        self._types = _PYTHON[field.dtype]
        self._is_bool = field.dtype == "bool"
        self._allowed = frozenset(field.allowed)
        self._low = -math.inf if field.minimum is None else field.minimum
        self._high = math.inf if field.maximum is None else field.maximum

    def wrong(self, value: object) -> str | None:
        """What is wrong with a value, None for an acceptable one."""
        if value is None:
            return None if self._nullable else f"must be {self._field.dtype}, got null"
        if not isinstance(value, self._types) or (isinstance(value, bool) and not self._is_bool):
            return f"must be {self._field.dtype}, got {name_of(value)}"
        if isinstance(value, str):
            return self._wrong_text(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        return self._wrong_number(cast(float, value))

    def _wrong_text(self, value: str) -> str | None:
        if not is_unicode(value):
            return "must be valid Unicode text"
        if self._allowed and value not in self._allowed:
            close = difflib.get_close_matches(value, self._allowed, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            return f"must be one of the {len(self._allowed)} allowed values{hint}"
        return None

    def _wrong_number(self, value: float) -> str | None:
        if not -_INT64 <= value < _INT64 and self._field.dtype == "int":
            return "must fit in 64 bits"
        if not self._low <= value <= self._high:
            return f"must be from {self._low:g} to {self._high:g}"
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
