"""Delivering what is due: each message to its sink, until the time is up."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from resources.alerts.outbox import Outbox
from resources.alerts.sink import Sink, SinkFailed


@dataclass(frozen=True, kw_only=True)
class Told:
    """How many messages were taken, and a line for each that was not."""

    delivered: int
    failures: tuple[str, ...]


def deliver_due(
    outbox: Outbox,
    sinks: Mapping[str, Sink],
    *,
    seconds: float,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    stopwatch: Callable[[], float] = time.monotonic,
) -> Told:
    """Deliver what is due, the oldest first, and begin nothing after so many seconds.

    A sink that has failed is left alone until the next time, so that one that is away does not
    take the time of the others.
    """
    until = stopwatch() + seconds
    delivered, failures = 0, list[str]()
    away: dict[str, str] = {}
    while stopwatch() < until and (delivery := outbox.claim(clock())) is not None:
        why = away.get(delivery.sink)
        if why is None:
            why = _try(sinks, delivery.sink, lambda sink, d=delivery: sink.deliver(d, clock()))
        if why is None:
            outbox.delivered(delivery, clock())
            delivered += 1
        else:
            away[delivery.sink] = why
            after = outbox.failed(delivery, why, clock())
            failures.append(
                f"message {delivery.id} to {delivery.sink} was not taken ({why}); "
                f"attempt {after.attempts}, the next at {after.due:%Y-%m-%d %H:%M} UTC"
            )
    return Told(delivered=delivered, failures=tuple(failures))


def _try(sinks: Mapping[str, Sink], name: str, hand: Callable[[Sink], None]) -> str | None:
    """Why the sink has not taken it; None: it has."""
    if name not in sinks:
        return f"MLPLAT_ALERTS has no sink {name!r} any more"
    try:
        hand(sinks[name])
    except SinkFailed as error:
        return str(error)
    return None
