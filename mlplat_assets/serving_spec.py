"""How a model's service answers: what it accepts, what it does without features, what it records.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

# What happens to a value outside of a field's range or categories.
Policy = Literal["reject", "clip", "flag"]


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What is kept of predictions.

    `share` of the units are recorded, chosen by the unit id, so that a unit is in or out as a
    whole. Values of the fields named in `redact`, entity or context, are recorded as null.
    `required` answers 503 when a prediction cannot be recorded; without it the service answers on
    and counts what it could not record.
    """

    share: float = 1.0
    redact: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How the model's service answers.

    `on_missing` says what to do when the online store has no row for an entity (status
    NOT_FOUND): `predict` with the value missing, or `refuse` the request.
    `on_unavailable` says what to do when the online store is away: `refuse` (503), or take the
    `defaults`, values by input column; a column without one is missing. Both are recorded.
    `cache` says by view (`team.name`) how long a value that was read may be used again; never
    beyond the view's ttl.
    `out_of_range` says by field of a request what to do with a number outside of its range or a
    text outside of its categories: `reject` it (any field that is not named), `clip` the number to
    its range or take the text as missing, or let it through and `flag` it. Both are recorded.
    `unknown_fields` of a request are rejected, or ignored.
    """

    on_missing: Literal["predict", "refuse"] = "predict"
    on_unavailable: Literal["refuse", "defaults"] = "refuse"
    defaults: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    cache: Mapping[str, timedelta] = field(default_factory=dict)
    out_of_range: Mapping[str, Policy] = field(default_factory=dict)
    unknown_fields: Literal["reject", "ignore"] = "reject"
    journal: Journal = Journal()
