"""On-demand features of the feature store: of the past, of now and as served, all equal."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from bentos.model_server.artefact.card import OnDemandEntry
from bentos.model_server.artefact.on_demand import OnDemandFailed, load_functions
from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.on_demand import read_functions
from mlplat_assets.features.store import FeatureStore
from mlplat_assets.references import expand
from resources.online_sqlite import SqliteOnlineStore
from resources.online_store import FeatureValues, Status, ViewRequest
from tests.features.small_frames import KINDS, MICROSECOND, refusal, to_pandas
from tests.features.small_store import HOUR, NOW, Shop, declared, on_demand, service, shop_at

PRESSURE, RECENT = "flights.schedule_pressure", "flights.origin_recent"
WEATHER = declared(
    "weather", {"airport": "string"}, {"temp": "float", "wind": "float"}, ttl=6 * HOUR
)
OTHER_WEATHER = declared("weather", {"airport": "string"}, {"temp": "float"}, team="other")
PLANE = declared("plane", {"tailnum": "string"}, {"seats": "int", "built": "timestamp"})
KEPT = declared("kept", {"airport": "string"}, {"gates": "int"}, online=False)
HEAD = """
import numpy as np
from mlplat_assets.spec import Field, OnDemandView
"""
TRIP = f"""{HEAD}
def compute(columns):
    since = columns["event_timestamp"] - np.datetime64("2013-06-01", "us")
    return {{
        "degrees_a_stop": columns["weather__temp"] / columns["stops"],
        "seats_left": columns["plane__seats"] - np.ceil(columns["load"]),
        "age": (columns["event_timestamp"] - columns["plane__built"]) / np.timedelta64(1, "D"),
        "hour": np.floor(since / np.timedelta64(1, "h")),
        "direct": np.where(np.isnan(columns["stops"]), np.nan, columns["stops"] == 0),
        "flown_by": columns["airline"],
    }}

ON_DEMAND = OnDemandView(
    description="Some.",
    request=(
        Field(name="stops", dtype="int"), Field(name="load", dtype="float"),
        Field(name="airline", dtype="string"), Field(name="event_timestamp", dtype="timestamp"),
    ),
    inputs=("shop.weather:temp", "shop.plane:seats", "shop.plane:built"),
    features=(
        Field(name="degrees_a_stop", dtype="float"), Field(name="seats_left", dtype="int"),
        Field(name="age", dtype="float32"), Field(name="hour", dtype="int"),
        Field(name="direct", dtype="bool"), Field(name="flown_by", dtype="string"),
    ),
    compute=compute,
)
"""
MADE = ["degrees_a_stop", "seats_left", "age", "hour", "direct", "flown_by"]


def over(expression: str, stored: str, *request: str) -> str:
    """The source of a view with the features `temp` and `feels`, both the expression."""
    return f"""{HEAD}
def compute(columns):
    found = {expression}
    return {{"temp": found, "feels": found}}

ON_DEMAND = OnDemandView(
    description="Some.",
    request=({"".join(f"{field}, " for field in request)}),
    inputs=({stored!r},),
    features=(Field(name="temp", dtype="float"), Field(name="feels", dtype="float")),
    compute=compute,
)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with shop_at(tmp_path) as shop:
        yield shop


@pytest.fixture
def store(shop: Shop, tmp_path: Path) -> FeatureStore:
    """Two airports' weather an hour ago, one plane's row of yesterday, three on-demand views."""
    views = (
        on_demand(tmp_path / "declared", "shop.trip", TRIP),
        on_demand(
            tmp_path / "declared",
            "shop.chill",
            over('columns["weather__temp"] - 10', "shop.weather:temp"),
        ),
        on_demand(
            tmp_path / "declared", "shop.gated", over('columns["kept__gates"]', "shop.kept:gates")
        ),
    )
    listed = service("trips_v1", "shop.trip:flown_by", "shop.weather:wind", "shop.trip:hour")
    made = shop.store(WEATHER, PLANE, KEPT, services=(listed,), on_demand=views)
    for airport, temp, wind in (("EWR", 40.0, 5.0), ("JFK", None, 7.0)):
        push(made, WEATHER.full_name, airport=airport, temp=temp, wind=wind)
    built = datetime(2003, 6, 1, 12, tzinfo=UTC)
    push(made, PLANE.full_name, tailnum="N1", seats=150, built=built, event_timestamp=NOW - HOUR)
    return made


def push(store: FeatureStore, view: str, **row: object) -> None:
    """One row into both stores, by default of an hour ago."""
    moment = {"event_timestamp": NOW - HOUR}
    types = {"temp": pl.Float64, "tailnum": pl.String}
    columns = {name: [value] for name, value in (moment | row).items()}
    frame = pl.DataFrame(
        columns, schema_overrides={name: types[name] for name in columns if name in types}
    )
    store.push(view, frame, to="both")


ROW: dict[str, Any] = {
    "airport": "EWR", "tailnum": "N1", "stops": 2, "load": 61.5, "airline": "UA",
}  # fmt: skip
EXPECTED: dict[str, Any] = {
    "degrees_a_stop": 20.0, "seats_left": 88, "age": 3653.0, "hour": 12, "direct": False,
    "flown_by": "UA",
}  # fmt: skip


def frame(*rows: dict[str, Any], at: datetime | None = NOW) -> pa.Table:
    """An entity frame, every row asked about one moment."""
    types = {
        "stops": pa.int64(), "airport": pa.string(), "tailnum": pa.string(), "load": pa.float64(),
        "airline": pa.string(),
    }  # fmt: skip
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    return pa.table(columns | {"event_timestamp": [at] * len(rows)}).cast(
        pa.schema([*types.items(), ("event_timestamp", pa.timestamp("us", "UTC"))])
    )


def test_what_was_served_online_is_what_history_gives_and_what_a_model_is_served(
    shop: Shop, tmp_path: Path
) -> None:
    """Three airports for 18 hours; one has no departure in many an hour, one falls silent.

    The functions of the third are loaded from an artefact, as a service does.
    """
    declarations, numbers = catalogue(), random.Random(1)
    view, pressure = declarations.views[RECENT], declarations.on_demand[PRESSURE]
    store = shop.store(view, on_demand=(pressure,))
    asked: list[dict[str, Any]] = []
    online, served = [], []
    (function,) = load_functions([entry_in(tmp_path)], tmp_path)
    stored = [one.column for one in function.entry.inputs]
    wanted = [PRESSURE, *(f"{RECENT}:{name.partition('__')[2]}" for name in stored)]
    for hour in range(18):
        shop.now = NOW + hour * HOUR
        for origin in ("EWR", "LGA", "JFK")[: 3 if hour < 3 else 2]:
            silent = origin == "LGA" and hour % 3
            row: dict[str, Any] = {
                feature.name: None if silent else numbers.gauss(10, 20)
                for feature in view.spec.features
            }
            row["departures_3h"] = numbers.randrange(120)
            rows = pl.DataFrame(
                {"origin": [origin], "event_timestamp": [shop.now], **row},
                schema_overrides={n: pl.Float64 for n in row if n != "departures_3h"},
            )
            store.push(RECENT, rows, to="both")
        moment = shop.now + numbers.randrange(3_600_000_000) * MICROSECOND
        requests: list[dict[str, Any]] = [
            {
                "origin": origin,
                "distance": numbers.choice([184, 1400, 4963, None]),
                "scheduled_minutes": numbers.choice([0, 45, 240, None]),
                "local_hour": numbers.choice([0, 15, 16, 19, 20, 23, None]),
            }
            for origin in ("EWR", "LGA", "JFK", "ORD", None)
        ]
        found = store.get_online_features(requests, wanted, at=moment, full_feature_names=True)
        for request, row in zip(requests, found.rows, strict=True):
            asked.append({**request, "event_timestamp": moment})
            online.append({name: row[name] for name in function.gives})
            known = {**request, **{name: row[name] for name in stored}}
            alone = function({name: [value] for name, value in known.items()})
            served.append({name: values[0] for name, values in alone.items()})
    past = store.get_historical_features(
        pl.DataFrame(asked, infer_schema_length=None), PRESSURE, full_feature_names=True
    )
    offline = past.select(list(function.gives)).to_pylist()
    assert offline == online == served
    values = {name: {row[name] for row in offline} for name in function.gives}
    assert values.pop("schedule_pressure__is_evening_peak") == {True, False}
    assert all(len(found) > 2 and None in found for found in values.values())


def entry_in(folder: Path) -> OnDemandEntry:
    """The entry of schedule_pressure in a model's card, its source beside it."""
    (function,), sources = read_functions(expand([PRESSURE], catalogue()))
    file = folder / function.entry.source
    file.parent.mkdir()
    file.write_bytes(sources[PRESSURE])
    return function.entry


def test_every_type_is_computed_alike_from_both_stores(store: FeatureStore) -> None:
    past = store.get_historical_features(frame(ROW), "shop.trip")
    assert past.select(MADE).to_pylist() == [EXPECTED]
    assert [str(past.schema.field(name).type) for name in MADE] == [
        "double", "int64", "float", "int64", "bool", "string",
    ]  # fmt: skip
    now = store.get_online_features([ROW], "shop.trip")
    assert now.rows == [{**ROW, **EXPECTED}]
    assert asyncio.run(store.get_online_features_async([ROW], "shop.trip")) == now


def test_computed_and_stored_columns_come_in_the_order_asked_for(store: FeatureStore) -> None:
    wanted = ["shop.trip:flown_by", "shop.weather:wind", "shop.trip:hour"]
    rows = frame(ROW, ROW | {"airport": "JFK"}).append_column("note", pa.array(["a", "b"]))
    for asked in (wanted, "shop.trips_v1", [wanted[0], *wanted]):
        found = store.get_historical_features(rows, asked)
        assert found.column_names == [*rows.column_names, "flown_by", "wind", "hour"]
        assert found.select(rows.column_names) == rows
        assert found["wind"].to_pylist() == [5.0, 7.0]
        now = store.get_online_features([ROW], asked)
        assert list(now.rows[0]) == [*ROW, "flown_by", "wind", "hour"]
        assert list(now.statuses[0]) == ["flown_by", "wind", "hour"]
    full = store.get_historical_features(rows, wanted, full_feature_names=True)
    assert full.column_names[-3:] == ["trip__flown_by", "weather__wind", "trip__hour"]
    now = store.get_online_features([ROW], wanted, full_feature_names=True)
    assert list(now.rows[0])[-3:] == ["trip__flown_by", "weather__wind", "trip__hour"]


def test_an_input_comes_back_only_if_it_is_asked_for_itself(store: FeatureStore) -> None:
    asked = ["shop.trip:degrees_a_stop", "shop.weather:temp"]
    alone = store.get_historical_features(frame(ROW), asked[0])
    assert alone.column_names == [*frame(ROW).column_names, "degrees_a_stop"]
    both = store.get_historical_features(frame(ROW), asked)
    assert both.select(["degrees_a_stop", "temp"]).to_pylist() == [
        {"degrees_a_stop": 20.0, "temp": 40.0}
    ]
    assert list(store.get_online_features([ROW], asked[0]).rows[0])[-1:] == ["degrees_a_stop"]
    now = store.get_online_features([ROW], asked)
    assert list(now.rows[0].items())[-2:] == [("degrees_a_stop", 20.0), ("temp", 40.0)]


def test_a_column_named_like_an_input_is_neither_in_the_way_nor_taken(store: FeatureStore) -> None:
    rows = frame(ROW).append_column("weather__temp", pa.array([-99.0]))
    found = store.get_historical_features(rows, "shop.trip:degrees_a_stop")
    assert found.select(["weather__temp", "degrees_a_stop"]).to_pylist() == [
        {"weather__temp": -99.0, "degrees_a_stop": 20.0}
    ]
    now = store.get_online_features([ROW | {"weather__temp": -99.0}], "shop.trip:degrees_a_stop")
    assert now.rows[0]["degrees_a_stop"] == 20.0


def test_provenance_is_that_of_every_view_whose_rows_made_a_value(store: FeatureStore) -> None:
    found = store.get_historical_features(
        frame(ROW), ["shop.trip:degrees_a_stop", "shop.trip:hour"], provenance=True
    )
    facts = ("event_timestamp", "partition", "data_version", "staleness")
    assert found.column_names[-10:] == [
        "degrees_a_stop", "hour",
        *(f"weather__{fact}" for fact in facts), *(f"plane__{fact}" for fact in facts),
    ]  # fmt: skip
    assert found["weather__staleness"].to_pylist() == [HOUR]
    assert found["plane__partition"].to_pylist() == [date(2013, 6, 1)]
    now = store.get_online_features([ROW], "shop.trip:hour")
    assert now.event_timestamps == [{"shop.weather": NOW - HOUR, "shop.plane": NOW - HOUR}]


def test_inputs_are_those_of_each_rows_moment(store: FeatureStore) -> None:
    push(store, "shop.weather", airport="EWR", temp=60.0, wind=1.0, event_timestamp=NOW)
    moments = [NOW - HOUR - MICROSECOND, NOW - MICROSECOND, NOW, NOW + 6 * HOUR + MICROSECOND]
    rows = pa.concat_tables([frame(ROW, at=moment) for moment in moments])
    found = store.get_historical_features(rows, "shop.chill:feels")
    assert found["feels"].to_pylist() == [None, 30.0, 50.0, None]
    known = store.get_historical_features(rows, "shop.chill:feels", known_at=True)
    assert known["feels"].to_pylist() == [None, None, 50.0, None]


def test_a_computed_value_is_present_or_null_whatever_became_of_its_inputs(
    store: FeatureStore,
) -> None:
    rows = [ROW, ROW | {"airport": "JFK"}, ROW | {"airport": "ORD"}, ROW | {"airport": None}]
    asked = ["shop.weather:temp", "shop.trip:degrees_a_stop", "shop.trip:hour"]
    found = store.get_online_features(rows, asked)
    present, null, absent = Status.PRESENT, Status.NULL, Status.NOT_FOUND
    assert [list(row.values()) for row in found.statuses] == [
        [present, present, present], [null, null, present], [absent, null, present],
        [absent, null, present],
    ]  # fmt: skip
    old = store.get_online_features(rows[:1], asked, at=NOW + 5 * HOUR + MICROSECOND)
    assert list(old.statuses[0].values()) == [Status.OUTSIDE_MAX_AGE, null, present]


def test_nulls_of_a_request_are_data(store: FeatureStore) -> None:
    nothing = ROW | {"stops": None, "load": None, "airline": None}
    expected = dict.fromkeys(MADE) | {"age": 3653.0, "hour": 12}
    assert store.get_online_features([nothing], "shop.trip").rows == [{**nothing, **expected}]
    past = store.get_historical_features(frame(nothing), "shop.trip")
    assert past.select(MADE).to_pylist() == [expected]
    untyped = frame(nothing).set_column(0, "stops", pa.nulls(1))
    found = store.get_historical_features(untyped, "shop.trip")
    assert found.select(MADE).to_pylist() == [expected]
    assert found["stops"].type == pa.null()
    timeless = store.get_historical_features(frame(ROW, at=None), "shop.trip")
    assert timeless.select(["hour", "age", "flown_by"]).to_pylist() == [
        {"hour": None, "age": None, "flown_by": "UA"}
    ]


def test_no_rows_give_typed_columns_and_no_answers(store: FeatureStore) -> None:
    empty = store.get_historical_features(frame(), "shop.trip", provenance=True)
    assert empty.num_rows == 0
    assert empty.schema.field("direct").type == pa.bool_()
    assert store.get_online_features([], "shop.trip").rows == []


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars"])
def test_every_kind_of_frame_brings_a_request(store: FeatureStore, kind: str) -> None:
    rows = frame(ROW, ROW | {"stops": None})
    given: Any = KINDS[kind](rows)
    found = store.get_historical_features(given, "shop.trip")
    assert found["degrees_a_stop"].to_pylist() == [20.0, None]
    assert found["flown_by"].to_pylist() == ["UA", "UA"]


def test_a_pandas_frame_comes_back_with_its_own_types(store: FeatureStore) -> None:
    given = to_pandas(frame(ROW, ROW | {"stops": None}))
    for features in ("shop.weather", "shop.trip"):
        found = store.get_historical_features(given, features).to_pandas()
        assert found[list(given)].dtypes.equals(given.dtypes)


def test_a_request_may_come_in_any_form_that_holds_the_same_values(store: FeatureStore) -> None:
    rows = frame(ROW | {"load": 61.0})
    rows = rows.set_column(0, "stops", rows["stops"].cast(pa.int8()))
    rows = rows.set_column(3, "load", rows["load"].cast(pa.int32()))
    rows = rows.set_column(4, "airline", rows["airline"].dictionary_encode())
    zoned = rows["event_timestamp"].cast(pa.timestamp("ms", "+05:30"))
    rows = rows.drop_columns("event_timestamp").append_column("decided_at", zoned)
    found = store.get_historical_features(rows, "shop.trip")
    expected = EXPECTED | {"seats_left": 89}
    assert found.select(MADE).to_pylist() == [expected]
    assert found.select(rows.column_names) == rows
    assert store.get_online_features([ROW | {"load": 61}], "shop.trip").rows[0] == {
        **ROW, "load": 61, **expected,
    }  # fmt: skip


def test_a_request_that_lacks_something_is_refused_by_name(store: FeatureStore) -> None:
    parts = ("'stops' (int), 'airline' (string)", "on-demand view 'shop.trip'", "add them")
    with refusal(LookupError, "the entity frame lacks", *parts, "it has airport, tailnum, load"):
        store.get_historical_features(frame(ROW).drop_columns(["stops", "airline"]), "shop.trip")
    short = {name: ROW[name] for name in ("airport", "tailnum", "load")}
    with refusal(LookupError, "entity row 1 lacks", *parts, "it has airport, tailnum, load"):
        store.get_online_features([ROW, short], "shop.trip:hour")
    with refusal(LookupError, "entity row 0 has no 'tailnum', a key of view 'shop.plane'"):
        store.get_online_features([{"airport": "EWR"}], "shop.trip:hour")


@pytest.mark.parametrize(
    ("name", "value", "error", "found"),
    [
        ("stops", 2.0, TypeError, ("is double, declared is int: cast it", "a float")),
        ("stops", "2", TypeError, ("is string, declared is int: cast it", "a str")),
        ("stops", True, TypeError, ("is bool, declared is int: cast it", "a bool")),
        ("load", "61", TypeError, ("is string, declared is float: cast it", "a str")),
        ("airline", 7, TypeError, ("is int64, declared is string: cast it", "a int")),
        ("stops", 2**63, ValueError, ("does not fit int", "does not fit 64 bits")),
        ("load", 2**53 + 1, (TypeError, ValueError), ("does not fit float", "takes float")),
    ],
)
def test_a_request_of_another_type_is_refused_by_name(
    store: FeatureStore,
    name: str,
    value: Any,
    error: type[Exception],
    found: tuple[str, str],
) -> None:
    rows = frame(ROW)
    kind = pa.uint64() if value == 2**63 else None
    wrong = rows.set_column(rows.column_names.index(name), name, pa.array([value], kind))
    said = f"column {name!r} of the entity frame, which on-demand view 'shop.trip' takes"
    with refusal(error, said, found[0]):
        store.get_historical_features(wrong, "shop.trip")
    with refusal(error, f"entity row 1: {name} is {value!r}", found[1]):
        store.get_online_features([ROW, ROW | {name: value}], "shop.trip")


def test_one_question_has_one_decision_time(store: FeatureStore) -> None:
    later = store.get_online_features([ROW], "shop.trip:hour", at=NOW + 3 * HOUR)
    assert later.rows[0]["hour"] == 15
    with refusal(ValueError, "entity row 0 has 'event_timestamp'", "pass the moment as `at`"):
        store.get_online_features([ROW | {"event_timestamp": "2013-06-01"}], "shop.trip:hour")


def test_two_columns_of_one_name_are_refused_as_those_of_stored_features(
    store: FeatureStore,
) -> None:
    asked = ["shop.weather:temp", "shop.chill:temp"]
    says = "output column 'temp' would come from view 'shop.weather' and from on-demand view"
    with refusal(ValueError, says, "'shop.chill'", "full_feature_names=True"):
        store.get_historical_features(frame(ROW), asked)
    with refusal(ValueError, "'temp' would come from two places", "full_feature_names=True"):
        store.get_online_features([ROW], asked)
    full = store.get_historical_features(frame(ROW), asked, full_feature_names=True)
    assert full.select(["weather__temp", "chill__temp"]).to_pylist() == [
        {"weather__temp": 40.0, "chill__temp": 30.0}
    ]
    now = store.get_online_features([ROW], asked, full_feature_names=True).rows[0]
    assert (now["weather__temp"], now["chill__temp"]) == (40.0, 30.0)
    taken = frame(ROW).append_column("feels", pa.array([1.0]))
    with refusal(ValueError, "'feels' would come from the entity frame and from on-demand view"):
        store.get_historical_features(taken, "shop.chill")


def test_views_of_one_name_in_two_teams_keep_apart(shop: Shop, tmp_path: Path) -> None:
    views = tuple(
        on_demand(
            tmp_path, f"{team}.chill", over('columns["weather__temp"]', f"{team}.weather:temp")
        )
        for team in ("shop", "other")
    )
    store = shop.store(WEATHER, OTHER_WEATHER, on_demand=views)
    push(store, WEATHER.full_name, airport="EWR", temp=1.0, wind=0.0)
    push(store, OTHER_WEATHER.full_name, airport="EWR", temp=2.0)
    asked = ["shop.chill:temp", "other.chill:feels"]
    past = store.get_historical_features(frame(ROW), asked)
    assert past.select(["temp", "feels"]).to_pylist() == [{"temp": 1.0, "feels": 2.0}]
    now = store.get_online_features([{"airport": "EWR"}], asked).rows[0]
    assert (now["temp"], now["feels"]) == (1.0, 2.0)


def test_without_an_entity_frame_a_function_has_keys_and_moments_and_nothing_else(
    store: FeatureStore, shop: Shop, tmp_path: Path
) -> None:
    span: dict[str, Any] = {"start": NOW - 2 * HOUR, "end": NOW}
    with refusal(ValueError, "nothing gives stops, load, airline", "'shop.trip'", "entity_df"):
        store.get_historical_features(features=["shop.weather", "shop.trip"], **span)
    found = store.get_historical_features(features=["shop.chill:feels", "shop.weather"], **span)
    assert found.to_pylist() == [
        {"airport": a, "event_timestamp": NOW - HOUR, "feels": f, "temp": t, "wind": w}
        for a, f, t, w in (("EWR", 30.0, 40.0, 5.0), ("JFK", None, None, 7.0))
    ]
    moment = 'Field(name="event_timestamp", dtype="timestamp")'
    named = 'Field(name="airport", dtype="string")'
    hours = over(
        '(columns["event_timestamp"] - np.datetime64("2013-06-01")) / np.timedelta64(1, "h")'
        ' + (columns["airport"] == "JFK")',
        "shop.weather:temp", moment, named,
    )  # fmt: skip
    timed = shop.store(WEATHER, on_demand=(on_demand(tmp_path / "timed", "shop.timed", hours),))
    told = timed.get_historical_features(features="shop.timed:feels", **span)
    assert told["feels"].to_pylist() == [11.0, 12.0]


def test_a_function_of_the_request_alone_needs_no_store(shop: Shop, tmp_path: Path) -> None:
    field = 'Field(name="event_timestamp", dtype="timestamp")'
    source = over('columns["event_timestamp"].astype("int64") * 1.0', "", field)
    made = on_demand(tmp_path, "shop.clock", source.replace("inputs=('',)", "inputs=()"))
    store = shop.store(on_demand=(made,))
    moment = pa.table({"event_timestamp": pa.array([NOW], pa.timestamp("us", "UTC"))})
    past = store.get_historical_features(moment, "shop.clock:feels")
    assert past["feels"].to_pylist() == [NOW.timestamp() * 1e6]
    assert store.get_online_features([{}, {}], "shop.clock:feels").to_dict() == {
        "feels": [NOW.timestamp() * 1e6] * 2
    }
    with refusal(ValueError, "on-demand view 'shop.clock' takes none", "pass entity_df"):
        store.get_historical_features(features="shop.clock", start=NOW, end=NOW)


class Counting(SqliteOnlineStore):
    """Counts the trips to the store."""

    trips = 0

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        self.trips += 1
        return super().read(requests, at)


def test_inputs_are_read_in_the_same_trip(shop: Shop, tmp_path: Path) -> None:
    trip = on_demand(tmp_path / "declared", "shop.trip", TRIP)
    with closing(Counting(str(tmp_path / "counted.sqlite"), timeout=5)) as counting:
        shop.online = counting
        store = shop.store(WEATHER, PLANE, on_demand=(trip,))
        asked = ["shop.weather:wind", "shop.trip"]
        assert len(store.get_online_features([ROW] * 20, asked).rows) == 20
        assert counting.trips == 1


def test_a_function_that_looks_at_other_rows_or_fails_is_refused(
    store: FeatureStore, shop: Shop, tmp_path: Path
) -> None:
    with refusal(ValueError, "'shop.kept' is not online"):
        store.get_online_features([ROW], "shop.gated")
    mean = 'columns["weather__temp"] - columns["weather__temp"].sum()'
    faulty = shop.store(
        WEATHER,
        on_demand=(
            on_demand(tmp_path / "a", "shop.mean", over(mean, "shop.weather:temp")),
            on_demand(tmp_path / "b", "shop.whole", over("1 / 0", "shop.weather:temp")),
        ),
    )  # fmt: skip
    rows = frame(ROW, ROW)
    with refusal(OnDemandFailed, "shop.mean: feature 'temp' of row 0", "its own values"):
        faulty.get_historical_features(rows, "shop.mean")
    answers = faulty.get_online_features([ROW, ROW], "shop.mean:feels")
    assert answers.to_dict()["feels"] == [0.0, 0.0], "each row is computed alone"
    with refusal(OnDemandFailed, "on-demand view shop.whole", "line 6, raised ZeroDivisionError"):
        faulty.get_online_features([ROW], "shop.whole")
    with refusal(OnDemandFailed, "on-demand view shop.whole", "ZeroDivisionError"):
        faulty.get_historical_features(rows, "shop.whole")


def test_a_function_is_read_once(store: FeatureStore, tmp_path: Path) -> None:
    """A long-lived store answers with the declaration that it began with."""
    before = store.get_online_features([ROW], "shop.chill:feels").rows[0]["feels"]
    file = tmp_path / "declared" / "shop" / "chill.py"
    file.write_text(file.read_text().replace("- 10", "- 20"))
    assert store.get_online_features([ROW], "shop.chill:feels").rows[0]["feels"] == before
    found = store.get_historical_features(frame(ROW), "shop.chill:temp")["temp"].to_pylist()
    assert found == [before]


def test_the_same_snapshot_gives_the_same_value_after_its_inputs_changed(
    store: FeatureStore, shop: Shop
) -> None:
    snapshot = shop.lake.snapshot()
    push(store, "shop.weather", airport="EWR", temp=0.0, wind=0.0,
         event_timestamp=NOW - timedelta(minutes=1))  # fmt: skip
    now, then = (
        store.get_historical_features(frame(ROW), "shop.chill:feels", as_of_snapshot=at)
        for at in (None, snapshot)
    )
    assert (now["feels"].to_pylist(), then["feels"].to_pylist()) == ([-10.0], [30.0])
