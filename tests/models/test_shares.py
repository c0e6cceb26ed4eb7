"""Processes that train together share every batch: equal parts, no row twice, none unseen."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore

from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.contract import Batch


@contextmanager
def member(rank: int, world: int) -> Iterator[None]:
    """This process as one of a group, whose others are not there."""
    distributed.init_process_group("fake", rank=rank, world_size=world, store=FakeStore())
    try:
        yield
    finally:
        distributed.destroy_process_group()


def batches(rows: int, size: int, seed: int | None) -> list[list[int]]:
    """The rows of each batch of one epoch, by number."""
    numbers = torch.arange(rows)
    empty = torch.zeros(rows, 0)
    fed = Batches(Batch(numbers[:, None].float(), empty.long(), numbers, empty), size, seed)
    return [batch.target.tolist() for batch in fed]


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 60), size=st.integers(1, 20), world=st.integers(1, 4))
def test_shares_are_equal_disjoint_and_all_of_a_batch_but_a_rest(
    rows: int, size: int, world: int
) -> None:
    whole = batches(rows, size, seed=3)
    shares = []
    for rank in range(world):
        with member(rank, world):
            shares.append(batches(rows, size, seed=3))
    kept = [batch for batch in whole if len(batch) >= world]
    assert all(len(share) == len(kept) for share in shares)
    for batch, parts in zip(kept, zip(*shares, strict=True), strict=True):
        assert {len(part) for part in parts} == {len(batch) // world}
        assert list(chain(*parts)) == batch[: len(batch) // world * world]


def test_validation_is_whole_for_each() -> None:
    """So that all stop after the same epoch."""
    with member(1, 2):
        assert batches(10, 4, seed=None) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
