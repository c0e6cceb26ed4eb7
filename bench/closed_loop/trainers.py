"""Trainers that are wrong, each in one way that only a part of the loop can see."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mlplat_assets.models.trainers.contract import Batch, Problem, Value
from mlplat_assets.models.trainers.tabular import TabularModule

# Miles: the longest flight out of New York in 2013 is one of 4,983, to Honolulu.
LONGEST = 5000.0


class ShuffledLabels(TabularModule):
    """Learns labels that belong to other rows: nothing."""

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss against somebody else's outcome."""
        order = torch.randperm(len(batch.target))
        return super().training_step(batch._replace(target=batch.target[order]), index)


class BlindBeyond(TabularModule):
    """Gives no number for a distance beyond all that any flight of the data has."""

    def __init__(self, problem: Problem, hyperparameters: Mapping[str, Value]) -> None:
        super().__init__(problem, hyperparameters)
        self.distance = problem.numeric.index("distance")

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is served: NaN where the root of what is left to LONGEST is none."""
        distance = numeric[:, self.distance]
        known = torch.where(torch.isnan(distance), torch.zeros_like(distance), distance)
        nothing = torch.sqrt(LONGEST - known) * 0
        return super().forward(numeric, categorical) + nothing
