"""What the tabular network minimises: weighted classes, auxiliary outcomes, every task."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnxruntime import InferenceSession

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import GRAPH, write_artefact
from mlplat_assets.models.trainers.contract import Batch, Problem, Value
from mlplat_assets.models.trainers.feeding import predict, tensors
from mlplat_assets.models.trainers.fitting import Fitted, fit
from mlplat_assets.models.trainers.objective import (
    CUTS,
    Exceedances,
    Objective,
    class_shares,
    class_weights,
)
from mlplat_assets.models.trainers.tabular import TabularModule

TABULAR = "mlplat_assets.models.trainers.tabular:TabularModule"


def rows(count: int, seed: int, noise: float = 1.0) -> pl.DataFrame:
    """Minutes that hang on two waves and a weekday; from them a rare label and three classes."""
    generator = np.random.default_rng(seed)
    x, y = generator.normal(0, 1, (2, count))
    day = generator.choice(["mon", "tue", "sun"], count)
    signal = np.sin(3 * x) + np.cos(2 * y) + (day == "sun")
    minutes = signal + noise * generator.normal(0, 1, count)
    return pl.DataFrame(
        {
            "x": x,
            "y": np.where(generator.random(count) < 0.1, np.nan, y),
            "day": day,
            "late": minutes > 2.2,
            "kind": np.digitize(minutes, [0.0, 2.2]),
            "minutes": minutes,
        }
    )


TRAIN, VALIDATION, HOLDOUT = rows(4000, 1), rows(2000, 2), rows(4000, 3)
LABELS: dict[Task, str] = {"binary": "late", "multiclass": "kind", "regression": "minutes"}


def trained(
    folder: Path,
    task: Task = "binary",
    *,
    train: pl.DataFrame = TRAIN,
    auxiliary: Sequence[str] = (),
    **hyperparameters: Value,
) -> Fitted:
    quick: dict[str, Value] = {"epochs": 6, "batch_size": 256, "hidden": 32, "learning_rate": 0.01}
    return fit(
        train,
        VALIDATION,
        trainer=TABULAR,
        label=LABELS[task],
        task=task,
        numeric=["x", "y"],
        categorical=["day"],
        auxiliary=auxiliary,
        hyperparameters=quick | {"frequency_scale": 0.3} | hyperparameters,
        seed=7,
        folder=folder,
    )


def served(fitted: Fitted, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Truth and predictions of the holdout."""
    held = tensors(HOLDOUT, fitted.preprocessing, LABELS[task], task, classes=fitted.classes)
    return held.target.numpy(), predict(fitted.module, held, 1000).numpy()


def problem(target: Sequence[float], task: Task = "binary", classes: int = 0) -> Problem:
    """A problem of one column and this label."""
    values = torch.tensor(target, dtype=torch.int64 if classes else torch.float32)
    train = Batch(
        numeric=torch.zeros(len(values), 1),
        categorical=torch.zeros(len(values), 0, dtype=torch.int64),
        target=values,
        auxiliary=torch.zeros(len(values), 0),
    )
    return Problem(
        task=task,
        numeric=("x",),
        categories={},
        classes=tuple(str(i) for i in range(classes)),
        auxiliary=(),
        train=train,
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_learns_waves_and_is_served_the_same_by_onnx(task: Task, tmp_path: Path) -> None:
    fitted = trained(tmp_path, task, auxiliary=["minutes"], epochs=10)
    truth, found = served(fitted, task)
    metric, least = {
        "binary": ("auc", 0.82),
        "multiclass": ("macro_auc", 0.78),
        "regression": ("r2", 0.45),
    }[task]
    assert score(task, truth, found)[metric] > least
    strange = pl.DataFrame(
        {
            "x": [np.nan, 0.0, 1e30, np.inf],
            "y": [np.nan, np.nan, 0.5, -np.inf],
            "day": [None, "fri", "sun", "mon"],
        }
    )
    asked = pl.concat([HOLDOUT.select("x", "y", "day"), strange])
    frame = asked.with_columns(pl.lit(0.0).alias("minutes"))
    inputs = tensors(frame, fitted.preprocessing, "minutes", "regression")
    here = predict(fitted.module, inputs, 1000).numpy()
    assert np.isfinite(here).all()
    graph = InferenceSession(write_artefact(tmp_path / "artefact", fitted, {}) / GRAPH)
    given = {"numeric": inputs.numeric.numpy(), "categorical": inputs.categorical.numpy()}
    assert np.abs(here - graph.run(None, given)[0]).max() < 1e-5


def test_balanced_classes_move_the_training_and_not_the_probabilities(tmp_path: Path) -> None:
    plain, balanced, heavy = (
        trained(tmp_path / str(weight), class_weight=weight) for weight in ("none", "balanced", 20)
    )
    truth, _ = served(plain, "binary")
    assert truth.mean() < 0.2
    for fitted in (plain, balanced, heavy):
        found = served(fitted, "binary")[1]
        assert found.mean() == pytest.approx(truth.mean(), abs=0.02)
        assert score("binary", truth, found)["auc"] > 0.8
    weights = [
        fitted.module.state_dict()["network.output.weight"] for fitted in (plain, balanced, heavy)
    ]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_balanced_classes_of_a_multiclass_model_are_served_as_they_come(tmp_path: Path) -> None:
    fitted = trained(tmp_path, "multiclass", class_weight="balanced")
    truth, found = served(fitted, "multiclass")
    shares = np.bincount(truth.astype(int)) / len(truth)
    assert found.shape == (len(HOLDOUT), 3)
    assert found.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert found.mean(0) == pytest.approx(shares, abs=0.03)


def test_weights_have_a_mean_of_one_over_rows_and_balance_the_totals() -> None:
    shares = class_shares(problem([0, 0, 0, 0, 0, 0, 1, 1, 2, 2], "multiclass", 3))
    assert shares.tolist() == pytest.approx([0.6, 0.2, 0.2])
    balanced = class_weights(shares, "balanced")
    assert (balanced * shares).tolist() == pytest.approx([1 / 3] * 3)
    thrice = class_weights(torch.tensor([0.8, 0.2]), 3.0)
    assert (thrice * torch.tensor([0.8, 0.2])).sum() == pytest.approx(1.0)
    assert thrice[1] / thrice[0] == pytest.approx(3.0)
    assert class_weights(shares, "none").tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("weight", ["none", "balanced", 5.0])
def test_training_starts_from_the_shares_of_the_classes(weight: float | str) -> None:
    objective = Objective(problem([0, 0, 0, 1]), weight)
    assert torch.sigmoid(objective.start + objective.offset).item() == pytest.approx(0.25)
    if weight != 5.0:
        three = Objective(problem([0, 1, 1, 2], "multiclass", 3), weight)
        start = torch.softmax(three.start + three.offset, 0)
        assert start.tolist() == pytest.approx([0.25, 0.5, 0.25])


@pytest.mark.parametrize(
    ("of", "weight", "message"),
    [
        (problem([0, 1]), "even", "class_weight is 'even' for 2 classes"),
        (problem([0, 1]), 0, "class_weight is 0 for 2 classes"),
        (problem([0, 1]), float("nan"), "class_weight is nan for 2 classes"),
        (problem([0, 1]), True, "class_weight is True for 2 classes"),
        (problem([0, 1, 2], "multiclass", 3), 2.0, "class_weight is 2.0 for 3 classes"),
        (problem([1, 1]), "balanced", "a class has no training row"),
        (problem([1.5, 2.5], "regression"), "balanced", "a regression has no classes"),
    ],
)
def test_a_class_weight_that_fits_no_task_is_refused(
    of: Problem, weight: float | str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TabularModule(of, {"class_weight": weight})


def test_an_auxiliary_outcome_teaches_what_few_labels_cannot(tmp_path: Path) -> None:
    def found(name: str, seed: int, auxiliary: Sequence[str], weight: float) -> np.ndarray:
        return served(
            trained(
                tmp_path / f"{name}{seed}",
                train=rows(300, seed, noise=0.3),
                auxiliary=auxiliary,
                auxiliary_weight=weight,
                epochs=12,
                patience=12,
                batch_size=64,
            ),
            "binary",
        )[1]

    truth = HOLDOUT["late"].to_numpy()
    gains = [
        score("binary", truth, found("taught", seed, ["minutes"], 1.0))["auc"]
        - score("binary", truth, found("alone", seed, [], 1.0))["auc"]
        for seed in (5, 6)
    ]
    assert np.mean(gains) > 0.03
    assert np.array_equal(found("out", 5, ["minutes"], 0.0), found("alone", 5, [], 1.0))


def naive_loss(outcomes: np.ndarray, cuts: np.ndarray, answers: np.ndarray) -> float:
    losses = [
        np.logaddexp(0, answers[i, a, c]) - answers[i, a, c] * (outcomes[i, a] > cuts[a, c])
        for i in range(len(outcomes))
        for a in range(cuts.shape[0])
        for c in range(cuts.shape[1])
        if not np.isnan(outcomes[i, a]) and not np.isnan(cuts[a, c])
    ]
    return float(np.mean(losses)) if losses else 0.0


@settings(deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 3)),
        elements=st.sampled_from([np.nan, -5.0, 0.0, 0.5, 1.0, 300.0]),
    )
)
def test_exceedances_are_asked_where_an_outcome_is_known(outcomes: np.ndarray) -> None:
    torch.manual_seed(1)
    asked = torch.from_numpy(outcomes)
    beside, hidden = Exceedances(asked, 4), torch.randn(len(outcomes), 4, requires_grad=True)
    loss = beside(hidden, asked)
    answers = beside.answers(hidden).detach().numpy().reshape(len(outcomes), -1, CUTS)
    assert loss.item() == pytest.approx(naive_loss(outcomes, beside.cuts.numpy(), answers), 1e-4)
    loss.backward()
    assert hidden.grad is not None
    # A row is learnt from where it has an outcome whose column has anything to ask.
    taught = (~np.isnan(outcomes) & ~np.isnan(beside.cuts.numpy()[:, 0])).any(1)
    assert (hidden.grad.numpy() != 0).any(1).tolist() == taught.tolist()


def test_exceedances_are_blind_to_units_and_outliers() -> None:
    minutes = torch.from_numpy(TRAIN["minutes"].to_numpy().copy()).float().reshape(-1, 1)
    distorted = torch.exp(minutes * 3 + 5)
    hidden, losses = torch.randn(len(minutes), 4), []
    for outcomes in (minutes, distorted):
        torch.manual_seed(3)
        losses.append(Exceedances(outcomes, 4)(hidden, outcomes).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
