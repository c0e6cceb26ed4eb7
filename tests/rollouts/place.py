"""A model that is rolled out, on a real registry and lake, with traffic that a test makes up."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.controller import Controller, Look
from resources.digests import digest
from resources.registry.registry import registry
from resources.registry.rollout_record import RolloutRecord
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, register
from tests.small_home import open_lake, settings_at

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
DAY = date(2013, 6, 1)
HOUR = timedelta(hours=1)
PLAN = Rollout(
    shadow_time=HOUR, shadow_pairs=200, steps=(10, 30, 100), step_time=HOUR, step_units=200
)
LABELS = "labels.flights__arrival_delay"


def declared(plan: Rollout = PLAN) -> tuple[Declared[ModelSpec], Catalogue]:
    """The model with a rollout, in the catalogue of this repository."""
    found = catalogue()
    model = found.models[MODEL]
    made = replace(model, spec=replace(model.spec, rollout=plan))
    return made, replace(found, models={**found.models, MODEL: made})


def shadowing(home: Path) -> "Place":
    """A place with version 1 in production and version 2 as its shadow."""
    made = Place(home)
    crown(made.registry, "a")
    register(made.registry, "b", 1)
    made.look()
    return made


class Place:
    """A home with a registry on a clock that the test moves."""

    def __init__(self, home: Path, plan: Rollout = PLAN) -> None:
        self.clock = Clock(NOW)
        self.settings = settings_at(home)
        self.registry = registry(self.settings.registry_url, self.clock)
        self.registry.migrate()
        self.lake = open_lake(home)
        self.plan = plan
        self.units = 0
        self.random = np.random.default_rng(7)
        self.labels: dict[str, bool] = {}

    def look(self) -> Look:
        """By a controller that knows nothing of the ones before."""
        model, found = declared(self.plan)
        return Controller(
            model=model,
            catalogue=found,
            plan=self.plan,
            registry=self.registry,
            lake=self.lake,
            settings=self.settings,
            clock=self.clock,
        ).look()

    @property
    def record(self) -> RolloutRecord:
        """The last rollout."""
        found = self.registry.rollouts.last(MODEL)
        assert found is not None
        return found

    @property
    def split(self) -> dict[int, float]:
        """The arms' shares by version."""
        return {arm.version: arm.share for arm in self.registry.traffic(MODEL).traffic.arms}

    def serve(
        self,
        n: int,
        *,
        failing: float = 0.0,
        off: float = 0.0,
        blind: bool = False,
        losing: float = 0.0,
    ) -> None:
        """Requests of new units as the traffic table answers them, each at the clock's moment.

        `failing` is the share of the rolled out version's requests that fail, `off` how far its
        predictions are from the champion's, who is right: labels follow its probabilities. A
        `blind` one predicts as often what the champion does, and of other units. `losing` is the
        share of its requests that leave no record.
        """
        table = self.registry.traffic(MODEL)
        assert table.champion is not None
        arms = {arm.variant: arm.version for arm in table.traffic.arms}
        lines: dict[str, list[dict[str, Any]]] = {"": [], ".shadows": [], ".failures": []}
        for live in self.random.beta(2, 5, n):
            self.units += 1
            unit = f"unit-{self.units}"
            variant = table.traffic.variant(unit)
            version = arms.get(variant, table.champion.version)
            made = {
                "unit_id": unit, "version": version, "variant": variant, "revision": table.revision,
            }  # fmt: skip
            is_new = variant != "champion"
            its = min((self.random.beta(2, 5) if blind else live) + off, 1.0)
            self.labels[unit] = bool(self.random.random() < live)
            if is_new and self.random.random() < losing:
                continue
            if is_new and self.random.random() < failing:
                lines[".failures"].append(self.failure(**made))
                continue
            lines[""].append(self.prediction(its if is_new else live, **made))
            for shadow in table.traffic.shadows:
                beside = {"unit_id": unit, "version": shadow}
                fails = self.random.random() < failing
                lines[".shadows"].append(self.shadow(None if fails else its, **beside))
        for kind, records in lines.items():
            self._write(kind, records)

    def prediction(self, value: float, **changes: Any) -> dict[str, Any]:
        """One line of the journal."""
        latency = float(self.random.gamma(2, 0.3))
        return self._line(prediction=float(value), latency_ms=latency) | changes | {
            "entities": {}, "context": {}, "features": {}, "feature_status": {},
            "feature_times": {}, "feature_partitions": {}, "bento": "b",
            "artifact_digest": digest("a"), "prediction_id": f"p-{changes['unit_id']}",
        }  # fmt: skip

    def shadow(self, value: float | None, **changes: Any) -> dict[str, Any]:
        """One line of the shadows' journal."""
        error = None if value is not None else "RuntimeError: no"
        found = {"prediction": value, "error": error, "latency_ms": 1.0}
        return self._line(**found) | changes | {
            "artifact_digest": digest("b"), "prediction_id": f"p-{changes['unit_id']}",
        }  # fmt: skip

    def failure(self, **changes: Any) -> dict[str, Any]:
        """One line of the failures' journal."""
        return self._line(revision=1, status=500, error="PredictionFailed") | changes

    def land_labels(self) -> None:
        """What became of every unit so far."""
        rows = pl.DataFrame(
            {
                "flight_id": list(self.labels),
                "is_late": list(self.labels.values()),
                "partition_day": [DAY] * len(self.labels),
            }
        )
        self.lake.replace_days(LABELS, rows.to_arrow(), DAY, DAY)

    def step(self, n: int = 1000, hours: float = 1, **served: Any) -> Look:
        """Requests, an hour, a look."""
        self.serve(n, **served)
        self.clock.forward(hours=hours)
        return self.look()

    def _line(self, **fields: Any) -> dict[str, Any]:
        at = self.clock.now.isoformat()
        return {"model": MODEL, "served_at": at, "event_timestamp": at, **fields}

    def _write(self, kind: str, records: list[dict[str, Any]]) -> None:
        folder = self.settings.journal / f"{MODEL}{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "20130601T000000000000Z-1-abcdef01.ndjson").open("a") as segment:
            segment.writelines(json.dumps(record) + "\n" for record in records)
