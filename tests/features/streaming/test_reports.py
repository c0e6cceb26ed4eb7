"""Dagster is told of the days that a stream landed, without a run."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.features.streaming.reports import LandingReports, days_touched
from mlplat_assets.keys import key
from resources.lake_digests import PartitionVersion
from tests.features.streaming.live_departures import RAW_TABLE, VIEW_TABLE, at, source

RAW, VIEW = key("raw", "flights", "departures"), key("features", "flights", "origin_live")
DAY = date(2013, 1, 5)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        yield instance


def version(table: str, *, rows: int = 3, changed: bool = True) -> PartitionVersion:
    return PartitionVersion(
        table=table, day=DAY, digest="d", rows=rows, snapshot=7, changed=changed
    )


def ts(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)


def test_changed_days_are_reported_once_with_their_newest_content(
    instance: dg.DagsterInstance,
) -> None:
    reports = LandingReports([source()])
    reports.add(source(), [version(RAW_TABLE), version(VIEW_TABLE, changed=False)], [])
    reports.add(source(), [version(RAW_TABLE, rows=5)], [])
    reports.report()
    reports.report()
    assert instance.get_materialized_partitions(RAW) == {"2013-01-05"}
    assert instance.get_materialized_partitions(VIEW) == set()
    (record,) = instance.fetch_materializations(RAW, limit=9).records
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["dagster/partition_row_count"].value == 5


def test_a_view_is_reported_after_its_source_unless_a_late_row_left_it_wrong(
    instance: dg.DagsterInstance,
) -> None:
    reports = LandingReports([source()])
    reports.add(source(), [version(VIEW_TABLE), version(RAW_TABLE)], [])
    reports.report()
    first = instance.fetch_materializations(RAW, limit=1).records[0].storage_id
    assert instance.fetch_materializations(VIEW, limit=1).records[0].storage_id > first
    reports.add(source(), [version(VIEW_TABLE), version(RAW_TABLE)], [ts(at(10))])
    reports.report()
    assert len(instance.fetch_materializations(RAW, limit=9).records) == 2
    assert len(instance.fetch_materializations(VIEW, limit=9).records) == 1


def test_a_row_late_in_the_evening_touches_the_next_day() -> None:
    assert days_touched(source(), ts(at(10))) == {DAY}
    assert days_touched(source(), ts(at(22))) == {DAY, date(2013, 1, 6)}


def test_a_day_is_touched_by_the_empty_row_that_closes_the_longest_window() -> None:
    closed_at_midnight = ts(at(20, 45))
    assert days_touched(source(), closed_at_midnight - 1) == {DAY}
    assert days_touched(source(), closed_at_midnight) == {DAY, date(2013, 1, 6)}
