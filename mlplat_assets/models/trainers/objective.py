"""What the tabular network minimises: its task's loss, classes weighted, and the auxiliary's."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlplat_assets.models.trainers.contract import Problem

# Quantiles at which an auxiliary outcome is cut.
CUTS = 15


class Objective(nn.Module):
    """The loss of a task over a network's raw output [n, outputs], a mean over rows.

    A regression learns the standardised label, so its `offset` and `spread` are the label's mean
    and deviation. A classifier learns from rows weighted by their class, which adds log(weight) to
    the log-odds that fit best (Elkan 2001); its `offset` takes that off again, so what is served
    are probabilities of the classes as they come, whatever the weights.

    Attributes:
        weights: Weight of a row by its class [K], 2 for a binary task; their mean over training
            rows is 1. Empty for a regression.
        offset: float32 [outputs], for `TabularNetwork.offset`.
        spread: float32 [], for `TabularNetwork.spread`.
        start: What raw output [outputs] is best without looking at the inputs.
    """

    weights: Tensor
    offset: Tensor
    spread: Tensor

    def __init__(self, problem: Problem, class_weight: float | str) -> None:
        super().__init__()
        self.task = problem.task
        target = problem.train.target.double()
        if problem.task == "regression":
            refuse_weights(class_weight)
            deviation = target.std(correction=0).item()
            weights, offset, self.start = torch.zeros(0), target.mean().reshape(1), torch.zeros(1)
            spread = deviation if deviation > 1e-12 else 1.0
        else:
            shares = class_shares(problem)
            weights, spread = class_weights(shares, class_weight), 1.0
            # A class without rows starts as if it had half of one.
            logs = shares.clamp(min=0.5 / len(target)).log()
            found = torch.stack([-weights.log(), logs + weights.log()])
            found = found[:, 1:] - found[:, :1] if problem.task == "binary" else found
            offset, self.start = found[0], found[1].float()
        self.register_buffer("weights", weights.float())
        self.register_buffer("offset", offset.float())
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32))

    def learnt(self, raw: Tensor, target: Tensor) -> Tensor:
        """What training minimises: squared error of the standard label, or weighted log loss."""
        if self.task == "regression":
            return functional.mse_loss(raw[:, 0], (target - self.offset) / self.spread)
        losses = self._log_losses(raw, target)
        return (losses * self.weights[target.long()]).mean()

    def judged(self, raw: Tensor, target: Tensor) -> Tensor:
        """What epochs are compared by: the loss of what is served, every row alike."""
        if self.task == "regression":
            return self.learnt(raw, target)
        return self._log_losses(raw + self.offset, target).mean()

    def _log_losses(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.task == "binary":
            return functional.binary_cross_entropy_with_logits(
                logits[:, 0], target, reduction="none"
            )
        return functional.cross_entropy(logits, target, reduction="none")


def class_shares(problem: Problem) -> Tensor:
    """The share of each class in the training rows, float64 [K]; sums to 1."""
    indices = problem.train.target.long()
    return torch.bincount(indices, minlength=len(problem.classes) or 2).double() / len(indices)


def class_weights(shares: Tensor, wanted: float | str) -> Tensor:
    """Weights by class [K], of mean 1 over the rows that have these shares.

    `none` is 1 for all, `balanced` gives every class the same total, a number is how many times
    the second class of a binary task counts.

    Raises:
        ValueError: It is none of these, or a class to balance has no row.
    """
    if wanted == "none":
        return torch.ones_like(shares)
    if wanted == "balanced":
        if bool((shares == 0).any()):
            raise ValueError("class_weight is 'balanced', but a class has no training row")
        return 1.0 / (len(shares) * shares)
    counts = not isinstance(wanted, bool | str) and 0 < wanted < math.inf
    if isinstance(wanted, str) or not counts or len(shares) != 2:
        raise ValueError(
            f"class_weight is {wanted!r} for {len(shares)} classes; give 'none', 'balanced' or, "
            "for two classes, how many times a positive row counts"
        )
    weights = torch.tensor([1.0, wanted], dtype=shares.dtype)
    return weights / (weights * shares).sum()


def refuse_weights(wanted: float | str) -> None:
    """Raises where a regression asks for class weights."""
    if wanted != "none":
        raise ValueError(f"class_weight is {wanted!r}, but a regression has no classes")


class Exceedances(nn.Module):
    """Auxiliary outcomes as questions: does it exceed its quantile, for some quantiles each?

    What it learns pulls the hidden layer towards the whole distribution of an outcome. Asking for
    quantiles makes that blind to its unit and to outliers; where it is missing, nothing is asked.
    Not part of what is served.
    """

    cuts: Tensor

    def __init__(self, outcomes: Tensor, width: int) -> None:
        super().__init__()
        found = [quantiles(column, CUTS) for column in outcomes.unbind(1)]
        # Columns have as many cuts as they have different quantiles: NaN fills up the rest.
        self.register_buffer("cuts", torch.full((outcomes.shape[1], CUTS), torch.nan))
        for row, cuts in zip(self.cuts, found, strict=True):
            row[: len(cuts)] = cuts
        self.answers = nn.Linear(width, self.cuts.numel())

    def forward(self, hidden: Tensor, outcomes: Tensor) -> Tensor:
        """The mean log loss over rows and questions, of hidden units [n, width]; 0 without any."""
        asked = ~torch.isnan(outcomes).unsqueeze(2) & ~torch.isnan(self.cuts)
        exceeded = (outcomes.unsqueeze(2) > self.cuts).to(hidden.dtype)
        answers = self.answers(hidden).view(exceeded.shape)
        losses = functional.binary_cross_entropy_with_logits(answers, exceeded, reduction="none")
        return (losses * asked).sum() / asked.sum().clamp(min=1)


def quantiles(column: Tensor, count: int) -> Tensor:
    """Up to `count` different inner quantiles of the finite values, each exceeded by some."""
    ordered = column[torch.isfinite(column)].sort().values
    if len(ordered) == 0:
        return ordered
    places = torch.arange(1, count + 1).double() / (count + 1) * (len(ordered) - 1)
    found = ordered[places.round().long()].unique()
    return found[found < ordered[-1]]
