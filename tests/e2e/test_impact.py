"""What a bad partition touched: rows counted one by one, predictions by what each recorded."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from typer.testing import Result

from mlplat_assets.commands.impact import reaches_of, table_named
from mlplat_assets.models.lineage.impact import Reach, touched_sets
from mlplat_assets.monitoring.predictions import ingest
from tests.small_home import write_prediction
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")

Run = Callable[..., Result]
BAD = date(2013, 2, 3)
ROUTES = "features.flights__route_recent"


def told(run: Run, *arguments: str, status: int = 0) -> str:
    result = run("impact", *arguments)
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def document(run: Run, *partition: str) -> dict[str, Any]:
    return json.loads(run("impact", "--partition", *partition, "--json").output)


@pytest.fixture(scope="module", autouse=True)
def predicted(copy: World) -> dict[str, list[str]]:
    """Three predictions of the arrival model; which of them read the bad day of which view."""
    version = copy.registry.version(ARRIVAL, 1)
    read: dict[str, list[str]] = {"weather": [], "route_recent": []}
    for number, days in enumerate(
        [
            {"flights.weather": BAD, "flights.route_recent": BAD},
            {"flights.weather": BAD, "flights.route_recent": BAD - timedelta(days=1)},
            {"flights.weather": BAD + timedelta(days=1), "flights.route_recent": None},
        ]
    ):
        prediction = f"{number:032x}"
        write_prediction(
            copy.home,
            version,
            prediction_id=prediction,
            served_at=f"2013-02-04T0{number}:00:00+00:00",
            feature_partitions={view: day and day.isoformat() for view, day in days.items()},
        )
        for view, day in days.items():
            if day == BAD:
                read[view.partition(".")[2]].append(prediction)
    journal = copy.settings.journal / ARRIVAL
    assert ingest(copy.lake, journal, "predictions.flights__arrival_delay") == 3
    return read


def rows_that_used(world: World, model: str, view: str, keys: list[str], day: date) -> int:
    """By a query of its own: for each training row, the day of the row in effect."""
    spec = world.catalogue.views[f"flights.{view}"].spec
    assert spec.ttl is not None
    same = " and ".join(f"asked.{key} = v.{key}" for key in keys)
    with world.lake.connect() as connection:
        connection.register("asked", world.training_rows(model).to_arrow())
        return connection.execute(
            f"""with known as (
                    select unit_id, partition_day, row_number() over (
                        partition by unit_id order by v.event_timestamp desc, created_timestamp desc
                    ) as place
                    from asked join features.flights__{view} as v on {same}
                    and v.event_timestamp + to_microseconds($delay) <= asked.event_timestamp
                    and v.event_timestamp + to_microseconds($ttl) >= asked.event_timestamp
                ) select count(*) from known where place = 1 and partition_day = $day""",
            {
                "delay": int(spec.landing_delay.total_seconds() * 1e6),
                "ttl": int(spec.ttl.total_seconds() * 1e6),
                "day": day,
            },
        ).fetchall()[0][0]


def test_a_partition_touches_the_training_rows_that_took_a_value_from_it(
    run: Run, copy: World
) -> None:
    found = document(run, "flights.route_recent", BAD.isoformat())["training_sets"]
    (touched,) = found  # the departure model does not read routes
    expected = rows_that_used(copy, ARRIVAL, "route_recent", ["origin", "dest"], BAD)
    assert expected > 100
    assert touched["touched"] == [{"table": ROUTES, "rows": expected, "exact": True}]
    assert (touched["model"], touched["versions"], touched["stages"]) == (
        ARRIVAL,
        [1],
        ["production"],
    )
    assert touched["of_rows"] == copy.training_rows(ARRIVAL).height


def test_the_predictions_that_read_the_partition_are_named(
    run: Run, predicted: dict[str, list[str]]
) -> None:
    for view, ids in predicted.items():
        (found,) = [
            one
            for one in document(run, f"flights.{view}", BAD.isoformat())["predictions"]
            if one["exact"]
        ]
        assert (found["ids"], found["read"], found["made"]) == (ids, len(ids), 3)
        assert found["first_served"] == f"2013-02-04T0{int(ids[0], 16)}:00:00+00:00"


def test_both_models_that_read_a_view_are_told_with_their_versions(run: Run) -> None:
    shown = told(run, "--partition", "flights.weather", BAD.isoformat())
    for model in (ARRIVAL, DEPARTURE):
        assert model in shown
    assert "1 production" in shown and "exactly" in shown and "not registered" not in shown
    assert f"{ARRIVAL} 1 2 exactly 2013-02-04 00:00 2013-02-04 01:00 3" in shown


def test_a_day_that_nothing_read_touched_nothing(run: Run) -> None:
    shown = told(run, "--partition", "flights.route_recent", "2012-06-01")
    assert "Training sets and the versions that learnt from them none" in shown
    assert document(run, "flights.route_recent", "2012-06-01")["predictions"] == []


def test_what_is_computed_from_a_raw_table_is_reached_by_range(run: Run) -> None:
    shown = told(run, "--partition", "raw.flights.arrivals", BAD.isoformat())
    # 28 days of window, a day until the window is empty, a day until that is known.
    assert f"computed from it: {ROUTES}, from 2013-02-03 to 2013-03-05" in shown
    assert "labels.flights__arrival_delay, from 2013-02-03 on" in shown
    assert "by range" in shown
    found = document(run, "raw.flights.arrivals", BAD.isoformat())
    assert found["reaches"][0] == {
        "table": "raw.flights__arrivals",
        "first": "2013-02-03",
        "last": "2013-02-03",
        "exact": True,
    }
    assert all(not one["exact"] for one in found["reaches"][1:])
    assert all(not t["exact"] for one in found["training_sets"] for t in one["touched"])


def test_what_is_computed_from_a_staging_table_is_found_through_the_labels(copy: World) -> None:
    below = {r.table for r in reaches_of("staging.flights.decisions", BAD, copy.catalogue)}
    assert {"staging.flights__decisions", "labels.flights__arrival_delay"} <= below


def test_a_set_that_no_version_learnt_from_is_told_too(copy: World) -> None:
    reach = Reach(table=ROUTES, first=BAD, last=BAD, exact=True)
    (found,) = touched_sets([reach], [], copy.lake, copy.artifacts)
    assert found.model == ARRIVAL and found.versions == []


def test_a_version_that_recorded_first_and_last_day_alone_is_told_by_range(copy: World) -> None:
    version = copy.registry.version(ARRIVAL, 1)
    for name in ("partition_versions", "recipe_digest"):
        del version.lineage[name]
    version.lineage["training_set_digest"] = "sha256:" + "0" * 64
    (span,) = [p for p in version.lineage["partitions"] if p["table"] == ROUTES]
    last = date.fromisoformat(span["last"])
    for day, expected in ((last, 1), (last + timedelta(days=1), 0)):
        reach = Reach(table=ROUTES, first=day, last=day, exact=True)
        found = touched_sets([reach], [version], copy.lake, copy.artifacts)
        old = [one for one in found if one.versions]
        assert len(old) == expected
        assert all(t.rows is None and not t.exact for one in old for t in one.touched)


@pytest.mark.parametrize(
    ("partition", "problem"),
    [
        (("flights.wether", "2013-02-03"), "did you mean flights.weather?"),
        (("flights.weather", "3 May"), "write it like 2013-05-03"),
    ],
)
def test_a_partition_that_cannot_be_meant_is_refused(
    run: Run, partition: tuple[str, str], problem: str
) -> None:
    assert problem in told(run, "--partition", *partition, status=1)


def test_a_view_is_meant_before_a_table_of_that_name(copy: World) -> None:
    assert table_named("flights.weather", copy.catalogue) == "features.flights.weather"
    assert table_named("raw.flights.weather", copy.catalogue) == "raw.flights.weather"
