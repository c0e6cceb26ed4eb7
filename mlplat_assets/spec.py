"""What teams write about data: sources, feature views, labels, as frozen data.

A declaration names no team and no name of its own: the path of its file is its identity
(`catalog/<team>/<name>.py`), which `mlplat_assets.discovery` reads. This module imports the
standard library only, so that reading a catalogue of a thousand models stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from mlplat_assets.aggregates import WindowedAggregates

# fmt: off
DType = Literal[
    "float", "float32", "int", "bool", "string", "bytes", "timestamp",
    "list[float]", "list[int]", "list[string]",
]
# fmt: on
# What a model can take as a column: numbers, and texts and flags as categories.
NUMERIC: tuple[DType, ...] = ("float", "float32", "int")
CATEGORICAL: tuple[DType, ...] = ("string", "bool")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One named, typed value: a feature of a view, an entity key, or a field of a request.

    `float`, `float32` and `int` are numeric inputs of a model; `string` and `bool` are categorical
    ones; `bytes`, lists and a `timestamp` (UTC) are stored and served but never an input.
    `minimum` and `maximum` are inclusive; `allowed` lists the accepted strings, empty for any.
    `max_null_rate` is the greatest share of nulls in a day of a table (None: not checked).
    """

    name: str
    dtype: DType
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    max_null_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table that enters the lake from outside, in daily partitions by time of knowledge.

    `read(first, last)` returns the rows whose `partition_day` lies in the window, both days
    inclusive, with exactly `columns` (besides `partition_day`).
    """

    description: str
    columns: tuple[Field, ...]
    read: Callable[[date, date], pl.DataFrame]
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """A table of features in the lake, keyed by entities, each row valid from its event time.

    `ttl` bounds the age of a value (None: no bound). `landing_delay` is added to a row's event
    timestamp to give the time from which the row may be used.

    A view in Python names its `inputs` (`stage.team.name`) and a function `compute(inputs, first,
    last)` from lake tables by that name to the window's rows: entity keys, `event_timestamp`,
    `created_timestamp`, `partition_day` and the features. A dbt view has neither: its `.yml` and
    `.sql` declare it, `aggregates` included.

    `freshness` is the greatest age that the newest event of the view may have (None: no promise).
    """

    entities: tuple[Field, ...]
    features: tuple[Field, ...]
    description: str
    ttl: timedelta | None = None
    landing_delay: timedelta = timedelta(0)
    online: bool = True
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    freshness: timedelta | None = None
    aggregates: WindowedAggregates | None = None
    inputs: tuple[str, ...] = ()
    compute: Callable[[Mapping[str, pl.LazyFrame], date, date], pl.DataFrame] | None = None


@dataclass(frozen=True, kw_only=True)
class OnDemandView:
    """Features computed from a request's values and stored features, when they are asked for.

    `request` are the fields that a caller sends, context or entity keys, and `event_timestamp`, the
    decision time, which is always there; `inputs` are references `team.view:feature`.
    `compute(columns)` takes one array of n values per request field, by its name, and per input,
    by `view__feature`, and returns one array of n values per feature. Numbers and flags are
    float64 with NaN where missing, texts are objects with None, timestamps are datetime64[us] in
    UTC with NaT; what it returns is missing where it is NaN or infinite. It computes each row from
    that row alone, and must do without any value that can be missing. Its file imports NumPy and
    the standard library only: it travels with the model and runs in the service as it ran in
    training.
    """

    request: tuple[Field, ...]
    inputs: tuple[str, ...]
    features: tuple[Field, ...]
    description: str
    compute: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FeatureService:
    """A named list of features that models and callers ask for by one name, `team.name`.

    `features` are references as in `ModelSpec.features`. A change of the list is a new file:
    `arrivals_v2.py` beside `arrivals_v1.py`.
    """

    features: tuple[str, ...]
    description: str
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A table of outcomes, one row per unit, in daily partitions by when the outcome was known.

    Its rows carry the unit id, the entity keys, `event_timestamp` (the decision time), whatever
    else a caller knows then (the context), and the outcome itself.
    """

    unit: str
    entities: tuple[str, ...]
    columns: tuple[Field, ...]
    description: str
    owner: str | None = None
