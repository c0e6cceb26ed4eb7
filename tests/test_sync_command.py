"""`mlplat features sync`: in step, rebuilt, verified, and told when a store is away."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from resources.lake import lake_from
from resources.online_store import OnlineStore, online_store
from resources.settings import Settings, from_environment

VIEW, TABLE = "flights.aircraft", "features.flights__aircraft"
FIRST = date(2013, 1, 1)
ROWS = {
    "tailnum": ["N1", "N2"],
    "maker": ["BOEING", None],
    "built": [1999, 2004],
    "seats": [180, 20],
    "jet": [True, None],
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A lake with two days of one view."""
    home = from_environment({"MLPLAT_HOME": str(tmp_path), "MLPLAT_ACTOR": "test"})
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    lake = lake_from(home)
    for n in range(2):
        day = FIRST + timedelta(days=n)
        at = datetime.combine(day, datetime.min.time())
        times = {"event_timestamp": at, "created_timestamp": at, "partition_day": day}
        frame = pl.DataFrame(ROWS).with_columns(**{k: pl.lit(v) for k, v in times.items()})
        lake.replace_days(TABLE, frame.to_arrow(), day, day)
        lake.record_partitions(TABLE, day, day, run_id="test")
    return home


@pytest.fixture
def store(home: Settings) -> Iterator[OnlineStore]:
    opened = online_store(home.online_url)
    yield opened
    opened.close()


def sync(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["features", "sync", *arguments])


def row_of(result: Result, view: str) -> list[str]:
    return next(line.split() for line in result.output.splitlines() if line.startswith(f"{view} "))


def test_every_online_view_is_brought_in_step_and_again_costs_nothing(
    home: Settings, store: OnlineStore
) -> None:
    first = sync()
    assert first.exit_code == 0, first.output
    assert row_of(first, VIEW)[1:5] == ["2", "4", "2", "0"]
    assert row_of(first, "flights.weather")[1:5] == ["0", "0", "0", "0"]
    assert store.count(VIEW) == 2
    assert row_of(sync(), VIEW)[1:5] == ["0", "0", "0", "0"]


def test_verifying_names_an_entity_that_differs_and_a_rebuild_puts_it_right(
    home: Settings, store: OnlineStore
) -> None:
    assert sync("--verify", VIEW).exit_code == 0
    store.delete(VIEW, [("N2",)])
    found = sync("--verify", VIEW)
    assert found.exit_code == 1
    assert "N2: the row is absent online and there in the lake" in " ".join(found.output.split())
    assert sync("--rebuild", "--verify", VIEW).exit_code == 0


def test_verifying_several_views_fails_whichever_of_them_differs(
    home: Settings, store: OnlineStore
) -> None:
    views = [VIEW, "flights.weather"]
    assert sync("--verify", *views).exit_code == 0
    store.delete(VIEW, [("N2",)])
    for given in (views, views[::-1]):
        assert sync("--verify", *given).exit_code == 1


def test_a_view_that_is_not_online_is_an_error_that_names_those_that_are(home: Settings) -> None:
    wrong = sync("flights.nothing")
    assert wrong.exit_code == 1
    assert "'flights.nothing' is no online feature view" in wrong.stderr
    assert VIEW in wrong.stderr


def test_a_store_that_is_away_is_one_line(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPLAT_ONLINE_URL", "redis://127.0.0.1:1/0")
    away = sync(VIEW)
    assert away.exit_code == 1
    assert "online store redis://127.0.0.1:1/0 cannot be read" in " ".join(away.stderr.split())
