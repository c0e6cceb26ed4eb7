"""A traffic table of the registry, compiled over the versions that could be loaded."""

from collections.abc import Callable

from bentos.model_server.routing.versions import Lane, Served, Table, Target
from resources.buckets import BUCKETS
from resources.registry.records import Stage
from resources.registry.traffic_table import CHAMPION, Placed, Traffic, TrafficTable

# A loaded version, or in words why there is none.
Load = Callable[[Target], Served | str]

_CAN_ANSWER = (Stage.CANARY,)
_CAN_SHADOW = (Stage.STAGING, Stage.CANARY)


def target_of(placed: Placed) -> Target:
    """The version as it is loaded."""
    return Target(version=placed.version, artifact_digest=placed.artifact_digest)


def targets_of(table: TrafficTable) -> set[Target]:
    """Every version that the table needs."""
    champion = (table.champion,) if table.champion else ()
    return {target_of(each) for each in (*champion, *table.placed)}


def compiled(table: TrafficTable, champion: Served, load: Load) -> Table:
    """The table over loaded versions: what cannot answer is a problem, its units the champion's."""
    placed = {each.version: each for each in table.placed}
    problems: list[str] = []

    def loaded(version: int, what: str, stages: tuple[Stage, ...]) -> Served | None:
        found = _loaded(placed.get(version), stages, load)
        if isinstance(found, str):
            problems.append(f"{what}, version {version}: {found}")
            return None
        return found

    lanes = {CHAMPION: Lane(variant=CHAMPION, served=champion)}
    for arm in table.traffic.arms:
        if served := loaded(arm.version, arm.variant, _CAN_ANSWER):
            lanes[arm.variant] = Lane(variant=arm.variant, served=served)
    shadows = [loaded(version, "shadow", _CAN_SHADOW) for version in table.traffic.shadows]
    return Table(
        revision=table.revision,
        salt=table.traffic.salt,
        champion=champion,
        variants=tuple(lanes.values()),
        lanes=_lanes(table.traffic, lanes),
        overrides={
            unit_id: lanes.get(variant, lanes[CHAMPION])
            for unit_id, variant in table.traffic.overrides.items()
        },
        shadows=tuple(served for served in shadows if served),
        problems=tuple(problems),
    )


def _loaded(placed: Placed | None, stages: tuple[Stage, ...], load: Load) -> Served | str:
    if placed is None:
        return "the registry has no such version"
    if placed.stage not in stages:
        return f"it is in {placed.stage}, not in {' or '.join(stages)}"
    return load(target_of(placed))


def _lanes(traffic: Traffic, lanes: dict[str, Lane]) -> tuple[Lane, ...]:
    found = [lanes[CHAMPION]] * BUCKETS
    for arm in traffic.arms:
        if lane := lanes.get(arm.variant):
            for start, end in arm.ranges:
                found[start:end] = [lane] * (end - start)
    return tuple(found)
