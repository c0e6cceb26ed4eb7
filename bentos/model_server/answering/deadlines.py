"""How long callers wait."""

import asyncio
from collections.abc import Awaitable
from time import monotonic
from typing import TypeVar

from bentos.model_server.answering.pending import Caller
from bentos.model_server.answering.refusals import DeadlinePassed

T = TypeVar("T")
# How long a request may take whose caller does not say.
DEADLINE_SECONDS = 5.0


def patient() -> Caller:
    """A caller who does not say how long they wait."""
    return Caller(deadline=monotonic() + DEADLINE_SECONDS)


async def within(answer: Awaitable[T], caller: Caller) -> T:
    """What is awaited, if it comes before the caller's deadline.

    Raises:
        DeadlinePassed: It does not.
    """
    try:
        async with asyncio.timeout(caller.deadline - monotonic()):
            return await answer
    except TimeoutError as error:
        raise DeadlinePassed("the deadline passed before the answer was there") from error
