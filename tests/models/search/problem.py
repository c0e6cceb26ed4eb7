"""A small problem to search on, and a search of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.models.search.driver import Plan
from mlplat_assets.models.search.study import Study
from mlplat_assets.search_spec import IntRange, Search, Uniform

SPACE: Mapping[str, Any] = {
    "learning_rate": Uniform(low=1e-4, high=3e-2, log=True),
    "hidden": IntRange(low=4, high=16),
}
RECIPE: Mapping[str, Any] = {
    "trainer": "mlplat_assets.models.trainers.tabular:TabularModule",
    "label": "late",
    "task": "binary",
    "numeric": ["delay"],
    "categorical": ["carrier"],
    "seed": 7,
}


def flights(rows: int, seed: int) -> pl.DataFrame:
    """Rows whose label hangs on a number and on a carrier."""
    generator = np.random.default_rng(seed)
    delay, carrier = generator.normal(0, 10, rows), generator.choice(["AA", "UA"], rows)
    chance = 1 / (1 + np.exp(-(delay / 5 + (carrier == "UA"))))
    return pl.DataFrame(
        {"delay": delay, "carrier": carrier, "late": generator.random(rows) < chance}
    )


TRAIN, VALIDATION = flights(600, 1), flights(300, 2)


def searching(**changes: Any) -> ModelSpec:
    """A model that searches."""
    given: dict[str, Any] = {"space": SPACE, "trials": 6, "pruner": "none"} | changes
    return ModelSpec(
        task="binary",
        label="flights.arrivals:late",
        features=("flights.weather",),
        gates=(Gate(metric="auc", floor=0.5),),
        approvers=("dana@flights.example.com",),
        hyperparameters={"epochs": 2, "batch_size": 128, "learning_rate": 1e-3},
        search=Search(**given),
        seed=7,
    )


def plan_at(folder: Path, spec: ModelSpec, trials: int, jobs: int = 1) -> Plan:
    """A plan whose study lies in the folder."""
    url = f"sqlite:///{folder / 'search.sqlite'}"
    return Plan(url=url, spec=spec, recipe=RECIPE, trials=trials, jobs=jobs)


def study_of(plan: Plan, name: str = "flights.arrivals-1") -> Study:
    """The study of a plan."""
    return Study(plan.url, name, plan.spec)
