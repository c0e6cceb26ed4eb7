"""The lake, on a SQLite catalog and on a real PostgreSQL one."""

import multiprocessing
from datetime import date

import duckdb
import pyarrow as pa
import pytest

from resources.lake import VERSIONS, Lake

FIRST, SECOND = date(2013, 1, 1), date(2013, 1, 2)
TABLE = "features.flights__weather"


def rows(day: date, *temperatures: float) -> pa.Table:
    count = len(temperatures)
    return pa.table(
        {"origin": ["JFK"] * count, "temp": list(temperatures), "partition_day": [day] * count}
    )


def temperatures(lake: Lake) -> list[float]:
    return lake.read(f"select temp from {TABLE} order by temp")["temp"].to_pylist()


def test_replacing_a_day_leaves_the_other_days(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0, 2.0), FIRST, FIRST)
    lake.replace_days(TABLE, rows(SECOND, 3.0), SECOND, SECOND)
    lake.replace_days(TABLE, rows(FIRST, 9.0), FIRST, FIRST)
    assert temperatures(lake) == [3.0, 9.0]


def test_rows_outside_of_the_window_are_refused_and_nothing_is_written(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0), FIRST, FIRST)
    with pytest.raises(ValueError, match="1 rows have a partition_day outside"):
        lake.replace_days(TABLE, rows(SECOND, 2.0), FIRST, FIRST)
    assert temperatures(lake) == [1.0]


def test_an_error_inside_a_write_rolls_all_of_it_back(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0), FIRST, FIRST)
    with pytest.raises(duckdb.Error), lake.write() as connection:
        connection.execute(f"delete from {TABLE}")
        connection.execute("select no_such_column from nothing")
    assert temperatures(lake) == [1.0]


def test_a_digest_depends_on_the_rows_and_on_nothing_else(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0, 2.0), FIRST, FIRST)
    (before,) = lake.record_partitions(TABLE, FIRST, FIRST, "run 1")
    lake.replace_days(TABLE, rows(FIRST, 2.0, 1.0), FIRST, FIRST)
    (again,) = lake.record_partitions(TABLE, FIRST, FIRST, "run 2")
    lake.replace_days(TABLE, rows(FIRST, 1.0, 2.5), FIRST, FIRST)
    (changed,) = lake.record_partitions(TABLE, FIRST, FIRST, "run 3")
    lake.replace_days(TABLE, rows(FIRST, 1.0, 2.5, 2.5), FIRST, FIRST)
    (doubled,) = lake.record_partitions(TABLE, FIRST, FIRST, "run 4")
    assert again.digest == before.digest and not again.changed
    assert changed.digest != before.digest and changed.changed
    assert doubled.digest != changed.digest and doubled.rows == 3
    kept = lake.read(f"select run_id from {VERSIONS} order by recorded_at")["run_id"].to_pylist()
    assert kept == ["run 1", "run 3", "run 4"]


def test_an_emptied_day_counts_as_changed(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0), FIRST, FIRST)
    lake.record_partitions(TABLE, FIRST, FIRST, "run 1")
    lake.replace_days(TABLE, rows(FIRST), FIRST, FIRST)
    (emptied,) = lake.record_partitions(TABLE, FIRST, FIRST, "run 2")
    assert emptied.changed and emptied.rows == 0


def test_an_old_snapshot_still_reads_the_old_rows(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 1.0), FIRST, FIRST)
    then = lake.snapshot()
    lake.replace_days(TABLE, rows(FIRST, 2.0), FIRST, FIRST)
    old = lake.read(f"select temp from {TABLE} at (version => {then})")["temp"].to_pylist()
    assert old == [1.0] and temperatures(lake) == [2.0]


def _replace_often(lake: Lake, day: date) -> None:
    for value in range(10):
        lake.replace_days(TABLE, rows(day, float(value)), day, day)


def test_processes_that_write_at_once_queue_and_none_fails(lake: Lake) -> None:
    lake.replace_days(TABLE, rows(FIRST, 0.0), FIRST, FIRST)
    lake.close()  # DuckDB's threads do not survive a fork
    fork = multiprocessing.get_context("spawn")
    writers = [fork.Process(target=_replace_often, args=(lake, day)) for day in (FIRST, SECOND)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert temperatures(lake) == [9.0, 9.0]
