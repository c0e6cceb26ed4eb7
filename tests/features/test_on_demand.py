"""On-demand features of a table: typed columns, and nothing that serving could not give."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from bentos.model_server.artefact.card import OnDemandEntry
from bentos.model_server.artefact.on_demand import OnDemandFailed, OnDemandFunction, function_of
from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.on_demand import read_functions, with_on_demand
from mlplat_assets.references import expand
from resources.digests import digest_of_bytes

NOON = datetime(2013, 1, 5, 12)  # noqa: DTZ001  the lake keeps UTC without a zone
ENTRY = msgspec.convert(
    {
        "view": "flights.comfort",
        "source": "on_demand/flights__comfort.py",
        "digest": "",
        "request": [
            {"name": "distance", "dtype": "int"},
            {"name": "event_timestamp", "dtype": "timestamp"},
        ],
        "inputs": [
            {"column": "weather__temp", "view": "flights.weather", "feature": "temp",
             "dtype": "float"},
        ],
        "features": [{"name": "score", "dtype": "float"}],
        "columns": ["comfort__score"],
    },
    OnDemandEntry,
)  # fmt: skip


def table(rows: int) -> pa.Table:
    numbers = np.random.default_rng(1)
    return pa.table(
        {
            "unit_id": [str(n) for n in range(rows)],
            "event_timestamp": [NOON + timedelta(minutes=n) for n in range(rows)],
            "distance": pa.array(numbers.integers(1, 6000, rows)),
            "weather__temp": pa.array(numbers.normal(size=rows), mask=numbers.random(rows) < 0.1),
        }
    )


def scored(compute: Callable[[Mapping[str, Any]], Any]) -> OnDemandFunction:
    return OnDemandFunction(entry=ENTRY, compute=lambda columns: {"score": compute(columns)})


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_each_row_gets_its_own_value_and_nothing_else_changes(rows: int) -> None:
    given = table(rows)
    made = with_on_demand(given, [scored(lambda c: c["distance"] * c["weather__temp"])])
    assert made.select(given.column_names).equals(given)
    expected = pl.DataFrame(given).select(pl.col("distance") * pl.col("weather__temp"))
    assert pl.DataFrame(made)["comfort__score"].equals(expected.to_series(), check_names=False)


def test_a_column_that_is_there_already_is_computed_anew() -> None:
    given = table(5).append_column("comfort__score", pa.array([0.0] * 5))
    made = with_on_demand(given, [scored(lambda c: c["distance"])])
    assert made["comfort__score"].to_pylist() == given["distance"].to_pylist()
    assert made.num_columns == given.num_columns


def test_no_rows_give_an_empty_column_of_the_declared_type() -> None:
    made = with_on_demand(table(0), [scored(lambda c: 1 / c["distance"])])
    assert (made.num_rows, made["comfort__score"].type) == (0, pa.float64())


ticks = count()


@pytest.mark.parametrize(
    "compute",
    [
        pytest.param(lambda c: c["distance"] - c["distance"].mean(), id="mean of the column"),
        pytest.param(lambda c: c["distance"].cumsum(), id="running sum"),
        pytest.param(lambda c: c["distance"].argsort().argsort(), id="rank"),
        pytest.param(lambda c: np.roll(c["distance"], 1), id="value of the row before"),
        pytest.param(lambda c: c["event_timestamp"] == c["event_timestamp"].max(), id="newest"),
        pytest.param(lambda c: np.random.default_rng().random(len(c["distance"])), id="random"),
        pytest.param(lambda c: c["distance"] + next(ticks), id="clock"),
    ],
)
def test_what_depends_on_other_rows_or_on_chance_is_refused(
    compute: Callable[[Mapping[str, Any]], Any],
) -> None:
    with pytest.raises(OnDemandFailed) as refused:
        with_on_demand(table(1000), [scored(lambda c: compute(c) * 1.0)])
    assert "flights.comfort: feature 'score' of row " in str(refused.value)
    assert "alone, as in a service; compute each row from its own values" in str(refused.value)


def test_a_function_that_needs_every_value_is_refused_before_it_is_served() -> None:
    complete = (
        table(50).drop_columns(["weather__temp"]).append_column("weather__temp", [[1.0] * 50])
    )

    def insists(columns: Mapping[str, Any]) -> Any:
        assert not np.isnan(columns["weather__temp"]).any(), "no weather"
        return columns["distance"]

    with pytest.raises(OnDemandFailed, match="AssertionError: no weather; every row must be"):
        with_on_demand(complete, [scored(insists)])


def test_a_table_without_an_input_says_which() -> None:
    with pytest.raises(OnDemandFailed, match="column 'weather__temp' was not given; there are"):
        with_on_demand(table(3).drop_columns(["weather__temp"]), [scored(lambda c: c["distance"])])


def test_what_is_kept_of_a_declared_view_is_what_ran() -> None:
    features = list(expand(["flights.schedule_pressure:traffic"], catalogue()))
    (function,), sources = read_functions(features)
    source = sources["flights.schedule_pressure"]
    assert function.entry.digest == digest_of_bytes(source)
    assert function.entry.columns == ("schedule_pressure__traffic",)
    assert [stored.column for stored in function.entry.inputs] == [
        "origin_recent__departures_3h",
        "origin_recent__departure_delay_mean_1h",
        "origin_recent__departure_delay_mean_3h",
    ]
    again = function_of(function.entry, source)
    row: dict[str, list[Any]] = {
        "distance": [1400], "scheduled_minutes": [240], "local_hour": [17],
        "origin_recent__departures_3h": [41], "origin_recent__departure_delay_mean_1h": [12.5],
        "origin_recent__departure_delay_mean_3h": [None],
    }  # fmt: skip
    assert function(row) == again(row) == {
        "schedule_pressure__scheduled_speed": [350.0],
        "schedule_pressure__slack_minutes": [27],
        "schedule_pressure__is_evening_peak": [True],
        "schedule_pressure__traffic": ["usual"],
        "schedule_pressure__delay_trend": [None],
    }  # fmt: skip
