"""A candidate and its run in MLflow name each other."""

import json

from mlplat_assets.models.tracking.runs import tracking_client
from tests.small_world import ARRIVAL, World


def test_a_candidate_and_its_run_in_mlflow_name_each_other(world: World) -> None:
    made = world.metadata("candidates", ARRIVAL)
    run = tracking_client(world.settings.tracking_url).get_run(made["mlflow_run_id"])
    assert made["mlflow_run"].endswith(
        f"/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    )
    tags = run.data.tags
    assert tags["dagster_run"] == f"http://127.0.0.1:3001/runs/{tags['dagster_run_id']}"
    assert world.instance.get_run_by_id(tags["dagster_run_id"]) is not None
    assert tags["dagster_run"] in tags["mlflow.note.content"]
    assert tags["team"] == "flights"
    assert run.inputs
    (entry,) = run.inputs.dataset_inputs
    assert made["training_set_digest"][7:].startswith(entry.dataset.digest)
    assert run.info.status == "FINISHED"


def test_a_training_has_a_point_for_each_step_and_epoch(world: World) -> None:
    made = world.metadata("candidates", ARRIVAL)
    client = tracking_client(world.settings.tracking_url)
    losses = client.get_metric_history(made["mlflow_run_id"], "train_loss_step")
    steps = [metric.step for metric in losses]
    assert steps == list(range(1, len(steps) + 1))
    epochs = client.get_metric_history(made["mlflow_run_id"], "validation_loss")
    assert [m.value for m in epochs] == [e["validation_loss"] for e in made["history"]]


def test_what_the_candidate_proved_is_in_the_run_that_trained_it(world: World) -> None:
    made = world.metadata("candidates", ARRIVAL)
    client = tracking_client(world.settings.tracking_url)
    run = client.get_run(made["mlflow_run_id"])
    proved = world.metadata("evaluations", ARRIVAL)["evidence_digest"]
    evidence = json.loads(world.artifacts.get_bytes(proved))
    assert run.data.metrics["holdout_auc"] == evidence["metrics"]["auc"]
    assert len(client.list_artifacts(run.info.run_id, "plots")) > 1


def test_the_tracking_store_holds_plots_and_json_only(world: World) -> None:
    """No model, and nothing that runs code when it is read."""
    stored = [p for p in (world.home / "mlflow-artifacts").rglob("*") if p.is_file()]
    assert {p.suffix for p in stored} <= {".png", ".json"}
    assert [p for p in stored if p.name == "history.png"]
