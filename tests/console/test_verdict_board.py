"""The verdicts that the console remembers are those of the lake, however it changes."""

from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlplat_assets.console.verdict_board import VerdictBoard
from resources.lake import Lake
from tests.small_home import open_lake

MODELS = ["flights.arrival_delay", "flights.departure_delay", "flights.nothing"]
DAY = date(2013, 1, 1)
COLUMNS = 40  # fewer rows would lie in the catalog, not in a file


def write(lake: Lake, model: str, verdict: str, day: date = DAY) -> None:
    rows = pl.DataFrame(
        {
            "partition_day": [day] * COLUMNS,
            "version": [2] * COLUMNS,
            "verdict": [verdict] * COLUMNS,
            "rows": [900] * COLUMNS,
            "column": [f"column_{number}" for number in range(COLUMNS)],
            "psi": [0.1] * COLUMNS,
            "threshold": [0.2] * COLUMNS,
            "drifted": [verdict == "DRIFT"] * COLUMNS,
            "null_share": [0.0] * COLUMNS,
        }
    )
    lake.replace_days(f"drift.{model.replace('.', '__')}", rows.to_arrow(), day, day)


def read(board: VerdictBoard, lake: Lake) -> dict[str, str]:
    with lake.connect() as connection:
        return {model: each.verdict for model, each in board.read(connection, MODELS).items()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = open_lake(tmp_path)
    write(lake, MODELS[0], "OK")
    return lake


def test_a_verdict_that_changes_is_read_again(lake: Lake) -> None:
    board = VerdictBoard()
    assert read(board, lake) == {MODELS[0]: "OK"}
    write(lake, MODELS[0], "DRIFT")
    assert read(board, lake) == {MODELS[0]: "DRIFT"}
    write(lake, MODELS[1], "WARNING")
    write(lake, MODELS[0], "OK", date(2013, 1, 2))
    assert read(board, lake) == {MODELS[0]: "OK", MODELS[1]: "WARNING"}


def test_only_what_changed_is_read_again(lake: Lake, tmp_path: Path) -> None:
    board = VerdictBoard()
    read(board, lake)
    files = list(tmp_path.rglob("flights__arrival_delay/**/*.parquet"))
    assert files
    for file in files:
        file.unlink()
    write(lake, MODELS[1], "OK")
    assert read(board, lake) == {MODELS[0]: "OK", MODELS[1]: "OK"}
    with pytest.raises(duckdb.Error):
        read(VerdictBoard(), lake)


def test_snapshots_that_were_expired_make_it_read_everything(lake: Lake) -> None:
    board = VerdictBoard()
    read(board, lake)
    write(lake, MODELS[0], "DRIFT")
    write(lake, MODELS[1], "OK")
    with lake.write() as connection:
        connection.execute("call ducklake_expire_snapshots('lake', versions => [2])")
    assert read(board, lake) == {MODELS[0]: "DRIFT", MODELS[1]: "OK"}
