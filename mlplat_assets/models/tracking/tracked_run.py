"""One run in MLflow: parameters, metrics in batches, the data, plots and JSON; never a model."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A write takes 10 ms on SQLite and more over a network: once a second it is 1 % of training,
# once a step it would double steps of 10 ms.
SECONDS_BETWEEN_WRITES = 1.0
# MLflow's limits for one request and one field.
_METRICS_A_BATCH, _PARAMETERS_A_BATCH, _DIGEST_LENGTH = 1000, 100, 36


@dataclass(frozen=True, kw_only=True)
class Data:
    """The frozen rows that a run learned from.

    Attributes:
        name: The model's `team.name`.
        digest: `sha256:` and 64 hex digits.
        lake_snapshot: The lake's snapshot that it was read at.
        rows: How many.
        columns: Type by name.
    """

    name: str
    digest: str
    lake_snapshot: int
    rows: int
    columns: Mapping[str, str]


class TrackedRun:
    """Writes to one run. Metrics wait in memory until a second has passed, or `flush`.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the run.
        outcome: The status that the run ends with: FINISHED, KILLED or FAILED.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        run_id: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.experiment_id, self.run_id, self.outcome = experiment_id, run_id, "FINISHED"
        self._client, self._clock, self._written = client, clock, clock()
        self._waiting: list[tuple[str, SupportsFloat, int, int]] = []

    def link(self, interface: str) -> str:
        """The address of the run's page, `interface` being that of MLflow's UI."""
        return f"{interface.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def parameters(self, values: Mapping[str, object]) -> None:
        """Record parameters; MLflow refuses another value for one that it has."""
        from mlflow.entities import Param

        given = [Param(name, str(value)) for name, value in values.items()]
        for start in range(0, len(given), _PARAMETERS_A_BATCH):
            part = given[start : start + _PARAMETERS_A_BATCH]
            self._client.log_batch(self.run_id, params=part)

    def metrics(self, values: Mapping[str, SupportsFloat], step: int) -> None:
        """Record metrics of a step. A tensor is read when it is written, not now.

        Reading one of a GPU waits for everything queued there.
        """
        now = self._clock()
        self._waiting += [(name, value, int(now * 1000), step) for name, value in values.items()]
        if now - self._written >= SECONDS_BETWEEN_WRITES or len(self._waiting) > _METRICS_A_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the metrics that wait."""
        from mlflow.entities import Metric

        waiting = [Metric(name, float(value), at, step) for name, value, at, step in self._waiting]
        self._waiting = []
        for start in range(0, len(waiting), _METRICS_A_BATCH):
            part = waiting[start : start + _METRICS_A_BATCH]
            self._client.log_batch(self.run_id, metrics=part)
        self._written = self._clock()

    def learns_from(self, data: Data) -> None:
        """Record the training set as the run's input.

        MLflow keeps 36 characters of a digest; the whole of it is in the source.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = {"digest": data.digest, "lake_snapshot": data.lake_snapshot}
        columns = [{"type": kind, "name": name} for name, kind in data.columns.items()]
        dataset = Dataset(
            name=data.name,
            digest=data.digest.removeprefix("sha256:")[:_DIGEST_LENGTH],
            source_type="mlplat",
            source=json.dumps(source),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": data.rows, "num_elements": data.rows * len(columns)}),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self.run_id, [DatasetInput(dataset, tags)])

    def picture(self, name: str, png: bytes) -> None:
        """Store a plot as `plots/NAME.png`."""
        with tempfile.TemporaryDirectory(prefix="mlplat-") as folder:
            path = Path(folder) / f"{name}.png"
            path.write_bytes(png)
            self._client.log_artifact(self.run_id, str(path), "plots")

    def document(self, name: str, content: object) -> None:
        """Store what JSON can hold as `NAME.json`."""
        text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
        self._client.log_text(self.run_id, text, f"{name}.json")
