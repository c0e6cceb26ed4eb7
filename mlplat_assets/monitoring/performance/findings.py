"""What is found of a claim: a verdict with its numbers, as the lake keeps it and checks tell it."""

from dataclasses import dataclass
from enum import StrEnum

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.statistics.intervals import Interval

# Below so many labelled rows nothing is found, as of drift.
MINIMUM_ROWS = 200


class Claim(StrEnum):
    """What a check of the asset says; each is false where a finding of it fails."""

    PROMISE = "performs_as_promised"
    CONCEPT = "no_concept_drift"
    FAIRNESS = "stays_fair"
    OBJECTIVES = "meets_its_objectives"


class Concept(StrEnum):
    """Whether labels say what probabilities promised."""

    CONCEPT_DRIFT = "CONCEPT_DRIFT"
    AS_ESTIMATED = "AS_ESTIMATED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim about one subject.

    Attributes:
        claim: The claim.
        subject: The metric, the objective or the column that it is about.
        verdict: PASS, FAIL or INCONCLUSIVE; of concept drift, a `Concept`.
        value: What was measured, None where nothing could be.
        bound: What it is held against, None where there is nothing.
        reason: The sentence that says why.
    """

    claim: Claim
    subject: str
    verdict: Verdict | Concept
    value: Interval | None
    bound: float | None
    reason: str

    @property
    def failed(self) -> bool:
        """Whether the claim is false; what cannot be told is not."""
        return self.verdict in (Verdict.FAIL, Concept.CONCEPT_DRIFT)
