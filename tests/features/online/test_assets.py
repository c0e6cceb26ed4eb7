"""The online asset: what a run reports, and what it does when the store is away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.features.online.assets import online_view
from mlplat_assets.features.online.sync import exclusively
from mlplat_assets.keys import key
from mlplat_assets.spec import FeatureView, Field
from resources.lake import Lake, lake_from
from resources.online_store import OnlineStore, OnlineStoreUnavailable, online_store
from resources.settings import Settings, from_environment

FIRST = date(2013, 6, 1)
TEAM = Team(name="team", owner="team@example.com", first_day=FIRST, end_day=date(2013, 6, 5))
VIEW = Declared(
    team="team",
    name="small",
    file=Path("small.py"),
    spec=FeatureView(
        entities=(Field(name="entity", dtype="int"),),
        features=(Field(name="value", dtype="int"),),
        description="A number by entity.",
    ),
)
CATALOGUE = Catalogue(teams={"team": TEAM}, views={"team.small": VIEW})
ONLINE = key("online", "team", "small")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return from_environment({"MLPLAT_HOME": str(tmp_path), "MLPLAT_ACTOR": "test"})


@pytest.fixture
def lake(home: Settings) -> Lake:
    lake = lake_from(home)
    for n in range(3):
        build(lake, FIRST + timedelta(days=n), [1, 2 + n])
    return lake


@pytest.fixture
def store(home: Settings) -> Iterator[OnlineStore]:
    opened = online_store(home.online_url)
    yield opened
    opened.close()


def build(lake: Lake, day: date, entities: list[int]) -> None:
    at = datetime.combine(day, datetime.min.time())
    rows = {
        "entity": entities,
        "event_timestamp": [at] * len(entities),
        "created_timestamp": [at] * len(entities),
        "partition_day": [day] * len(entities),
        "value": entities,
    }
    frame = pl.DataFrame(rows)
    lake.replace_days("features.team__small", frame.to_arrow(), day, day)
    lake.record_partitions("features.team__small", day, day, run_id="test")


def synced(lake: Lake, store: object, home: Settings, day: date) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [online_view(VIEW, CATALOGUE)],
        resources={"lake": lake, "online_store": store, "settings": home},
        partition_key=day.isoformat(),
        raise_on_error=False,
    )


def test_a_run_reports_what_it_changed_and_names_the_first_day_that_is_behind(
    lake: Lake, store: OnlineStore, home: Settings
) -> None:
    done = synced(lake, store, home, FIRST + timedelta(days=2))
    assert done.success, "the check does not block"
    (event,) = done.asset_materializations_for_node("online__team__small")
    reported = {name: value.value for name, value in event.metadata.items()}
    assert (reported["days_changed"], reported["keys_written"], reported["keys_removed"]) == (
        1,
        2,
        0,
    )
    assert (reported["rows_read"], reported["keys"]) == (2, 2)
    assert reported["newest_event"] == datetime(2013, 6, 3, tzinfo=UTC).timestamp()
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("is_in_step", False)
    assert check.metadata["days_behind"].value == 2
    assert check.metadata["first_day_behind"].value == "2013-06-01"


def test_the_check_passes_once_every_day_is_online(
    lake: Lake, store: OnlineStore, home: Settings
) -> None:
    for n in range(2):
        synced(lake, store, home, FIRST + timedelta(days=n))
    done = synced(lake, store, home, FIRST + timedelta(days=2))
    (check,) = done.get_asset_check_evaluations()
    assert check.passed
    assert store.count("team.small") == 4


def test_a_store_that_comes_back_is_synced_by_a_retry(
    lake: Lake, store: OnlineStore, home: Settings
) -> None:
    away = AwayOnce(store)
    assert synced(lake, away, home, FIRST).success
    assert away.was_away
    assert store.count("team.small") == 2


def test_a_view_is_synced_by_one_at_a_time(home: Settings) -> None:
    def enter() -> bool:
        with exclusively(home, VIEW.full_name):
            return True

    with ThreadPoolExecutor(1) as thread:
        with exclusively(home, VIEW.full_name):
            second = thread.submit(enter)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.1)
        assert second.result(timeout=30)


class AwayOnce:
    """A store that does not take the first rows it is given."""

    def __init__(self, store: OnlineStore) -> None:
        self._store, self.was_away = store, False

    def __getattr__(self, name: str) -> object:
        if name == "write" and not self.was_away:
            self.was_away = True
            raise OnlineStoreUnavailable("away by the test")
        return getattr(self._store, name)
