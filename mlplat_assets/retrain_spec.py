"""What starts a retraining of a model, and what holds it back.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """What asks for a retraining, and when the governor lets one through.

    `on_drift` asks when a check of drift or of realised performance begins to fail, `cron` (UTC)
    by the clock, `max_age` when the version in production was registered longer ago.
    `approval` queues it for one of the model's approvers instead of starting it. `cooldown` is the
    least time between two launches, `budget` the most of them in 30 days.
    """

    on_drift: bool = True
    cron: str | None = None
    max_age: timedelta | None = None
    approval: bool = False
    cooldown: timedelta = timedelta(days=1)
    budget: int = 10
