"""Which buckets had which arm for as long as an experiment ran. Pure, over traffic tables.

Raising an arm's share moves units of the control into it, and gives it more of the late days than
of the early ones: comparing all that each arm ever answered would compare days with days (Simpson's
paradox), and count a unit in both. So only buckets with one arm under every revision that counts
take part. A bucket is a hash of the unit id alone, so what is left is as random as before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlplat_assets.experiment_spec import Experiment
from resources.buckets import BUCKETS
from resources.registry.allocation import Ranges
from resources.registry.traffic_table import CHAMPION, Traffic


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What an experiment counts.

    Attributes:
        revisions: Those of the traffic table under which each of its arms had a share.
        ranges: The buckets of each arm, the control first, that it had under all of them.
        holdout: The buckets that were to stay with the control.
        overrides: Units whose arm a person chose, under any of them.
        faults: What makes the comparison none.
    """

    revisions: tuple[int, ...]
    ranges: Mapping[str, Ranges]
    holdout: Ranges
    overrides: frozenset[str]
    faults: tuple[str, ...]

    @property
    def shares(self) -> dict[str, int]:
        """How many buckets each arm has, the control first."""
        return {
            name: sum(stop - start for start, stop in held) for name, held in self.ranges.items()
        }

    @property
    def is_comparable(self) -> bool:
        """Whether every arm has a bucket of its own."""
        return bool(self.revisions) and all(self.shares.values())


def exposure(spec: Experiment, tables: Mapping[int, Traffic]) -> Exposure:
    """The buckets that take part, by the revisions that predictions of the days name."""
    counted = {
        number: found for number, found in sorted(tables.items()) if _has_all_arms(spec, found)
    }
    names = (spec.control, *spec.arms)
    rows = [_arm_of_buckets(found, names) for found in counted.values()]
    held = np.array(rows, np.int64).reshape(-1, BUCKETS)
    kept = held[0] if len(held) else np.full(BUCKETS, -1)
    kept = np.where((held == kept).all(axis=0), kept, -1)
    first = BUCKETS - round(spec.holdout * BUCKETS / 100)
    return Exposure(
        revisions=tuple(counted),
        ranges={name: _ranges(kept == place) for place, name in enumerate(names)},
        holdout=((first, BUCKETS),) if first < BUCKETS else (),
        overrides=frozenset(unit for found in counted.values() for unit in found.overrides),
        faults=tuple(_faults(counted, held[:, first:])) if len(held) else (),
    )


def _has_all_arms(spec: Experiment, traffic: Traffic) -> bool:
    having = {arm.variant for arm in traffic.arms if arm.share > 0}
    wanted = {*spec.arms, spec.control} - {CHAMPION}
    return wanted <= having


def _arm_of_buckets(traffic: Traffic, names: tuple[str, ...]) -> np.ndarray:
    """The place among the names of each bucket's variant, -1 for one that is not among them."""
    places = {name: place for place, name in enumerate(names)}
    found = np.full(BUCKETS, places.get(CHAMPION, -1))
    for arm in traffic.arms:
        for start, stop in arm.ranges:
            found[start:stop] = places.get(arm.variant, -1)
    return found


def _ranges(taken: np.ndarray) -> Ranges:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], taken, [False])).astype(np.int8)))
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def _faults(counted: Mapping[int, Traffic], kept_back: np.ndarray) -> list[str]:
    """Why buckets of the revisions are not the same units, or the holdout is none."""
    found = []
    for number, held in zip(counted, kept_back, strict=True):
        if (away := int((held != 0).sum())) > 0:
            found.append(f"revision {number} gives {away} buckets of the holdout to an arm")
    if len({traffic.salt for traffic in counted.values()}) > 1:
        listed = ", ".join(map(str, counted))
        found.append(f"the salt changed among revisions {listed}: units were mixed anew")
    return found
