"""Who answers a model's units, as a bar of 100 percent. Pure."""

from dataclasses import dataclass

from resources.registry.traffic_table import CHAMPION, Traffic


@dataclass(frozen=True, kw_only=True)
class Part:
    """One variant's part of the bar.

    Attributes:
        share: Percent of all units.
        start: Percent of the bar to its left.
        kind: 0 for the champion, then 1, 2, 3, 1, ... in the order of the arms.
    """

    variant: str
    version: int
    share: float
    start: float
    kind: int


def split(traffic: Traffic | None, champion: int | None) -> list[Part]:
    """The champion first, then the arms; nothing while nothing is in production."""
    if champion is None:
        return []
    arms = traffic.arms if traffic is not None else ()
    shares = [(CHAMPION, champion, 100 - sum(arm.share for arm in arms), 0)]
    shares += [
        (arm.variant, arm.version, arm.share, 1 + place % 3) for place, arm in enumerate(arms)
    ]
    parts: list[Part] = []
    for variant, version, share, kind in shares:
        start = parts[-1].start + parts[-1].share if parts else 0.0
        parts.append(Part(variant=variant, version=version, share=share, start=start, kind=kind))
    return parts
