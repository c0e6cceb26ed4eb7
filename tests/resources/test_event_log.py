"""The batched event log tells the same story as Dagster's own."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from resources.event_log import BatchedSqliteEventLogStorage

DAYS = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-02-01", timezone="UTC")
RANGE = {
    "dagster/asset_partition_range_start": "2013-01-03",
    "dagster/asset_partition_range_end": "2013-01-20",
}


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def upstream() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 7}, data_version=dg.DataVersion("a"))


@dg.asset(
    deps=[upstream],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("holds", asset="downstream")],
)
def downstream() -> dg.MaterializeResult:
    return dg.MaterializeResult(
        data_version=dg.DataVersion("b"), check_results=[dg.AssetCheckResult(passed=True)]
    )


def story(storage: type[SqliteEventLogStorage], folder: Path) -> dict[str, object]:
    """What a run of two assets over 18 days leaves in an instance with this event log."""
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        f"event_log_storage:\n  module: {storage.__module__}\n  class: {storage.__name__}\n"
        f"  config: {{base_dir: {folder / 'history'}}}\n"
        "telemetry: {enabled: false}\n"
    )
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        done = dg.materialize([upstream, downstream], instance=instance, tags=RANGE)
        kinds = [entry.dagster_event_type for entry in instance.all_logs(done.run_id)]
        story: dict[str, object] = {"success": done.success, "kinds": sorted(map(str, kinds))}
        for key in (upstream.key, downstream.key):
            latest = instance.get_latest_materialization_event(key)
            assert latest is not None and latest.asset_materialization is not None
            records = instance.fetch_materializations(key, limit=100).records
            ids = [record.storage_id for record in records]
            assert ids == sorted(set(ids), reverse=True)
            story[key.to_user_string()] = {
                "days": sorted(instance.get_materialized_partitions(key)),
                "by record": [record.partition_key for record in records],
                "latest": latest.asset_materialization.partition,
                "versions": {
                    day: tags.get("dagster/data_version")
                    for day, tags in instance.event_log_storage.get_latest_tags_by_partition(
                        key,
                        dg.DagsterEventType.ASSET_MATERIALIZATION,
                        tag_keys=["dagster/data_version"],
                    ).items()
                },
            }
        check = dg.AssetCheckKey(downstream.key, "holds")
        history = instance.event_log_storage.get_asset_check_execution_history(check, limit=100)
        story["checks"] = sorted((str(r.status), r.partition) for r in history)
        return story


@pytest.mark.parametrize("batch", ["0", "1000"])
def test_a_range_run_leaves_what_dagsters_own_event_log_has(
    batch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch)
    ours = story(BatchedSqliteEventLogStorage, tmp_path / "ours")
    theirs = story(SqliteEventLogStorage, tmp_path / "theirs")
    assert ours == theirs
    assert ours["success"]
