"""Where the first request of each unit went since a canary has units, from the lake by SQL."""

from collections.abc import Callable
from datetime import datetime

from mlplat_assets.rollouts.arrivals import Arrivals, arrivals_of
from mlplat_assets.rollouts.samples import naive
from mlplat_assets.rollouts.tables import Tables
from resources.buckets import BUCKETS
from resources.lake import Lake
from resources.registry.allocation import size_of
from resources.registry.rollout_record import ALL_UNITS, RolloutRecord
from resources.registry.traffic_table import CANARY, CHAMPION, Traffic


def arrived(
    lake: Lake,
    tables: Tables,
    record: RolloutRecord,
    now: datetime,
    traffic_at: Callable[[int], Traffic],
) -> Arrivals | None:
    """Of a canary's journals, failures too; None before it has units.

    Units of testers by override are left out, and what a revision routed that does not name both.

    Raises:
        LookupError: A row names a revision that the registry does not have.
    """
    legs = [leg for leg in record.legs if 0 < leg.share < ALL_UNITS]
    if not legs:
        return None
    span = [naive(legs[0].since), naive(legs[-1].until or now)]
    found = lake.read(
        f"""select distinct revision from ({_rows(tables)}) where version = ? and variant = ?""",
        [*span, *span, record.version, CANARY],
    )
    traffic = {number: traffic_at(number) for number in found["revision"].to_pylist()}
    shares = {number: _shares(each, record.version) for number, each in traffic.items()}
    kept = [number for number, each in shares.items() if all(each)]
    overrides = sorted({unit for number in kept for unit in traffic[number].overrides})
    rows = lake.read(
        f"""with firsts as (
                select unit_id, arg_min(struct_pack(revision, version, variant), served_at) as first
                from ({_rows(tables)}) where not list_contains(?::varchar[], unit_id)
                group by unit_id)
            select first.revision as revision,
                   count(*) filter (first.version = ? and first.variant = ?) as champion,
                   count(*) filter (first.version = ? and first.variant = ?) as version
            from firsts where list_contains(?::bigint[], first.revision) group by 1""",
        [*span, *span, overrides, record.champion, CHAMPION, record.version, CANARY, kept],
    ).to_pylist()
    counts = {row["revision"]: (row["champion"], row["version"]) for row in rows}
    return arrivals_of(counts, shares)


def _rows(tables: Tables) -> str:
    """What was routed within a span, bound twice; what came by no traffic table has no revision."""
    return " union all ".join(
        f"""select unit_id, served_at, revision, version, variant from {table}
            where served_at >= ? and served_at < ? and unit_id is not null and revision > 0"""
        for table in (tables.predictions, tables.failures)
    )


def _shares(traffic: Traffic, version: int) -> tuple[int, int]:
    """Buckets of the champion and of the version as a canary."""
    taken = sum(size_of(arm.ranges) for arm in traffic.arms)
    own = (arm for arm in traffic.arms if (arm.variant, arm.version) == (CANARY, version))
    return BUCKETS - taken, sum(size_of(arm.ranges) for arm in own)
