"""A version and the champion beside it, measured in the lake by SQL: each unit counts once.

A unit that asks a hundred times has one mean of its errors, latencies and predictions, since it
was assigned once. Times are of the real clock, when a request was served, also where the past is
replayed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlplat_assets.model_spec import Task
from mlplat_assets.rollouts.evidence import Served, Shadowed
from mlplat_assets.rollouts.guardrails import rate
from mlplat_assets.rollouts.tables import Tables
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.stability import Floats
from mlplat_assets.statistics.strata import Arms
from resources.lake import Lake
from resources.registry.rollout_record import ALL_UNITS, Leg, RolloutRecord
from resources.registry.traffic_table import CANARY, CHAMPION

Row = Mapping[str, Any]
# Predictions of an arm that its distribution is taken of, at most: seven doublings of 200.
_SPREAD = 25_600
# How wrong one prediction was: squared error, absolute error, probability kept from the truth.
_LOSS: Mapping[Task, str] = {
    "binary": "pow({p}.prediction - l.{column}::double, 2)",
    "regression": "abs({p}.prediction - l.{column})",
    "multiclass": "1 - coalesce(json_extract_string({p}.probabilities,"
    " '$.\"' || l.{column}::varchar || '\"')::double, 0)",
}


def served(
    lake: Lake, tables: Tables, record: RolloutRecord, now: datetime, slower: float
) -> Served:
    """The canary against the champion, in each leg between shadow and all units.

    `slower` is the ratio to the champion's p99 from which an answer counts as slow.
    """
    legs = [leg for leg in record.legs if 0 < leg.share < ALL_UNITS]
    if not legs:
        return Served(failed=(), slow=(), predictions=())
    rows = _arms(lake, tables, record, legs, now, slower)
    champion, version = _spreads(lake, tables, record, legs[-1], now)
    return Served(
        failed=_each(rows, legs, lambda row: rate(row["failed"], row["units"])),
        slow=_each(rows, legs, lambda row: rate(row["slow"] or 0.0, row["answered"])),
        predictions=_each(rows, legs, lambda row: _moments(row, "answered", "prediction")),
        losses=_each(rows, legs, lambda row: _moments(row, "labelled", "loss")),
        champion=champion,
        version=version,
    )


def shadowed(lake: Lake, tables: Tables, record: RolloutRecord, now: datetime) -> Shadowed:
    """The shadow against the champion on the same requests, since it was one."""
    leg = record.legs[0]
    since, until = naive(leg.since), naive(leg.until or now)
    joined, loss, live_loss = _labelled(lake, tables, "s"), _loss(tables, "s"), _loss(tables, "p")
    if not joined:
        loss = live_loss = "null::double"
    pairs = f"""with pairs as (
            select coalesce(s.unit_id, s.prediction_id) as unit, s.served_at,
                   s.prediction as shadow, p.prediction as live,
                   (s.error is not null)::int as failed,
                   {loss} as shadow_loss, {live_loss} as live_loss
            from {tables.shadows} s left join {tables.predictions} p
              on s.prediction_id = p.prediction_id and s.partition_day = p.partition_day {joined}
            where s.version = ? and s.served_at >= ? and s.served_at < ?)"""
    (row,) = lake.read(
        f"""{pairs}, units as (
            select unit, avg(failed) as failed, avg(shadow - live) as apart, avg(live) as live,
                   avg(shadow_loss - live_loss) as loss, avg(live_loss) as live_loss
            from pairs group by unit)
        select count(*) as units, coalesce(avg(failed), 0) as failed, {_sums("apart", "paired")},
               {_sums("loss", "labelled")}, coalesce(stddev_samp(live), 0) as live_spread,
               coalesce(avg(live_loss), 0) as live_loss
        from units""",
        [record.version, since, until],
    ).to_pylist()
    both = lake.read(
        f"""{pairs} select live, shadow from pairs
            where live is not null and shadow is not null order by served_at limit {_SPREAD}""",
        [record.version, since, until],
    )
    return Shadowed(
        failed=(
            _champion_rate(lake, tables, record, since, until),
            rate(row["failed"], row["units"]),
        ),
        differences=_moments(row, "paired", "apart"),
        live_spread=row["live_spread"],
        losses=_moments(row, "labelled", "loss"),
        live_loss=row["live_loss"],
        live=both["live"].to_numpy(),
        shadow=both["shadow"].to_numpy(),
    )


def _arms(
    lake: Lake, tables: Tables, record: RolloutRecord, legs: Sequence[Leg], now: datetime,
    slower: float,
) -> list[dict[str, Any]]:  # fmt: skip
    spans = ", ".join("(?, ?::timestamp, ?::timestamp)" for _ in legs)
    bound = [
        value
        for number, leg in enumerate(legs)
        for value in (number, naive(leg.since), naive(leg.until or now))
    ]
    arm = "(({r}.version = ? and {r}.variant = ?) or ({r}.version = ? and {r}.variant = ?))"
    both = [record.version, CANARY, record.champion, CHAMPION]
    joined = _labelled(lake, tables, "p")
    loss = _loss(tables, "p") if joined else "null::double"
    found = lake.read(
        f"""with legs as (select * from (values {spans}) as legs(leg, since, until)),
        answered as (
            select leg, p.version = ? as is_new, coalesce(p.unit_id, p.prediction_id) as unit,
                   p.latency_ms, p.prediction, {loss} as loss, 0 as failed
            from {tables.predictions} p
            join legs on p.served_at >= legs.since and p.served_at < legs.until {joined}
            where {arm.format(r="p")}),
        failed as (
            select leg, f.version = ? as is_new, f.unit_id as unit, 1 as failed
            from {tables.failures} f
            join legs on f.served_at >= legs.since and f.served_at < legs.until
            where {arm.format(r="f")}),
        asked as (select * from answered union all by name select * from failed),
        slowest as (
            select ? * quantile_cont(latency_ms, 0.99) as ms from answered where not is_new),
        units as (
            select leg, is_new, unit, avg(failed) as failed, avg((latency_ms > ms)::int) as slow,
                   avg(prediction) as prediction, avg(loss) as loss
            from asked, slowest group by all)
        select leg, is_new, count(*) as units, avg(failed) as failed, avg(slow) as slow,
               {_sums("prediction", "answered")}, {_sums("loss", "labelled")}
        from units group by leg, is_new""",
        [*bound, record.version, *both, record.version, *both, slower],
    )
    return found.to_pylist()


def _spreads(
    lake: Lake, tables: Tables, record: RolloutRecord, leg: Leg, now: datetime
) -> tuple[Floats, Floats]:
    """Predictions of the leg in the order of their time, the larger arm thinned to the smaller.

    So the first so many of each are of the same hour.
    """
    rest = ALL_UNITS - leg.share
    arms = (
        (record.champion, CHAMPION, rest / leg.share),
        (record.version, CANARY, leg.share / rest),
    )
    found = [
        lake.read(
            f"""select prediction from {tables.predictions}
                where version = ? and variant = ? and served_at >= ? and served_at < ?
                  and hash(prediction_id) % ? = 0
                order by served_at limit {_SPREAD}""",
            [version, variant, naive(leg.since), naive(leg.until or now), max(1, round(times))],
        )
        for version, variant, times in arms
    ]
    champion, version = (rows["prediction"].to_numpy() for rows in found)
    return np.asarray(champion, float), np.asarray(version, float)


def _champion_rate(
    lake: Lake, tables: Tables, record: RolloutRecord, since: datetime, until: datetime
) -> Moments:
    (row,) = lake.read(
        f"""with asked as (
            select coalesce(unit_id, prediction_id) as unit, served_at, version, 0 as failed
            from {tables.predictions}
            union all
            select unit_id, served_at, version, 1 from {tables.failures}),
        units as (
            select unit, avg(failed) as failed from asked
            where version = ? and served_at >= ? and served_at < ? group by unit)
        select count(*) as units, coalesce(avg(failed), 0) as failed from units""",
        [record.champion, since, until],
    ).to_pylist()
    return rate(row["failed"], row["units"])


def _each(
    rows: Sequence[Mapping[str, Any]],
    legs: Sequence[Leg],
    measured: Any,  # noqa: ANN401
) -> list[Arms]:
    """Both arms of every leg; an arm that nobody asked has no units."""
    by_arm = {(row["leg"], row["is_new"]): measured(row) for row in rows}
    nobody = Moments()
    return [
        (by_arm.get((leg, False), nobody), by_arm.get((leg, True), nobody))
        for leg in range(len(legs))
    ]


def _sums(column: str, count: str) -> str:
    """Count, mean and squares of a column that may be null."""
    return (
        f"count({column}) as {count}, coalesce(avg({column}), 0) as {column}, "
        f"coalesce(var_pop({column}) * count({column}), 0) as {column}_squares"
    )


def _moments(row: Row, count: str, column: str) -> Moments:
    return Moments(n=row[count], mean=row[column], squares=row[f"{column}_squares"])


def _labelled(lake: Lake, tables: Tables, side: str) -> str:
    """The join with the labels that are there; none before the first one landed."""
    name, unit, _ = tables.label
    return f"left join {name} l on {side}.unit_id = l.{unit}" if lake.has(name) else ""


def _loss(tables: Tables, side: str) -> str:
    return _LOSS[tables.task].format(p=side, column=tables.label[2])


def naive(moment: datetime) -> datetime:
    """As the lake keeps UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)
