"""A home whose served days were measured by the asset of performance, and an experiment on them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.experiment_spec import Experiment, Metric
from tests.monitoring.performance.simulated import materialise, put, served
from tests.small_home import MODEL, crown, open_lake

DAYS, LABELLED, ROWS = 8, 6, 400
EVIL = '<script>alert("1")</script>'


def measured(home: Path) -> None:
    """A champion and a canary served eight days; labels of the first six came."""
    crown(home, "first")
    rows = pl.concat(
        [served(DAYS, ROWS), served(DAYS, 250, variant="canary", seed=1)], how="vertical"
    )
    put(open_lake(home), rows, labelled=LABELLED)
    materialise(home, DAYS)


def experimented() -> Catalogue:
    """The catalogue of this repository with three experiments, two of them on the model."""
    spec = Experiment(
        model=MODEL,
        hypothesis=f"Mornings are told better {EVIL}",
        arms=("candidate",),
        first_day=date(2013, 3, 1),
        last_day=date(2013, 3, 30),
        primary=Metric(measure="squared_error", better="lower"),
        effect=0.01,
    )
    other = replace(spec, model="flights.departure_delay")
    named = {"morning": spec, "evening": spec, "elsewhere": other}
    found = {
        f"flights.{name}": Declared(team="flights", name=name, file=Path(name), spec=each)
        for name, each in named.items()
    }
    return replace(catalogue(), experiments=found)
