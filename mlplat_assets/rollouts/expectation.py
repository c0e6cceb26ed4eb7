"""How far a version's answers are meant to be from the champion's: what its evaluation saw. Pure.

A version that was trained anew because the world changed answers otherwise than the champion, and
should. Both answered the same holdout when it was evaluated; a rollout is taken back for what goes
beyond that.
"""

from dataclasses import dataclass

from mlplat_assets.statistics.intervals import Interval
from resources.registry.records import Json


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Of the version's answers beside the champion's; None, which counts as 0, where not known.

    Attributes:
        difference: Of the mean answers, version less champion, in their own unit.
        psi: Population stability index.
    """

    difference: Interval | None = None
    psi: Interval | None = None


# Of a version that nothing is known of: it is to answer as the champion does.
THE_SAME = Expected()


def expected_of(evidence: Json, champion: int) -> Expected:
    """What a version's evidence says of it beside this champion.

    Nothing if it was evaluated before this was recorded, or without or against another champion.
    """
    found = evidence.get("answers_apart")
    if found is None or evidence.get("champion_version") != champion:
        return THE_SAME
    unit = found["champion_spread"]
    return Expected(
        difference=Interval(**{end: value * unit for end, value in found["shift"].items()}),
        psi=Interval(**found["psi"]),
    )
