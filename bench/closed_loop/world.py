"""What the loop runs on: real flights of a winter and of a summer, one model, short rollouts.

Version 1 learned the winter and is in production; the features of the summer and its labels until
7 July are there. What is wrong in a scenario is a file of the home, read by every process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlplat_assets.catalogue import catalogue
from mlplat_assets.demo.plan import Days
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import key
from mlplat_assets.model_spec import Budget, Gate, TimeSplit
from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.spec import Source
from resources.registry.identity import Role
from resources.registry.registry import registry
from resources.settings import Settings, from_environment
from tests.small_world import SERVED, TRAINED, World, copy_world, in_environment, open_world

if TYPE_CHECKING:
    import polars as pl

MODEL = "flights.arrival_delay"
ENGINEER, APPROVER = "ana@flights.example.com", "dana@flights.example.com"
WINTER = Days(first=date(2013, 1, 1), last=date(2013, 2, 3))
SUMMER = Days(first=date(2013, 6, 1), last=date(2013, 7, 20))
LABELLED = Days(first=date(2013, 6, 1), last=date(2013, 7, 7))
# The first day in service, whose labels have not come yet; then the days whose flights ask while a
# version is rolled out. With its labels the governor may say that retraining would not help.
SERVED_DAY = Days(first=date(2013, 7, 8), last=date(2013, 7, 8))
LIVE = Days(first=date(2013, 7, 9), last=date(2013, 7, 20))
NO_TIME = timedelta(0)
PLAN = Rollout(
    shadow_time=NO_TIME,
    shadow_pairs=60,
    steps=(20, 60, 100),
    step_time=NO_TIME,
    step_units=60,
)
TABULAR = "mlplat_assets.models.trainers.tabular:TabularModule"
FILE = "world.json"


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario declares or breaks.

    Attributes:
        trainer: Of the model.
        approval: Whether a retraining waits for a person.
        nulls: A column of the source `flights.weather` that holds nothing from `since` on.
        since: UTC day.
    """

    trainer: str = TABULAR
    approval: bool = False
    nulls: str = ""
    since: date = SERVED_DAY.first


def declared(home: Path) -> Catalogue:
    """The catalogue of a home: this repository's, with one small model, and what is wrong."""
    file = home / FILE
    wrong = msgspec.json.decode(file.read_bytes(), type=Wrong) if file.exists() else Wrong()
    found = catalogue()
    model = found.models[MODEL]
    spec = replace(
        model.spec,
        split=TimeSplit(train_days=20, validation_days=7, holdout_days=7),
        trainer=wrong.trainer,
        hyperparameters={"epochs": 2, "batch_size": 256},
        # Seven weeks teach too little for the declared floors.
        gates=(Gate(metric="auc", margin=0.03),),
        slices=(),
        budget=Budget(),
        rollout=PLAN,
        retrain=Retrain(approval=wrong.approval, cooldown=NO_TIME),
    )
    weather = found.sources["flights.weather"]
    broken = replace(weather, spec=replace(weather.spec, read=_emptied(weather, wrong)))
    return replace(
        found,
        sources={**found.sources, "flights.weather": broken},
        models={MODEL: replace(model, spec=spec)},
        experiments={},
    )


def _emptied(source: Declared[Source], wrong: Wrong) -> Callable[[date, date], "pl.DataFrame"]:
    def read(first: date, last: date) -> "pl.DataFrame":
        import polars as pl

        rows = source.spec.read(first, last)
        if not wrong.nulls:
            return rows
        gone = pl.col("partition_day") >= wrong.since
        emptied = pl.when(gone).then(None).otherwise(pl.col(wrong.nulls)).alias(wrong.nulls)
        return rows.with_columns(emptied)

    return read


@dataclass(frozen=True, kw_only=True)
class Home:
    """A folder with all stores, its settings, and people's tokens by name, if it has any."""

    world: World
    settings: Settings
    tokens: dict[str, str]


def build(home: Path) -> None:
    """The base: everything until version 1 is in production, its Bento built."""
    with in_environment(_settings(home, "")):
        world = open_world(home, declared(home))
        found = world.catalogue
        tables = [key("raw", d.team, d.name) for d in found.sources.values()]
        tables += [key("features", d.team, d.name) for d in found.views.values()]
        tables += [key("staging", "flights", "decisions")]
        labels = [key("labels", d.team, d.name) for d in found.labels.values()]
        world.materialise([*tables, *labels], WINTER)
        world.materialise(world.chain(MODEL, TRAINED))
        world.promote(MODEL, 1)
        world.materialise(world.chain(MODEL, SERVED))
        world.materialise(tables, SUMMER)
        world.materialise(labels, LABELLED)


@contextmanager
def copied(base: Path, home: Path, wrong: Wrong, serving_url: str) -> Iterator[Home]:
    """A copy of the base in which a scenario is to happen."""
    with in_environment(_settings(base, "")):
        world = open_world(base, declared(base))
    settings = _settings(home, serving_url)
    with in_environment(settings):
        made = copy_world(world, home)
    (home / FILE).write_bytes(msgspec.json.encode(wrong))
    made.catalogue = declared(home)
    tokens = _tokens(settings) if wrong.approval else {}
    settings = replace(settings, token=tokens.get("daemon"))
    with in_environment(settings):
        yield Home(world=made, settings=settings, tokens=tokens)


def _tokens(settings: Settings) -> dict[str, str]:
    """From the first token on the registry asks everybody for one, the daemon as well."""
    admin = registry(settings.registry_url).tokens.create("root", Role.ADMIN, actor=ENGINEER).text
    desk = registry(settings.registry_url, token=admin).tokens
    return {name: desk.create(name, Role.APPROVER).text for name in ("daemon", APPROVER)}


def _settings(home: Path, serving_url: str) -> Settings:
    """Every store embedded below a folder, whatever the machine's environment says."""
    return from_environment(
        {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": ENGINEER, "MLPLAT_SERVING_URL": serving_url}
    )
