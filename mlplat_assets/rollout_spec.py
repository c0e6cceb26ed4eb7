"""How a registered version comes to answer everybody, step by step.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """How much worse than the champion a version may be while it is rolled out.

    `errors` is a difference of error rates, `latency` a ratio of p99, `alpha` the chance of a
    false rollback over all looks together.
    """

    errors: float = 0.01
    latency: float = 1.5
    alpha: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Shadow first, then a canary of `steps` percent; each step has its least time and units.

    A ModelSpec without a rollout is promoted by hand.
    """

    shadow_time: timedelta = timedelta(hours=1)
    shadow_pairs: int = 500
    steps: tuple[float, ...] = (1, 5, 25, 50, 100)
    step_time: timedelta = timedelta(hours=1)
    step_units: int = 400
    guardrails: Guardrails = Guardrails()
