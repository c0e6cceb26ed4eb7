"""The micro-batcher: what arrives together is one batch, and nothing waits for more."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bentos.model_server.artefact.predictor import BATCH_ROWS
from bentos.model_server.runtime.batcher import Batcher, Overloaded


class Doubling:
    """A model that doubles, and notes its batches; a batch waits until `gate` is open."""

    def __init__(self, *, is_quick: bool, fails: type[Exception] | None = None) -> None:
        self.is_quick = is_quick
        self.fails = fails
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, rows: Sequence[tuple]) -> Sequence[object]:
        self.batches.append(len(rows))
        self.threads.add(threading.get_ident())
        self.entered.release()
        assert self.gate.wait(10)
        if self.fails is not None:
            raise self.fails("broken")
        return [row[0] * 2 for row in rows]


class Item:
    """One number for a model."""

    def __init__(self, plan: Doubling, number: int) -> None:
        self.plan = plan
        self.row = (number,)
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


def finish(items: list[Item], found: Sequence[object] | Exception, seconds: float) -> None:
    assert seconds >= 0
    for position, item in enumerate(items):
        item.future.set_result(found if isinstance(found, Exception) else found[position])


def everything(items: list[Item]) -> list[Item]:
    return items


def batcher(accept: Callable[[list[Item]], list[Item]] = everything, **given: Any) -> Batcher[Item]:
    return Batcher(accept=accept, finish=finish, **given)


async def asked(batched: Batcher[Item], model: Doubling, number: int) -> Any:
    item = Item(model, number)
    batched.submit(item)
    return await item.future


def test_what_arrives_in_one_turn_of_the_loop_is_one_batch() -> None:
    async def run() -> None:
        model, batched = Doubling(is_quick=True), batcher()
        found = await asyncio.gather(*[asked(batched, model, n) for n in range(10)])
        assert found == [2 * n for n in range(10)]
        assert await asked(batched, model, 7) == 14
        assert model.batches == [10, 1]
        assert model.threads == {threading.get_ident()}
        assert batched.depth() == 0

    asyncio.run(run())


def test_a_batch_has_a_bound_and_models_are_not_mixed() -> None:
    async def run() -> None:
        one, other, batched = Doubling(is_quick=True), Doubling(is_quick=True), batcher()
        waits = [asked(batched, one, n) for n in range(BATCH_ROWS + 5)]
        waits += [asked(batched, other, n) for n in range(3)]
        await asyncio.gather(*waits)
        assert one.batches == [BATCH_ROWS, 5]
        assert other.batches == [3]

    asyncio.run(run())


def test_a_slow_model_runs_in_a_thread_while_the_next_batch_collects() -> None:
    async def run() -> None:
        model, batched = Doubling(is_quick=False), batcher()
        model.gate.clear()
        first = asyncio.create_task(asked(batched, model, 0))
        await asyncio.to_thread(model.entered.acquire)
        rest = [asyncio.create_task(asked(batched, model, n)) for n in range(1, 6)]
        while batched.depth() < 5:
            await asyncio.sleep(0)
        model.gate.set()
        assert await first == 0
        assert await asyncio.gather(*rest) == [2, 4, 6, 8, 10]
        assert model.batches == [1, 5]
        assert threading.get_ident() not in model.threads
        batched.close()

    asyncio.run(run())


def test_beyond_its_bound_the_queue_turns_away() -> None:
    async def run() -> None:
        model, batched = Doubling(is_quick=False), batcher(queue_rows=3)
        items = [Item(model, n) for n in range(4)]
        for item in items[:3]:
            batched.submit(item)
        with pytest.raises(Overloaded, match="3 requests wait"):
            batched.submit(items[3])
        assert await asyncio.gather(*[item.future for item in items[:3]]) == [0, 2, 4]
        batched.submit(items[3])
        assert await items[3].future == 6
        batched.close()

    asyncio.run(run())


@pytest.mark.parametrize("is_quick", [True, False])
def test_what_a_model_raises_reaches_every_caller_and_the_next_batch_runs(is_quick: bool) -> None:
    async def run() -> None:
        model, batched = Doubling(is_quick=is_quick, fails=ValueError), batcher()
        found = await asyncio.gather(*[asked(batched, model, n) for n in range(3)])
        assert [str(error) for error in found] == ["broken"] * 3
        model.fails = None
        assert await asked(batched, model, 4) == 8
        batched.close()

    asyncio.run(run())


@pytest.mark.parametrize("is_quick", [True, False])
def test_what_is_not_wanted_any_more_is_not_predicted(is_quick: bool) -> None:
    def even(items: list[Item]) -> list[Item]:
        for item in items:
            if item.row[0] % 2 and not item.future.done():
                item.future.set_result("late")
        return [item for item in items if item.row[0] % 2 == 0]

    async def run() -> None:
        model, batched = Doubling(is_quick=is_quick), batcher(even)
        found = await asyncio.gather(*[asked(batched, model, n) for n in range(4)])
        assert found == [0, "late", 4, "late"]
        assert sum(model.batches) == 2
        batched.close()

    asyncio.run(run())
