"""The tabular trainer learns, tells missing from present, and repeats itself exactly."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pytorch_lightning.loggers import Logger

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.baseline import fit_baseline
from mlplat_assets.models.tracking.runs import Subject, tracked, tracking_client
from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.contract import Batch, Value
from mlplat_assets.models.trainers.feeding import predict, tensors
from mlplat_assets.models.trainers.fitting import Fitted, fit
from mlplat_assets.models.trainers.network import RobustScale, robust_statistics
from mlplat_assets.models.trainers.tracked import RunLogger

TABULAR = "mlplat_assets.models.trainers.tabular:TabularModule"
NUMERIC = ["temp", "delay"]
CATEGORICAL = ["holiday", "carrier"]  # not in alphabetical order: the order is the graph's
QUICK: dict[str, Value] = {"epochs": 3, "batch_size": 256, "hidden": 16, "learning_rate": 0.01}


def flights(rows: int, seed: int) -> pl.DataFrame:
    """Rows whose label hangs on a wave of one number, on another's absence, and on a carrier."""
    generator = np.random.default_rng(seed)
    temp, delay = generator.normal(60, 15, rows), generator.gamma(1.0, 20.0, rows)
    absent = generator.random(rows) < 0.2
    carrier = generator.choice(["AA", "B6", "UA"], rows)
    signal = 1.5 * np.sin(temp / 8) + 1.5 * absent + 1.0 * (carrier == "B6") - 1.0
    return pl.DataFrame(
        {
            "temp": temp,
            "delay": np.where(absent, np.nan, delay),
            "carrier": carrier,
            "holiday": generator.random(rows) < 0.1,
            "late": generator.random(rows) < 1 / (1 + np.exp(-2 * signal)),
            "minutes": 30 * signal + 100 + generator.normal(0, 10, rows),
        }
    ).with_columns(pl.col("delay").fill_nan(None))


TRAIN, VALIDATION, HOLDOUT = flights(4000, 1), flights(1000, 2), flights(2000, 3)


def trained(
    folder: Path,
    task: Task = "binary",
    *,
    train: pl.DataFrame = TRAIN,
    numeric: Sequence[str] = NUMERIC,
    categorical: Sequence[str] = CATEGORICAL,
    seed: int = 7,
    logger: Logger | None = None,
    **hyperparameters: Value,
) -> Fitted:
    return fit(
        train,
        VALIDATION,
        trainer=TABULAR,
        label="late" if task == "binary" else "minutes",
        task=task,
        numeric=numeric,
        categorical=categorical,
        hyperparameters=QUICK | hyperparameters,
        seed=seed,
        folder=folder,
        logger=logger,
    )


def holdout_score(fitted: Fitted, task: Task, label: str) -> dict[str, float]:
    rows = tensors(HOLDOUT, fitted.preprocessing, label, task)
    return score(task, rows.target, predict(fitted.module, rows, 512))


@pytest.mark.parametrize(
    ("task", "label", "metric"), [("binary", "late", "auc"), ("regression", "minutes", "r2")]
)
def test_the_network_is_level_with_boosted_trees(
    task: Task, label: str, metric: str, tmp_path: Path
) -> None:
    fitted = trained(tmp_path, task, epochs=10, hidden=32, frequency_scale=0.3)
    trees = fit_baseline(
        TRAIN,
        VALIDATION,
        HOLDOUT,
        label=label,
        task=task,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        seed=7,
    )
    assert trees.predictions.shape == (len(HOLDOUT),)
    assert holdout_score(fitted, task, label)[metric] > trees.metrics[metric] - 0.01


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        trained(tmp_path / str(i), seed=seed) for i, seed in enumerate((7, 7, 8))
    )
    assert first.history == again.history
    weights = [fitted.module.state_dict() for fitted in (first, again, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(
        weights[0]["network.trunk.0.weight"], weights[2]["network.trunk.0.weight"]
    )


def test_training_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    trained(tmp_path, epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_losses_and_settings_reach_the_tracking_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tracking' / 'mlflow.sqlite'}"
    subject = Subject(experiment="flights.arrival_delay", name="first", key="sha256:1")
    with tracked(url, subject) as run:
        fitted = trained(tmp_path / "work", logger=RunLogger(run), epochs=2)
    client = tracking_client(url)
    assert client.get_run(run.run_id).data.params["learning_rate"] == "0.01"
    found = client.get_metric_history(run.run_id, "validation_loss")
    expected = [epoch["validation_loss"] for epoch in fitted.history]
    assert [metric.value for metric in found] == pytest.approx(expected)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    fitted = trained(tmp_path, epochs=40, patience=1, learning_rate=0.05)
    losses = [epoch["validation_loss"] for epoch in fitted.history]
    assert fitted.epochs == len(losses) < 40
    assert losses[-1] > min(losses)
    assert fitted.validation["log_loss"] == pytest.approx(min(losses), rel=1e-4)


def test_vocabularies_are_sorted_strings_and_booleans_are_true_and_false(tmp_path: Path) -> None:
    assert trained(tmp_path, epochs=1).preprocessing == {
        "numeric": ["temp", "delay"],
        "categorical": {"holiday": ["false", "true"], "carrier": ["AA", "B6", "UA"]},
    }


def test_the_code_of_unseen_categories_is_trained_though_no_row_has_one(tmp_path: Path) -> None:
    first, trained_on = (trained(tmp_path / str(n), epochs=n, patience=9) for n in (1, 3))
    weights = [
        fitted.module.get_parameter("network.embeddings.1.weight") for fitted in (first, trained_on)
    ]
    assert not torch.allclose(weights[0][0], weights[1][0], atol=1e-3)


def test_statistics_ignore_missing_values_and_survive_degenerate_columns() -> None:
    nan, inf = math.nan, math.inf
    columns = torch.tensor(
        [[1.0, nan, 5.0, 0.0], [2.0, nan, 5.0, 0.0], [3.0, nan, 5.0, 0.0], [inf, nan, nan, 9.0]]
    )
    center, scale = robust_statistics(columns)
    assert center.tolist() == [2.0, 0.0, 5.0, 0.0]
    assert scale[0].item() == pytest.approx((3 - 1) / 1.349)
    assert (scale > 0).all()
    assert scale[1:3].tolist() == [1.0, 1.0]


def test_outliers_and_infinities_stay_within_three() -> None:
    numeric = torch.tensor([[0.0], [1.0], [2.0], [3.0], [math.inf], [-math.inf], [math.nan]])
    scaled = RobustScale(numeric)(numeric, torch.isnan(numeric))
    assert scaled.abs().max() <= 3.0
    assert scaled[-1] == 0.0
    assert (scaled[:5].diff(dim=0) > 0).all()


@pytest.mark.parametrize(("numeric", "categorical"), [(NUMERIC, []), ([], CATEGORICAL)])
def test_a_model_may_have_columns_of_one_kind_only(
    numeric: list[str], categorical: list[str], tmp_path: Path
) -> None:
    fitted = trained(tmp_path, numeric=numeric, categorical=categorical, epochs=1)
    assert 0.5 < fitted.validation["auc"] < 1.0


def test_batches_hold_every_row_once_in_a_new_order_each_epoch() -> None:
    rows = torch.arange(10)
    whole = Batch(rows[:, None], rows[:, None], rows, rows[:, None] * 2)
    batches = Batches(whole, 4, seed=1)
    first, second = (torch.cat([batch.target for batch in batches]) for _ in range(2))
    assert len(batches) == 3
    assert sorted(first.tolist()) == sorted(second.tolist()) == rows.tolist()
    assert first.tolist() != second.tolist()
    assert all(torch.equal(b.auxiliary[:, 0], 2 * b.target) for b in batches)
    in_order = Batches(whole, 4, seed=None)
    assert torch.cat([batch.target for batch in in_order]).tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "'epoch' is unknown; known are .*blank, .* of the fitting, epochs"),
        ({"precision": "bf32"}, "precision is 'bf32'; give one of auto"),
        ({"strategy": 2}, "strategy is 2; give a text"),
        ({"epochs": 2.5}, "give a whole number of at least 1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"dropout": "0.1"}, "dropout is '0.1'"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"layers": True}, "layers is True"),
    ],
)
def test_a_wrong_hyperparameter_is_refused_by_name(
    given: dict[str, Value], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(
            TRAIN,
            VALIDATION,
            trainer=TABULAR,
            label="late",
            task="binary",
            numeric=NUMERIC,
            categorical=CATEGORICAL,
            hyperparameters=given,
            seed=7,
            folder=tmp_path,
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(None, pl.Boolean).alias("late"), "4000 of 4000 rows are null"),
        (pl.lit(2).alias("late"), r"holds \[2.0\]"),
        (pl.lit("warm").alias("temp"), "numeric column 'temp' is String"),
        (pl.lit(1).alias("carrier"), "categorical column 'carrier' is Int32"),
    ],
)
def test_a_frame_that_does_not_fit_the_declaration_is_refused(
    change: pl.Expr, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        trained(tmp_path, train=TRAIN.with_columns(change))


def test_the_baseline_takes_more_categories_than_a_byte_holds() -> None:
    def with_tails(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_row_index("row").with_columns(tail=(pl.col("row") % 400).cast(pl.String))

    found = fit_baseline(
        *(with_tails(frame) for frame in (TRAIN, VALIDATION, HOLDOUT)),
        label="late",
        task="binary",
        numeric=NUMERIC,
        categorical=["carrier", "tail"],
        seed=1,
    )
    assert found.metrics["auc"] > 0.7
