"""What was measured of a version and the champion beside it, and what that says. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from mlplat_assets.rollout_spec import Guardrails
from mlplat_assets.rollouts import guardrails
from mlplat_assets.rollouts.arrivals import Arrivals
from mlplat_assets.rollouts.expectation import THE_SAME, Expected
from mlplat_assets.rollouts.guardrails import Finding
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.stability import Floats
from mlplat_assets.statistics.strata import Arms
from resources.registry.records import Json

NOTHING = Moments()
# Of alpha: what a shadow may spend of it, the steps after it having the rest.
SHADOW_PART = 0.1


def no_units() -> Floats:
    """Predictions of nobody."""
    return np.empty(0)


@dataclass(frozen=True, kw_only=True)
class Shadowed:
    """A shadow and the champion on the same requests, and what failed of each.

    Attributes:
        failed: Rates of failure, the champion's and the shadow's.
        differences: By unit, shadow less live.
        losses: By unit whose label is known, loss of the shadow less that of the live answer.
        live_loss: The mean loss of those live answers.
        live_spread: Standard deviation of the live predictions.
        live, shadow: Predictions [n] in the order of their time.
    """

    failed: Arms
    differences: Moments
    live_spread: float
    losses: Moments = NOTHING
    live_loss: float = 0.0
    live: Floats = field(default_factory=no_units)
    shadow: Floats = field(default_factory=no_units)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A canary and the champion, leg by leg, by unit; the champion is first of each pair.

    Attributes:
        failed: Rates of failure.
        slow: Rates of answers slower than the champion's p99 times the guardrail's ratio.
        predictions: Predictions.
        losses: Loss of those whose label is known.
        champion, version: Predictions [n] of the present leg, in the order of their time.
    """

    failed: Sequence[Arms]
    slow: Sequence[Arms]
    predictions: Sequence[Arms]
    losses: Sequence[Arms] = ()
    champion: Floats = field(default_factory=no_units)
    version: Floats = field(default_factory=no_units)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a decision rests on: units of the present leg, every guardrail, and how units arrive.

    `arrivals` are a canary's, None of what is no canary.
    """

    units: int
    findings: tuple[Finding, ...]
    arrivals: Arrivals | None = None

    @property
    def violated(self) -> list[Finding]:
        """The guardrails that the version is surely beyond."""
        return [each for each in self.findings if each.verdict == "VIOLATED"]

    def document(self) -> Json:
        """As JSON."""
        return {
            "units": self.units,
            "findings": [asdict(each) for each in self.findings],
            "arrivals": self.arrivals and asdict(self.arrivals),
        }


def of_shadow(found: Shadowed, limits: Guardrails, expected: Expected = THE_SAME) -> Evidence:
    """Of the present leg, a shadow's."""
    alpha = limits.alpha * SHADOW_PART
    same = Moments(n=found.differences.n)
    findings = [
        guardrails.errors([found.failed], limits, alpha),
        guardrails.shift(
            [(same, found.differences)], found.live_spread, limits, alpha, expected.difference
        ),
        guardrails.distribution(found.live, found.shadow, limits, alpha, expected.psi),
        paired_quality(found, limits),
    ]
    return Evidence(units=found.differences.n, findings=tuple(findings))


def paired_quality(found: Shadowed, limits: Guardrails) -> Finding:
    """Of a shadow's pairs whose labels landed, early or late."""
    live = Moments(n=found.losses.n, mean=found.live_loss)
    shadow = Moments(
        n=found.losses.n, mean=found.live_loss + found.losses.mean, squares=found.losses.squares
    )
    alpha = limits.alpha * SHADOW_PART
    return guardrails.quality([(live, shadow)], limits, alpha, "quality as a shadow")


def of_canary(
    found: Served, limits: Guardrails, steps: int, expected: Expected = THE_SAME
) -> Evidence:
    """Of all legs as a canary; the distribution is that of the present one of so many steps."""
    alpha = limits.alpha * (1 - SHADOW_PART)
    spread = sum((champion for champion, _ in found.predictions), NOTHING).variance ** 0.5
    findings = [
        guardrails.errors(found.failed, limits, alpha),
        guardrails.latency(found.slow, limits, alpha),
        guardrails.shift(found.predictions, spread, limits, alpha, expected.difference),
        guardrails.distribution(found.champion, found.version, limits, alpha / steps, expected.psi),
        guardrails.quality(found.losses, limits, alpha),
    ]
    units = found.failed[-1][1].n if found.failed else 0
    return Evidence(units=units, findings=tuple(findings))
