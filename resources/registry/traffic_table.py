"""How a model's units are shared out among its versions: the table, and what makes it one.

A revision of the table is a JSON document. All revisions are kept: the prediction journal names
the one that assigned a unit.
"""

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from resources.buckets import bucket_of
from resources.registry.allocation import Ranges, percent_of, size_of
from resources.registry.errors import TrafficInvalid
from resources.registry.records import Stage

CHAMPION = "champion"
CANARY = "canary"
# Every version of a table is loaded by every worker; every revision holds all overrides.
MOST_VERSIONS = 16
MOST_OVERRIDES = 1000
_VARIANT = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Arm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version that answers the units of some buckets, under the name of a variant."""

    variant: str
    version: int
    ranges: Ranges = ()

    @property
    def share(self) -> float:
        """Percent of all units."""
        return percent_of(size_of(self.ranges))


class Traffic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One revision: what is not an arm's is the champion's.

    Attributes:
        salt: Mixes this model's units anew; random, and kept for good.
        arms: The versions that answer beside the champion.
        shadows: The versions that see what is answered, and answer nobody.
        overrides: The variant of single units, whatever their bucket: testers.
    """

    salt: str
    arms: tuple[Arm, ...] = ()
    shadows: tuple[int, ...] = ()
    overrides: dict[str, str] = {}

    @property
    def versions(self) -> set[int]:
        """All that it names."""
        return {arm.version for arm in self.arms} | {*self.shadows}

    def bucket(self, unit_id: str) -> int:
        """The bucket of a unit."""
        return bucket_of(self.salt, unit_id)

    def variant(self, unit_id: str) -> str:
        """Which variant a unit has."""
        if unit_id in self.overrides:
            return self.overrides[unit_id]
        bucket = self.bucket(unit_id)
        for arm in self.arms:
            if any(start <= bucket < end for start, end in arm.ranges):
                return arm.variant
        return CHAMPION

    def without(self, version: int) -> "Traffic":
        """The table after a version left it, with its arm, its shadow and the overrides to it."""
        gone = {arm.variant for arm in self.arms if arm.version == version}
        return msgspec.structs.replace(
            self,
            arms=tuple(arm for arm in self.arms if arm.version != version),
            shadows=tuple(shadow for shadow in self.shadows if shadow != version),
            overrides={unit: to for unit, to in self.overrides.items() if to not in gone},
        )


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A version that a table names, as the registry has it."""

    version: int
    stage: Stage
    artifact_digest: str


class TrafficTable(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers a model's units at one moment, all of one reading.

    Attributes:
        revision: Of the table, 0 while there never was one.
        champion: The production version; None without one.
        placed: The versions that the table names and that the registry has.
    """

    model: str
    revision: int
    traffic: Traffic
    champion: Placed | None
    placed: tuple[Placed, ...] = ()


def read_traffic(document: object) -> Traffic:
    """A table from its JSON document.

    Raises:
        TrafficInvalid: It is none: a field is missing, unknown or mistyped, ranges overlap, ...
    """
    try:
        traffic = msgspec.convert(document, Traffic)
    except msgspec.ValidationError as error:
        raise TrafficInvalid(f"the document is no traffic table: {error}") from error
    require_valid(traffic)
    return traffic


def require_valid(traffic: Traffic) -> None:
    """Refuse a table that contradicts itself.

    Raises:
        TrafficInvalid: Naming the field, the value and the remedy.
    """
    if not traffic.salt:
        raise TrafficInvalid("the salt is empty; a table keeps the one that it was made with")
    _require_once("arm of variant", (arm.variant for arm in traffic.arms))
    _require_once("arm of version", (arm.version for arm in traffic.arms))
    _require_once("shadow of version", traffic.shadows)
    for arm in traffic.arms:
        _require_name(arm.variant)
    _require_apart(traffic.arms)
    if len(traffic.versions) > MOST_VERSIONS:
        raise TrafficInvalid(
            f"{len(traffic.versions)} versions beside the champion, each in the memory of every "
            f"worker; at most {MOST_VERSIONS}: end an arm or a shadow first"
        )
    _require_overrides(traffic)


def _require_name(variant: str) -> None:
    if variant == CHAMPION:
        raise TrafficInvalid(f"variant {variant!r} is the production version's name; use another")
    if not _VARIANT.fullmatch(variant):
        raise TrafficInvalid(
            f"variant {variant!r} is no name; write up to 40 of a-z, 0-9, _ and -, a letter first"
        )


def _require_apart(arms: tuple[Arm, ...]) -> None:
    """Shares first: what is over 100% overlaps as well."""
    total = sum(arm.share for arm in arms)
    if total > 100:
        raise TrafficInvalid(f"the arms' shares come to {total:g}%, more than 100%; lower one")
    end, before = 0, "the beginning"
    for start, stop, variant in sorted((*each, arm.variant) for arm in arms for each in arm.ranges):
        if start >= stop or start < end or stop > 10_000:
            raise TrafficInvalid(
                f"range [{start}, {stop}) of variant {variant!r} is empty, beyond 10,000, or "
                f"overlaps with that of {before!r}; set the shares again"
            )
        end, before = stop, variant


def _require_overrides(traffic: Traffic) -> None:
    if len(traffic.overrides) > MOST_OVERRIDES:
        raise TrafficInvalid(
            f"{len(traffic.overrides)} overrides, at most {MOST_OVERRIDES}; use an arm with a share"
        )
    known = {CHAMPION} | {arm.variant for arm in traffic.arms}
    for unit_id, variant in traffic.overrides.items():
        if variant not in known:
            raise TrafficInvalid(
                f"override of unit {unit_id!r} to unknown variant {variant!r}; "
                f"there are: {', '.join(sorted(known))}"
            )


def _require_once(what: str, named: Iterable[object]) -> None:
    for name, count in Counter(named).items():
        if count > 1:
            raise TrafficInvalid(f"{count} times {what} {name!r}; keep one")
