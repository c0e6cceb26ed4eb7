"""Aggregates, tags, freshness and bounds in a view's `.yml` become data, or an error that helps."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mlplat_assets.aggregate_declarations import check_against_source
from mlplat_assets.aggregates import Aggregate, WindowedAggregates
from mlplat_assets.dbt_declarations import dbt_views
from mlplat_assets.discovery import DeclarationError, Declared, Team
from mlplat_assets.spec import FeatureView, Field, Source

TEAMS = {"flights": Team(name="flights", owner="a@b.example", first_day=date(2013, 1, 1))}
TEXT = """
version: 2
models:
  - name: ftr_flights__busy
    description: One row per airport and hop.
    config:
      meta:
        feature_view:
          entities: [origin]
          ttl: 3 hours
          freshness: 2 days
          tags: {domain: delays}
          aggregates:
            source: departures
            timestamp: departed_at
            unit: flight_id
            every: 15 minutes
            stream: true
            lateness: 30 minutes
            features:
              departures_1h: {function: count, window: 1 hour}
              delay_mean_1h: {function: mean, column: delay, window: 1 hour}
              delay_max_3h: {function: max, column: delay, window: 3 hours}
              late_share_1h: {function: share, column: delay, above: 15, window: 1 hour}
    columns:
      - {name: origin, data_type: varchar, data_tests: [not_null, {accepted_values: {arguments: {values: [EWR, JFK]}}}]}
      - {name: event_timestamp, data_type: timestamp}
      - {name: created_timestamp, data_type: timestamp}
      - {name: partition_day, data_type: date}
      - {name: departures_1h, data_type: bigint, data_tests: [{null_rate: {arguments: {maximum: 0}}}]}
      - {name: delay_mean_1h, data_type: double}
      - {name: delay_max_3h, data_type: bigint}
      - {name: late_share_1h, data_type: double, data_tests: [{within: {arguments: {minimum: 0, maximum: 1}}}]}
"""  # noqa: E501
SQL = "{{ windowed_aggregates(source('flights', 'departures')) }}"
SOURCE = Source(
    description="Departures.",
    columns=(
        Field(name="flight_id", dtype="string"),
        Field(name="origin", dtype="string"),
        Field(name="departed_at", dtype="timestamp"),
        Field(name="delay", dtype="int"),
        Field(name="weight", dtype="float"),
        Field(name="gate", dtype="string"),
    ),
    read=lambda _first, _last: pl.DataFrame(),
)


def parse(folder: Path, text: str = TEXT, sql: str = SQL) -> Declared[FeatureView]:
    file = folder / "features" / "flights" / "ftr_flights__busy.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.with_suffix(".sql").write_text(sql)
    (view,) = dbt_views(folder, TEAMS)
    return view


def check(view: Declared[FeatureView]) -> None:
    source = Declared(team="flights", name="departures", file=Path("departures.py"), spec=SOURCE)
    check_against_source(view, {"flights.departures": source})


def test_a_declaration_becomes_aggregates_bounds_tags_and_freshness(tmp_path: Path) -> None:
    view = parse(tmp_path)
    check(view)
    hour = timedelta(hours=1)
    assert view.spec.aggregates is not None
    assert view.spec.aggregates == WindowedAggregates(
        source="flights.departures",
        timestamp="departed_at",
        unit="flight_id",
        every=timedelta(minutes=15),
        stream=True,
        lateness=timedelta(minutes=30),
        features={
            "departures_1h": Aggregate(function="count", window=hour),
            "delay_mean_1h": Aggregate(function="mean", window=hour, column="delay"),
            "delay_max_3h": Aggregate(function="max", window=3 * hour, column="delay"),
            "late_share_1h": Aggregate(function="share", window=hour, column="delay", above=15),
        },
    )
    assert view.spec.aggregates.longest == 3 * hour
    assert view.spec.freshness == timedelta(days=2)
    assert view.spec.tags == {"domain": "delays"}
    assert view.spec.entities[0].allowed == ("EWR", "JFK")
    named = {feature.name: feature for feature in view.spec.features}
    assert (named["late_share_1h"].minimum, named["late_share_1h"].maximum) == (0, 1)
    assert named["departures_1h"].max_null_rate == 0
    assert named["delay_mean_1h"] == Field(name="delay_mean_1h", dtype="float")


@pytest.mark.parametrize(
    ("old", "new", "where", "problem", "remedy"),
    [
        ("function: mean", "function: median", "features.delay_mean_1h.function",
         "'median' is unknown", "Use count, sum, mean, min, max, share."),
        ("function: mean, column: delay,", "function: mean,", "features.delay_mean_1h.column",
         "is missing for mean", "Name the column to aggregate."),
        ("{function: count,", "{function: count, column: delay,", "features.departures_1h.column",
         "is 'delay' for count", "Remove it: rows are counted."),
        ("above: 15, ", "", "features.late_share_1h.above", "is missing for share",
         "Write a number: the share of values greater than it."),
        ("above: 15, ", "above: late, ", "features.late_share_1h.above", "is 'late' for share",
         "Write a number: the share of values greater than it."),
        ("{function: max, ", "{function: max, above: 3, ", "features.delay_max_3h.above",
         "is 3 for max", "Remove it: only a share has it."),
        ("delay, window: 3 hours", "delay, window: 100 minutes", "features.delay_max_3h.window",
         "'100 minutes' is not a whole multiple of every", "Write a multiple of 0:15:00."),
        ("delay, window: 3 hours", "delay, window: 0 hours", "features.delay_max_3h.window",
         "'0 hours' is zero", "Write a longer one."),
        ("every: 15 minutes", "every: -15 minutes", "every", "'-15 minutes' is no duration",
         "Write it like '6 hours' or '7 days'."),
        ("every: 15 minutes", "every: 0 minutes", "every", "'0 minutes' is zero", "longer"),
        ("lateness: 30 minutes", "lateness: soon", "lateness", "'soon' is no duration", "Write"),
        ("            unit: flight_id\n", "", "unit", "is missing", "Add it."),
        ("stream: true", "stream: 1", "stream", "1 is not true or false", "Correct it."),
        ("stream: true", "streams: true", "aggregates", "unknown field 'streams'",
         "Remove it or correct its name."),
        ("{function: count, window", "{function: count, windows", "features.departures_1h",
         "unknown field 'windows'", "Remove it or correct its name."),
        ("              departures_1h: {function: count, window: 1 hour}\n", "",
         "columns.departures_1h", "is no feature of aggregates", "remove the column"),
        ("departures_1h: {function", "departures_2h: {function", "features.departures_2h",
         "is not described under columns", "Describe it there"),
        ("departures_1h, data_type: bigint", "departures_1h, data_type: double",
         "columns.departures_1h.data_type", "'double' is not what count gives", "Write bigint."),
        ("delay_mean_1h, data_type: double", "delay_mean_1h, data_type: bigint",
         "columns.delay_mean_1h.data_type", "'bigint' is not what mean gives", "Write double."),
        ("late_share_1h, data_type: double", "late_share_1h, data_type: real",
         "columns.late_share_1h.data_type", "'real' is not what share gives", "Write double."),
        ("freshness: 2 days", "freshness: 0 days", "freshness", "'0 days' is zero", "longer"),
        ("tags: {domain: delays}", "tags: [delays]", "tags", "is no mapping of texts",
         "Write {domain: delays, ...}."),
        ("ttl: 3 hours", "online: false", "online", "is false for a view with stream: true",
         "Remove one of them."),
        ("minimum: 0, maximum: 1}", "minimum: 2, maximum: 1}",
         "columns.late_share_1h.data_tests.within", "minimum 2 is above maximum 1", "Swap them."),
        ("minimum: 0, maximum: 1}", "maximum: 1}", "columns.late_share_1h.data_tests.within",
         "minimum None is no number", "Write arguments: {minimum: 0}."),
        ("{maximum: 0}", "{maximum: 5}", "columns.departures_1h.data_tests.null_rate",
         "maximum 5 is no share", "Write 0 to 1."),
        # What only the source can say.
        ("timestamp: departed_at", "timestamp: left_at", "timestamp",
         "the source has no column 'left_at'", "Use one of flight_id, origin,"),
        ("timestamp: departed_at", "timestamp: delay", "timestamp",
         "column 'delay' of the source is int, not timestamp", "Name another column"),
        ("function: mean, column: delay", "function: mean, column: dely",
         "features.delay_mean_1h.column", "the source has no column 'dely'", "Use one of"),
        ("function: mean, column: delay", "function: mean, column: gate",
         "features.delay_mean_1h.column", "column 'gate' of the source is string", "Name another"),
        ("function: max, column: delay", "function: max, column: weight",
         "columns.delay_max_3h.data_type", "is not what max of weight (float) gives",
         "Write double."),
        ("name: origin, data_type: varchar", "name: origin, data_type: bigint", "entities",
         "column 'origin' of the source is string, not int", "correct its type"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_names_file_field_value_and_remedy(
    tmp_path: Path, old: str, new: str, where: str, problem: str, remedy: str
) -> None:
    assert old in TEXT
    with pytest.raises(DeclarationError) as refused:
        check(parse(tmp_path, TEXT.replace(old, new, 1)))
    message = str(refused.value)
    assert "ftr_flights__busy.yml: " in message
    assert f"{where}: " in message, message
    assert problem in message, message
    assert remedy in message, message
    assert "\n" not in message


def test_a_source_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace("source: departures", "source: departure")
    view = parse(tmp_path, text, SQL.replace("departures", "departure"))
    with pytest.raises(DeclarationError, match=r"aggregates.source: 'flights.departure' is not de"):
        check(view)


def test_sql_that_reads_another_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"ftr_flights__busy.sql: model: does not call wind"):
        parse(tmp_path, sql=SQL.replace("departures", "arrivals"))


@pytest.mark.parametrize(
    ("data_type", "dtype"),
    [
        ("real", "float32"),
        ("double", "float"),
        ("bigint", "int"),
        ("blob", "bytes"),
        ("double[]", "list[float]"),
        ("bigint[]", "list[int]"),
        ("varchar[]", "list[string]"),
    ],
)
def test_every_stored_type_can_be_declared(tmp_path: Path, data_type: str, dtype: str) -> None:
    content: Any = yaml.safe_load(TEXT)
    model = content["models"][0]
    del model["config"]["meta"]["feature_view"]["aggregates"]
    model["columns"].append({"name": "extra", "data_type": data_type})
    view = parse(tmp_path, yaml.safe_dump(content))
    assert view.spec.features[-1] == Field(name="extra", dtype=dtype)  # type: ignore[arg-type]
