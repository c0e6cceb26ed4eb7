"""Tensors to batches. Needs torch alone, so a GPU machine without the platform can feed alike."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, distributed

from mlplat_assets.models.trainers.contract import Batch


class Batches:
    """Tensors cut into batches; with a seed, shuffled once an epoch and then sliced.

    Slicing copies nothing: it feeds three orders of magnitude more rows a second than a
    per-row Dataset, whose collation would take most of a training step.

    Where processes train together, each takes its share of every shuffled batch, all of one size:
    the mean of their gradients is then that of the batch. Rows that would be left over, fewer
    than there are processes, are left out of that epoch.

    Attributes:
        epoch: The number of the next pass.
        start: The batch that it begins with; 0 but for the rest of an epoch that broke off.
    """

    def __init__(self, rows: Batch, size: int, seed: int | None) -> None:
        self.rows, self.size, self.seed = rows, size, seed
        self.epoch = self.start = 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(len(self.rows.target) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        """One epoch of batches, in an order that the seed and the epoch's number decide."""
        tensors: Sequence[Tensor] = self.rows
        start, self.start = self.start, 0
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(len(self.rows.target), generator=generator)
            tensors = [tensor[order] for tensor in tensors]
            self.epoch += 1
        batches = zip(*(tensor.split(self.size) for tensor in tensors), strict=True)
        for parts in islice(batches, start, None):
            if self.seed is None or not distributed.is_initialized():
                yield Batch(*parts)
                continue
            own = len(parts[0]) // distributed.get_world_size()
            if own:
                first = distributed.get_rank() * own
                yield Batch(*(part[first : first + own] for part in parts))
