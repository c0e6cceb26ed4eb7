"""What a sink is: something that takes a message, or says why it did not."""

from datetime import datetime
from typing import Protocol

from resources.alerts.records import Delivery


class SinkFailed(Exception):
    """The sink has not taken the message. Says why, and never a secret."""


class Sink(Protocol):
    """Takes messages. The same delivery may come twice: its id tells."""

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Hand a message over, at a moment (UTC).

        Raises:
            SinkFailed: It was not taken.
        """
        ...
