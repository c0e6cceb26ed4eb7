"""A small home whose journal holds an experiment of two weeks, made up but routed for real."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Declared
from mlplat_assets.experiment_spec import Experiment, Guardrail, Metric
from mlplat_assets.monitoring.journal_records import Predicted, schema_of
from resources.registry.registry import Registry
from tests.small_home import MODEL, crown, open_lake, open_registry, register

FIRST, LAST = date(2013, 3, 1), date(2013, 3, 14)
PREDICTIONS, LABELS = "predictions.flights__arrival_delay", "labels.flights__arrival_delay"
BY: Any = {"actor": "carol", "reason": "an experiment"}


def a_spec(**changes: Any) -> Experiment:
    terms: dict[str, Any] = {
        "model": MODEL,
        "hypothesis": "The second version knows late flights better.",
        "arms": ("canary",),
        "first_day": FIRST,
        "last_day": LAST,
        "primary": Metric(measure="squared_error", better="lower"),
        "effect": 0.01,
        "guardrails": (Guardrail(metric=Metric(measure="latency_ms", better="lower"), margin=2.0),),
        "secondary": (
            Metric(measure="correct", better="higher"),
            Metric(measure="label:arrival_delay_minutes", better="lower"),
        ),
    }
    return Experiment(**(terms | changes))


def declared(spec: Experiment) -> Declared[Experiment]:
    return Declared(team="flights", name="second", file=Path("second.py"), spec=spec)


@dataclass(kw_only=True)
class Traffic:
    """What the services of a home answered.

    `noise` is how far an arm's predictions are from the truth, `latency` how long it takes.
    """

    home: Path
    registry: Registry
    seed: int = 41

    def of_days(
        self,
        per_day: int,
        *,
        noise: Mapping[str, float],
        latency: Mapping[str, float] = {},
        first: date = FIRST,
        days: int = 14,
        lost: str | None = None,
        units: str = "unit",
    ) -> pl.DataFrame:
        """Predictions and labels of so many units a day, into the lake; the predictions.

        A fifth of the units of the variant `lost` leave no prediction.
        """
        drawn = np.random.default_rng(self.seed)
        table = self.registry.traffic(MODEL)
        n = per_day * days
        names, variants = self._units(f"{units}-{first}", n, drawn)
        late = (drawn.random(n) < 0.3).astype(float)
        off = np.array([noise[variant] for variant in variants])
        day = [first + timedelta(days=number // per_day) for number in range(n)]
        rows = pl.DataFrame(
            {
                "prediction_id": [f"p-{name}" for name in names],
                "unit_id": names,
                "variant": variants,
                "version": [{"champion": 1, "canary": 2, "blue": 3}[name] for name in variants],
                "bucket": [table.traffic.bucket(name) for name in names],
                "revision": table.revision,
                "prediction": np.abs(late - off * drawn.random(n)),
                "latency_ms": [latency.get(name, 5.0) for name in variants] + drawn.random(n),
                "context": [f'{{"local_hour": {hour}}}' for hour in drawn.integers(0, 24, n)],
                "features": "{}",
                "partition_day": day,
                "late": late,
                "arrival_delay_minutes": np.round(drawn.normal(10 + 40 * late, 20)),
            }
        )
        kept = np.ones(n, bool) if lost is None else ~((variants == lost) & (drawn.random(n) < 0.2))
        return self.write(rows.filter(kept))

    def _units(
        self, prefix: str, n: int, drawn: np.random.Generator
    ) -> tuple[list[str], np.ndarray]:
        """Units whose variants follow each other as the seed says, whatever salt the table got."""
        traffic = self.registry.traffic(MODEL).traffic
        shares = {arm.variant: arm.share / 100 for arm in traffic.arms}
        shares["champion"] = 1 - sum(shares.values())
        variants = drawn.choice(list(shares), n, p=list(shares.values()))
        numbers, waiting = count(), {name: deque[str]() for name in shares}
        names = []
        for variant in variants:
            while not waiting[variant]:
                name = f"{prefix}-{next(numbers)}"
                waiting[traffic.variant(name)].append(name)
            names.append(waiting[variant].popleft())
        return names, variants

    def write(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows into the lake, beside those of other days that are there."""
        at = [datetime(d.year, d.month, d.day, 12) for d in rows["partition_day"]]  # noqa: DTZ001
        schema = schema_of(Predicted)
        columns = {
            field.name: pa.array(at, field.type)
            if field.name in ("event_timestamp", "served_at")
            else rows[field.name].to_arrow().cast(field.type)
            if field.name in rows.columns
            else pa.nulls(rows.height, field.type)
            for field in schema
        }
        labels = rows.select(
            flight_id="unit_id",
            is_late=pl.col("late").cast(pl.Int32),
            arrival_delay_minutes=pl.col("arrival_delay_minutes").cast(pl.Int64),
            partition_day="partition_day",
        ).unique("flight_id")
        lake = open_lake(self.home)
        first, last = rows["partition_day"].min(), rows["partition_day"].max()
        lake.replace_days(PREDICTIONS, pa.table(columns, schema=schema), first, last)  # type: ignore[arg-type]
        lake.replace_days(LABELS, labels.to_arrow(), first, last)  # type: ignore[arg-type]
        return rows


def traffic_at(home: Path, percent: float = 50.0) -> Traffic:
    """A champion and a canary with such a share; no prediction yet."""
    crown(home, "first")
    register(home, "second")
    opened = open_registry(home)
    opened.set_share(MODEL, 2, percent, **BY)
    return Traffic(home=home, registry=opened)


def catalogue_with(spec: Experiment) -> Any:
    from dataclasses import replace

    return replace(catalogue(), experiments={"flights.second": declared(spec)})
