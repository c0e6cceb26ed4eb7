"""A year of flights as the platform's own join gives it, cut by time, for bench.training.

Rows are every flight that landed, decided on two hours before its departure; columns are the inputs
that `flights.arrival_delay` declares.
"""

from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

import polars as pl

from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.store import FeatureStore
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from resources.lake import Lake, lake_from
from resources.online_store import online_store
from resources.settings import from_environment

MODEL = "flights.arrival_delay"
LABEL = "is_late"
MINUTES = "arrival_delay_minutes"
# First days of training, validation and test, and the end of all.
DAYS = (date(2013, 1, 1), date(2013, 9, 1), date(2013, 11, 1), date(2014, 1, 1))

# The label tables of a home end where its traffic does; flights and plans are there for the year.
_LABELS = """
    select decisions.flight_id, decisions.event_timestamp, decisions.tailnum,
           decisions.carrier, decisions.origin, decisions.dest, decisions.distance,
           decisions.scheduled_minutes, decisions.local_hour, decisions.weekday,
           arrivals.arrival_delay as arrival_delay_minutes,
           (arrivals.arrival_delay > 15)::integer as is_late
    from raw.flights__arrivals arrivals
    inner join staging.flights__decisions decisions using (flight_id)
    order by decisions.event_timestamp, decisions.flight_id
"""


@dataclass(frozen=True, kw_only=True)
class Flights:
    """January to August, September and October, November and December of 2013, UTC."""

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    inputs: ModelInputs


def flights() -> Flights:
    """The year's rows from the home that `MLPLAT_HOME` names; `make demo` fills one.

    Raises:
        LookupError: The lake has no flights, or not the whole year.
    """
    settings, declared = from_environment(), catalogue()
    lake = lake_from(settings)
    if not lake.has("raw.flights__arrivals"):
        raise LookupError(f"{settings.home} has no flights; run `make demo`, or set MLPLAT_HOME")
    model = declared.models[MODEL]
    rows = _joined(lake, FeatureStore(lake, online_store(settings.online_url), declared, _never))
    day = pl.col("event_timestamp").dt.date()
    parts = [rows.filter(day >= first, day < end) for first, end in pairwise(DAYS)]
    if len(parts[2]["event_timestamp"].dt.date().unique()) < 60:
        raise LookupError(f"{settings.home} has no whole year; backfill November and December")
    inputs = model_inputs(model, declared)
    return Flights(train=parts[0], validation=parts[1], test=parts[2], inputs=inputs)


def _joined(lake: Lake, store: FeatureStore) -> pl.DataFrame:
    views = catalogue().models[MODEL].spec.features
    joined = store.get_historical_features(lake.read(_LABELS), views, full_feature_names=True)
    return pl.DataFrame(joined)


def _never() -> datetime:
    raise AssertionError("reading the past asks for no clock")
