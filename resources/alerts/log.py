"""The sink that writes to the log: where messages go while no other one is configured."""

import logging
from datetime import datetime

import msgspec

from resources.alerts.records import Delivery
from resources.alerts.wording import document, title

LOGGER = logging.getLogger("mlplat.alerts")


class Log:
    """A warning for each message, with the document as JSON."""

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Write the message to the logger `mlplat.alerts`."""
        told = msgspec.json.encode(document(delivery)).decode()
        LOGGER.warning("%s %s", title(delivery.message), told)
