"""The demo's handle on the real Dagster instance: runs started here, runs awaited there."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import RunsFilter

from mlplat_assets.demo.plan import Days
from mlplat_assets.models.handoff import latest
from mlplat_assets.retraining.signals import RETRAINING_TAG


class Graph:
    """Materialises assets of the code location and reads what runs left in the instance."""

    def __init__(self, definitions: dg.Definitions) -> None:
        """Open the instance that DAGSTER_HOME names, for the assets of the definitions."""
        self.instance = dg.DagsterInstance.get()
        self.job = definitions.resolve_implicit_global_asset_job_def()

    def materialise(self, keys: Iterable[dg.AssetKey], days: Days | None = None) -> str:
        """One run over the assets, of all the days at once; returns the run id.

        Raises:
            Exception: Whatever a step raised, a failed blocking check included.
        """
        tags = {"mlplat/launched_by": "demo"}
        if days is not None:
            tags["dagster/asset_partition_range_start"] = days.first.isoformat()
            tags["dagster/asset_partition_range_end"] = days.last.isoformat()
        done = self.job.execute_in_process(
            instance=self.instance, asset_selection=list(keys), tags=tags, raise_on_error=True
        )
        return done.run_id

    def metadata(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """The metadata of the newest materialisation of an asset."""
        return latest(self.instance, key)

    def partitions(self, keys: Iterable[dg.AssetKey]) -> int:
        """How many partitions of the assets are materialised."""
        return sum(len(self.instance.get_materialized_partitions(key)) for key in keys)

    def retraining_run(self) -> dg.DagsterRun | None:
        """The newest run that retrains a model because the governor let it through."""
        tagged = RunsFilter(tags={"dagster/sensor_name": "retraining_due"})
        runs = self.instance.get_runs(tagged, limit=50)
        return next((run for run in runs if RETRAINING_TAG in run.tags), None)

    def ended_badly(self, run: dg.DagsterRun | None) -> bool:
        """Whether a run has failed or was cancelled by now."""
        if run is None:
            return False
        now = self.instance.get_run_by_id(run.run_id)
        return now is not None and now.is_finished and not now.is_success

    def tick_of(self, run: dg.DagsterRun) -> str:
        """The sensor tick that launched a run: sensor, tick number and time."""
        for state in self.instance.all_instigator_state():
            for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id):
                if run.run_id in tick.run_ids:
                    return f"{state.name} tick {tick.tick_id}"
        return f"{run.tags.get('dagster/sensor_name', 'unknown sensor')}"
