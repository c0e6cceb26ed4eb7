"""Whether units come to the version and to the champion in the ratio that the traffic table says.

A unit counts once, where its first request went since the version has units, by the shares of the
revision that routed it. What its later requests do is the version's doing, and a raised share moves
units that were there before; neither says how units arrive. Units of one revision each are what the
sequential test multiplies. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlplat_assets.statistics.imbalance import RATIO_ALPHA, evidence_p_value, log_evidence


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """Units by who answered them first, the champion and the version, or failed to.

    Attributes:
        declared: Units of these that the shares give the version.
        p_value: Always valid, of "they arrive in those shares".
    """

    champion: int
    version: int
    declared: float
    p_value: float

    @property
    def is_broken(self) -> bool:
        """Whether they surely do not."""
        return self.p_value <= RATIO_ALPHA

    @property
    def told(self) -> str:
        """In words and numbers."""
        units = self.champion + self.version
        return (
            f"{self.version:,} of {units:,} units arrive at the version, its share gives it "
            f"{self.declared:,.0f} (p = {self.p_value:.2g}, always valid)"
        )


def arrivals_of(
    counts: Mapping[int, tuple[int, int]], shares: Mapping[int, tuple[int, int]]
) -> Arrivals:
    """All revisions together.

    Args:
        counts: Units that first came by a revision, the champion's and the version's.
        shares: Buckets that they have in each of these, both above 0.
    """
    champion, version = (sum(each[side] for each in counts.values()) for side in (0, 1))
    declared = sum(
        sum(each) * shares[revision][1] / sum(shares[revision]) for revision, each in counts.items()
    )
    evidence = [log_evidence(each, shares[revision]) for revision, each in counts.items()]
    return Arrivals(
        champion=champion, version=version, declared=declared, p_value=evidence_p_value(evidence)
    )
