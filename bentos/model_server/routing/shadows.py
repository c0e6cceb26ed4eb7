"""What a shadow version is given to predict: the live answer's vector."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec


class Shadowed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live prediction that shadows repeat.

    `inputs` are the values of all columns of the live vector by name; `event_timestamp` is ISO
    8601, in UTC.
    """

    prediction_id: str
    unit_id: str
    event_timestamp: str
    inputs: Mapping[str, bool | int | float | str | datetime | None]


class Shadows(Protocol):
    """Runs shadow versions beside the live answers."""

    def offer(self, shadowed: Shadowed) -> None:
        """Take one prediction to repeat; never blocks, never raises."""
        ...
