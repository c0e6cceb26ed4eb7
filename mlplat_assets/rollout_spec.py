"""How a registered version comes to answer everybody, step by step.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """How much worse than the champion a version may be while it is rolled out.

    A version is taken back when it is surely beyond one of these, however often one looks.

    Attributes:
        errors: Difference of the rates of requests that failed, 0.001 being one in a thousand.
        latency: Ratio to the champion's 99th percentile.
        shift: Of the mean prediction, in standard deviations of the champion's predictions: how far
            it may be from the shift that the version's evaluation saw on its holdout.
        psi: Population stability index of the predictions, in ten bins of the champion's: how much
            more it may be than the evaluation saw.
        quality: Of the loss, as a share of the champion's: 0.05 is five percent more.
        alpha: The chance that each of these is ever false, over all looks and steps together.
    """

    errors: float = 0.001
    latency: float = 1.5
    shift: float = 0.5
    psi: float = 0.5
    quality: float = 0.05
    alpha: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Shadow first, then a canary of `steps` percent; each step has its least time and units.

    A ModelSpec without a rollout is promoted by hand.

    Attributes:
        shadow_time: The least time as a shadow.
        shadow_pairs: The fewest requests that both answered before the first step.
        steps: Percent of the units, rising; 100 is the promotion, and the end whether named or not.
        step_time: The least time at each step below 100.
        step_units: The fewest units that the version answered at each of them.
        reopened: How long after the promotion labels that land late can still take it back.
        guardrails: What takes it back.
    """

    shadow_time: timedelta = timedelta(hours=1)
    shadow_pairs: int = 500
    steps: tuple[float, ...] = (1, 5, 25, 50, 100)
    step_time: timedelta = timedelta(hours=1)
    step_units: int = 400
    reopened: timedelta = timedelta(days=14)
    guardrails: Guardrails = Guardrails()
