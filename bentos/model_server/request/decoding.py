"""The fast way through a request body: one pass of msgspec over types made from the card.

It accepts or it says nothing. What it does not accept goes to the RequestContract, which names
every problem, or accepts after all what a policy lets through.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from bentos.model_server.artefact.card import Card, Feature, Field
from bentos.model_server.request.contract import Request
from bentos.model_server.request.field_check import moment_of

_INT64 = 2**63
_Type = Any
_values = msgspec.structs.astuple


class Decoder:
    """Decodes the requests of one card."""

    def __init__(self, card: Card) -> None:
        self._forbids = card.serving.unknown_fields == "reject"
        stored = card.stored()
        entities = self._section(
            "Entities", ((field.name, _type_of(field) | None) for field in card.entities)
        )
        context = self._section(
            "Context", ((field.name, _type_of(field)) for field in card.context)
        )
        whole: list[Any] = [
            ("unit_id", Annotated[str, msgspec.Meta(min_length=1)]),
            ("entities", entities),
            ("context", context),
        ]
        # Times are left to the contract: what it reads as one is wider than RFC 3339.
        if all(feature.dtype != "timestamp" for feature in stored.values()):
            features = self._section(
                "Features", ((column, _kind(each) | None) for column, each in stored.items())
            )
            whole.append(("features", features | None | UnsetType, UNSET))
        whole.append(("event_timestamp", str | None | UnsetType, UNSET))
        kind = msgspec.defstruct("Body", whole, forbid_unknown_fields=self._forbids, gc=False)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
        self._takes_features = len(whole) == 5
        self._may_keep_raw = self._forbids and not card.serving.journal.redact

    def decode(self, body: bytes, clock: Callable[[], datetime]) -> Request | None:
        """The request of a body, None if this way does not accept it."""
        # What is ignored is skipped unseen, also where it is no UTF-8.
        if not self._forbids and not body.isascii():
            return None
        try:
            found = self._decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        given = found.features if self._takes_features else UNSET
        time = found.event_timestamp
        moment = moment_of(time) if isinstance(time, str) else clock()
        if moment is None:
            return None
        # More keys are added to what is recorded as it came: none of them may be there as null.
        is_raw = time is UNSET and given is not None and self._may_keep_raw and _is_line(body)
        return Request(
            unit_id=found.unit_id,
            event_timestamp=moment,
            asked=_values(found.entities) + _values(found.context),
            given=_values(given) if given else None,
            raw=body if is_raw else None,
        )

    def _section(self, name: str, fields: Iterable[tuple[str, _Type]]) -> _Type:
        # Names of fields need not be Python's, so they are numbered, and renamed for JSON.
        listed = list(fields)
        given = [(f"f{position}", kind) for position, (_, kind) in enumerate(listed)]
        rename: Mapping[str, str] = {
            f"f{position}": column for position, (column, _) in enumerate(listed)
        }
        return cast(
            _Type,
            msgspec.defstruct(
                name, given, rename=rename, forbid_unknown_fields=self._forbids, gc=False
            ),
        )


def _type_of(field: Field) -> _Type:
    if field.dtype == "string":
        return Literal[field.allowed] if field.allowed else str  # type: ignore[valid-type]
    if field.dtype == "bool":
        return bool
    if field.dtype == "int":
        low = -_INT64 if field.minimum is None else math.ceil(field.minimum)
        high = _INT64 - 1 if field.maximum is None else math.floor(field.maximum)
        meta = msgspec.Meta(ge=max(low, -_INT64), le=min(high, _INT64 - 1))
        return Annotated[int, meta]
    if field.minimum is None and field.maximum is None:
        return float
    return Annotated[float, msgspec.Meta(ge=field.minimum, le=field.maximum)]


def _kind(feature: Feature) -> _Type:
    kinds: dict[str, _Type] = {"int": _type_of(Field(name="", dtype="int")), "bool": bool}
    kinds |= {"string": str, "float": float, "float32": float}
    return kinds[feature.dtype]


def _is_line(body: bytes) -> bool:
    """Whether the body is an object on one line to which more keys can be added at the end."""
    return body[:1] == b"{" and body[-1:] == b"}" and b"\n" not in body and b"\r" not in body
