"""What starts a retraining of a model, and what holds it back.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """What starts a retraining: a drift check that begins to fail, and optionally a cron.

    `approval` queues it for a person instead of starting it. `cooldown` is the least time between
    two retrainings, `budget` the most of them in 30 days.
    """

    on_drift: bool = True
    cron: str | None = None
    approval: bool = False
    cooldown: timedelta = timedelta(days=1)
    budget: int = 10
