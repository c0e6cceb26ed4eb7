"""Runs in MLflow: what they hold, how they end, how one goes on, and what writing costs."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from mlplat_assets.models.tracking.history_plot import history_plot
from mlplat_assets.models.tracking.runs import Subject, log_evaluation, tracked, tracking_client
from mlplat_assets.models.tracking.tracked_run import SECONDS_BETWEEN_WRITES, Data, TrackedRun
from mlplat_assets.models.trainers.tracked import RunLogger, StepCurve

SUBJECT = Subject(
    experiment="flights.arrival_delay", name="first", key="sha256:1", tags={"team": "flights"}
)
DATA = Data(
    name="flights.arrival_delay",
    digest="sha256:" + "0123456789abcdef" * 4,
    lake_snapshot=41,
    rows=1200,
    columns={"temp": "double", "carrier": "string"},
)
HISTORY = [
    {"epoch": 0.0, "train_loss": 0.7, "validation_loss": 0.6, "learning_rate": 0.01},
    {"epoch": 1.0, "train_loss": 0.5, "validation_loss": 0.62, "learning_rate": 0.001},
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new tracking store: MLflow takes 2 s to make one."""
    file = tmp_path_factory.mktemp("store") / "deep" / "mlflow.sqlite"
    tracking_client(f"sqlite:///{file}")
    return file


@pytest.fixture
def url(empty: Path, tmp_path: Path) -> str:
    """A tracking store of its own for a test."""
    (tmp_path / "tracking").mkdir()
    return f"sqlite:///{shutil.copy(empty, tmp_path / 'tracking' / 'mlflow.sqlite')}"


def runs(url: str) -> list[Run]:
    client = tracking_client(url)
    experiment = client.get_experiment_by_name(SUBJECT.experiment)
    assert experiment
    return list(client.search_runs([experiment.experiment_id], order_by=["start_time"]))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Writes(MlflowClient):
    """A real client that counts the requests that write."""

    def __init__(self, url: str) -> None:
        super().__init__(tracking_uri=url)
        self.batches: list[int] = []

    def log_batch(self, run_id: str, metrics: Any = (), *args: Any, **kwargs: Any) -> Any:
        self.batches.append(len(metrics))
        return super().log_batch(run_id, metrics, *args, **kwargs)


@contextmanager
def counted(url: str, clock: Clock) -> Iterator[tuple[TrackedRun, Writes]]:
    with tracked(url, SUBJECT) as run:
        client = Writes(url)
        yield TrackedRun(client, run.experiment_id, run.run_id, clock), client


def test_a_run_holds_parameters_tags_and_the_data_it_learned_from(url: str) -> None:
    with tracked(url, SUBJECT) as run:
        run.parameters({f"p{i:03}": i for i in range(230)})  # MLflow takes 100 at once
        run.learns_from(DATA)
    (found,) = runs(url)
    assert found.info.status == "FINISHED"
    assert found.data.tags["team"] == "flights"
    assert len(found.data.params) == 230
    assert found.data.params["p229"] == "229"
    assert found.inputs
    (entry,) = found.inputs.dataset_inputs
    assert entry.dataset.digest == DATA.digest[7 : 7 + 36]
    assert json.loads(entry.dataset.source) == {"digest": DATA.digest, "lake_snapshot": 41}
    assert json.loads(entry.dataset.profile or "")["num_rows"] == 1200
    assert {tag.key: tag.value for tag in entry.tags} == {"mlflow.data.context": "training"}


def test_metrics_wait_a_second_and_are_all_written_with_their_step_and_time(url: str) -> None:
    clock = Clock()
    with counted(url, clock) as (run, client):
        for step in range(48):
            clock.now += SECONDS_BETWEEN_WRITES / 8
            run.metrics({"loss": 1 / (step + 1), "rate": 0.1}, step)
        run.flush()
        found = client.get_metric_history(run.run_id, "loss")
    assert client.batches == [16] * 6
    assert [m.step for m in found] == list(range(48))
    assert [m.value for m in found] == [1 / (step + 1) for step in range(48)]
    first, last = found[0].timestamp, found[-1].timestamp
    assert last - first == pytest.approx(47 * SECONDS_BETWEEN_WRITES / 8 * 1000, abs=1)


def test_a_flood_within_a_second_is_cut_to_what_one_request_takes(url: str) -> None:
    with counted(url, Clock()) as (run, client):
        for step in range(2500):
            run.metrics({"loss": float(step)}, step)
        run.flush()
        assert len(client.get_metric_history(run.run_id, "loss")) == 2500
    assert max(client.batches) <= 1000


def test_a_tensor_is_read_when_it_is_written(url: str) -> None:
    """On a GPU the reading waits for all queued work: once a second, not once a step."""
    reads = []

    class Loss:
        def __float__(self) -> float:
            reads.append(1)
            return 0.5

    with counted(url, Clock()) as (run, client):
        run.metrics({"loss": Loss()}, 1)
        assert reads == []
        run.flush()
        assert client.get_metric_history(run.run_id, "loss")[0].value == 0.5


@pytest.mark.parametrize("error", [ValueError("the loss is not finite"), KeyboardInterrupt()])
def test_a_run_that_breaks_is_failed_keeps_its_metrics_and_says_why(
    url: str, error: BaseException
) -> None:
    with pytest.raises(type(error)), tracked(url, SUBJECT) as run:
        run.metrics({"loss": 0.7}, 3)
        raise error
    (found,) = runs(url)
    assert found.info.status == "FAILED"
    assert found.data.metrics == {"loss": 0.7}
    assert found.data.tags["mlplat.error"].startswith(type(error).__name__)


def test_the_same_training_goes_on_in_the_run_that_broke(url: str) -> None:
    with pytest.raises(MemoryError), tracked(url, SUBJECT) as run:
        run.parameters({"epochs": 4})
        run.metrics({"loss": 0.7}, 1)
        raise MemoryError("no room")
    again = Subject(
        experiment=SUBJECT.experiment, name="again", key=SUBJECT.key, tags={"team": "weather"}
    )
    with tracked(url, again) as run:
        run.parameters({"epochs": 4})
        run.metrics({"loss": 0.6}, 2)
        assert tracking_client(url).get_run(run.run_id).info.status == "RUNNING"
    (found,) = runs(url)
    assert found.info.status == "FINISHED"
    assert found.data.tags["team"] == "weather"
    assert found.data.tags["team.before"] == "flights"
    assert "mlplat.error" not in found.data.tags
    history = tracking_client(url).get_metric_history(found.info.run_id, "loss")
    assert [m.step for m in history] == [1, 2]


def test_a_killed_run_goes_on_and_a_finished_or_another_one_does_not(url: str) -> None:
    other = Subject(experiment=SUBJECT.experiment, name="other", key="sha256:2")
    client = tracking_client(url)
    experiment = client.create_experiment(SUBJECT.experiment)
    tags = {"mlplat.subject": SUBJECT.key}
    killed = client.create_run(experiment, tags=tags).info.run_id  # nobody ended it
    with tracked(url, other) as fresh:
        assert fresh.run_id != killed
    with tracked(url, SUBJECT) as resumed:
        assert resumed.run_id == killed
    with tracked(url, SUBJECT) as third:
        assert third.run_id not in (killed, fresh.run_id)


def test_plots_and_json_are_all_that_is_stored(url: str, tmp_path: Path) -> None:
    with tracked(url, SUBJECT) as run:
        run.picture("history", history_plot(HISTORY, title="flights.arrival_delay"))
        run.document("lineage", {"seed": 1})
    log_evaluation(url, run.run_id, {"auc": 0.74}, {"roc": b"\x89PNG"})
    stored = {
        p.name for p in (tmp_path / "tracking" / "mlflow-artifacts").rglob("*") if p.is_file()
    }
    assert stored == {"history.png", "lineage.json", "roc.png"}
    (found,) = runs(url)
    assert found.data.metrics == {"holdout_auc": 0.74}
    assert found.info.status == "FINISHED"
    listed = tracking_client(url).list_artifacts(run.run_id, "plots")
    assert {item.path for item in listed} == {"plots/history.png", "plots/roc.png"}


def test_the_link_of_a_run_is_its_page(url: str) -> None:
    with tracked(url, SUBJECT) as run:
        expected = f"http://127.0.0.1:5001/#/experiments/{run.experiment_id}/runs/{run.run_id}"
        assert run.link("http://127.0.0.1:5001/") == expected


def test_a_tracking_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="tracking URL 'mlruns'"):
        tracking_client("mlruns")


def test_an_experiment_that_was_deleted_in_the_ui_takes_runs_again(url: str) -> None:
    with tracked(url, SUBJECT) as run:
        pass
    tracking_client(url).delete_experiment(run.experiment_id)
    with tracked(url, SUBJECT) as again:
        assert again.experiment_id == run.experiment_id


class Batches:
    """Four batches of three rows."""

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[tuple[torch.Tensor]]:
        yield from ((part,) for part in torch.linspace(-1, 1, 24).reshape(12, 2).split(3))


class Line(lightning.LightningModule):
    """A module that logs nothing but what the contract asks of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Mapping[str, Any], index: int) -> torch.Tensor:
        (rows,) = batch
        return self.layer(rows).square().mean()

    def validation_step(self, batch: Mapping[str, Any], index: int) -> None:
        (rows,) = batch
        self.log("validation_loss", self.layer(rows).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        halve = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": halve, "interval": "step"}}


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_every_step_has_loss_and_rate_and_every_epoch_its_validation(
    url: str, tmp_path: Path
) -> None:
    with tracked(url, SUBJECT) as run:
        lightning.Trainer(
            accelerator="cpu",
            max_epochs=2,
            logger=RunLogger(run),
            callbacks=[StepCurve()],
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            log_every_n_steps=1,
            default_root_dir=tmp_path,
        ).fit(Line(), Batches(), Batches())
    client = tracking_client(url)

    def curve(name: str) -> list[tuple[int, float]]:
        return [(m.step, m.value) for m in client.get_metric_history(run.run_id, name)]

    assert [step for step, _ in curve("train_loss_step")] == list(range(1, 9))
    assert [rate for _, rate in curve("learning_rate")] == pytest.approx(
        [0.1 * 0.5**step for step in range(1, 9)]
    )
    assert len(curve("validation_loss")) == 2


def test_a_history_without_an_epoch_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no epoch"):
        history_plot([], title="x")
