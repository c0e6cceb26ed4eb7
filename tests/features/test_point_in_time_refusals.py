"""What the point-in-time join refuses, and what it says then."""

from datetime import date, timedelta

import pandas as pd
import pyarrow as pa

from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join
from tests.features.small_frames import NOON, entity_frame, refusal, temps, weather


def test_keys_of_different_types_are_refused_with_both_types() -> None:
    asked = entity_frame(NOON, airport=[7])
    with refusal(TypeError, "'airport' of view 'flights.weather' is String", "is Int64", "cast"):
        temps(asked, weather(("EWR", NOON, NOON, 1)))


def test_integers_that_pandas_made_floats_are_refused_rather_than_rounded() -> None:
    frame = pa.table({"k": [2**53 + 1], "at": [NOON], "x": [1]})
    asked = pd.DataFrame({"k": [2**53 + 1, None], "event_timestamp": [NOON, NOON]})
    with refusal(TypeError, "is Float64", "pandas turns integers with nulls into floats"):
        point_in_time_join(asked, [ViewFrame("v", frame, ("k",), ("x",), "at")])


def test_a_date_is_refused_as_event_time() -> None:
    frame = pa.table({"day": [date(2013, 1, 1)], "x": [1]})
    with refusal(TypeError, "'day' of view 'v' is Date", "cast it to the moment"):
        point_in_time_join(entity_frame(NOON), [ViewFrame("v", frame, (), ("x",), "day")])


def test_a_missing_column_is_named_with_its_owner_and_what_there_is() -> None:
    with refusal(LookupError, "the entity frame has no column 'airport'", "event_timestamp"):
        temps(entity_frame(NOON), weather())
    with refusal(LookupError, "view 'flights.weather' has no column 'wind'", "temp"):
        temps(entity_frame(NOON, airport=["EWR"]), weather(features=("wind",)))


def test_a_column_that_is_there_twice_is_refused() -> None:
    frame = pa.Table.from_arrays([pa.array([NOON]), pa.array([1]), pa.array([2])], ["at", "x", "x"])
    with refusal(ValueError, "view 'v' has column 'x' twice"):
        point_in_time_join(entity_frame(NOON), [ViewFrame("v", frame, (), ("x",), "at")])


def test_a_collision_of_names_is_refused_and_says_how_to_avoid_it() -> None:
    asked = entity_frame(NOON, airport=["EWR"], temp=[1])
    with refusal(ValueError, "'temp'", "the entity frame and from view 'flights.weather'",
                 "full_feature_names=True"):  # fmt: skip
        temps(asked, weather())
    twice = [weather(), weather()]
    with refusal(ValueError, "'weather__temp'", "a name of its own"):
        point_in_time_join(entity_frame(NOON, airport=["EWR"]), twice, full_feature_names=True)


def test_known_at_needs_a_created_timestamp() -> None:
    with refusal(ValueError, "view 'flights.weather' has no created_timestamp", "known_at"):
        temps(entity_frame(NOON, airport=["A"]), weather(created_timestamp=None), known_at=True)


def test_a_view_that_contradicts_itself_is_refused() -> None:
    with refusal(ValueError, "view 'flights.weather': ttl is -1 day"):
        weather(ttl=timedelta(days=-1))
    with refusal(ValueError, "names 'city', 1 times, and the keys are ['airport']"):
        weather(key_map={"origin": "city"})
    with refusal(ValueError, "names 'airport', 2 times"):
        weather(key_map={"origin": "airport", "dest": "airport"})


def test_something_that_is_no_frame_is_refused() -> None:
    with refusal(TypeError, "got a list", "pyarrow Table"):
        point_in_time_join([], [])  # type: ignore[arg-type]
