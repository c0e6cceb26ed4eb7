"""The year that the README shows: labels come week by week, versions reign in their turn."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench.replayed_year.account import account, drifted_days, why
from bench.replayed_year.late_labels import LABELS, land, put_aside
from bench.replayed_year.play import SERVED, weeks
from bench.replayed_year.timeline import reigns, timeline
from mlplat_assets.demo.plan import Days
from resources.lake import VERSIONS, Lake
from resources.settings import REPOSITORY


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    catalog, data = f"sqlite:{tmp_path / 'catalog.sqlite'}", str(tmp_path / "data")
    made = Lake(catalog, data, tmp_path / "lake.lock")
    yield made
    made.close()


def _labels(*days: date) -> pa.Table:
    return pa.table({"partition_day": [*days], "flight_id": [str(day) for day in days]})


def _known(lake: Lake) -> list[date]:
    """The days whose labels the lake says it has."""
    query = f"""select distinct partition_day as day from {VERSIONS}
                where table_name = ? and row_count > 0 order by 1"""
    return lake.read(query, [LABELS])["day"].to_pylist()


def test_labels_put_aside_are_unknown_until_their_week(lake: Lake) -> None:
    march, april, may = date(2013, 3, 31), date(2013, 4, 1), date(2013, 5, 1)
    lake.replace_days(LABELS, _labels(march, april, may), march, may)
    lake.record_partitions(LABELS, march, may, "built")
    aside = put_aside(lake, SERVED)
    assert _known(lake) == [march]
    land(lake, aside, Days(first=april, last=date(2013, 4, 7)))
    assert _known(lake) == [march, april]
    days = lake.read(f"select partition_day as day from {LABELS} order by 1")["day"].to_pylist()
    assert days == [march, april]


def test_the_weeks_are_the_served_days_each_once() -> None:
    found = list(weeks())
    assert found[0].first == SERVED.first
    assert found[-1].last == SERVED.last
    assert all((b.first - a.last).days == 1 for a, b in pairwise(found))


def _record() -> dict[str, Any]:
    event = {"trigger": "drift", "columns": [], "asked": "", "serving": 1, "why": "", "benefit": ""}
    return {
        "first": "2013-04-01",
        "last": "2013-04-30",
        "flights": [{"day": "2013-04-10", "rows": 900, "late": 0.5}],
        "days": [{"day": "2013-04-10", "version": 1, "verdict": "DRIFT"}],
        "drifted": [{"day": "2013-04-10", "column": "temp", "psi": 0.5, "threshold": 0.2}],
        "performance": [{"day": "2013-04-10", "version": 1, "rows": 900, "auc": 0.7}],
        "events": [
            event | {"day": "2013-04-07", "outcome": "skipped", "version": None},
            event | {"day": "2013-04-14", "outcome": "refused", "version": None},
            event | {"day": "2013-04-21", "outcome": "promoted", "version": 3},
        ],
    }


def test_a_version_reigns_from_the_day_after_its_promotion_to_the_next_ones() -> None:
    first = (date(2013, 4, 1) - date(1970, 1, 1)).days
    assert reigns(_record()) == [(first, first + 21, 1), (first + 21, first + 30, 3)]


def test_a_year_without_requests_is_drawn_as_well() -> None:
    for record in (_record(), _record() | {"events": [], "days": [], "drifted": []}):
        assert timeline(record).startswith(b"\x89PNG")


def test_a_day_drifted_by_its_storm_the_season_or_a_holiday() -> None:
    storm, calm = date(2013, 7, 9), date(2013, 9, 20)
    late = {storm: 0.55, calm: 0.1}
    assert (
        why(date(2013, 7, 10), ["carrier_recent__late_share_24h"], late)
        == "storm, 55% late on 9 Jul"
    )
    assert why(calm, ["route_recent__late_share_28d"], late) == "quiet weeks"
    assert why(calm, ["weather__temp"], late) == "temperature"
    assert why(date(2013, 12, 24), ["distance"], late) == "25 Dec"
    assert why(calm, ["distance", "dest"], late) == "distance, dest"


def test_the_account_has_a_row_for_each_request() -> None:
    lines = account(_record()).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 7 Apr", "| 14 Apr", "| 21 Apr"]
    assert "| 10 Apr: storm, 50% late on 10 Apr |" in lines[3]


def test_the_pages_say_what_the_results_do() -> None:
    found = json.loads((REPOSITORY / "bench" / "results" / "replayed_year.json").read_text())
    assert account(found) in (REPOSITORY / "docs" / "retraining.md").read_text()
    outcomes = Counter(event["outcome"] for event in found["events"])
    days = {row["day"] for row in found["days"]}
    drifted = drifted_days(found)
    told = " ".join((REPOSITORY / "README.md").read_text().split())
    assert f"{len(drifted)} of {len(days)} days drifted" in told
    assert f"of {outcomes.total()} requests to retrain {outcomes['promoted']} ended" in told
    assert (
        f"{outcomes['refused']} with one refused as surely worse, and {outcomes['skipped']}" in told
    )
