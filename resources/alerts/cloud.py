"""Sinks of AWS: a CloudWatch metric for each alert, and messages to an SNS topic."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from resources.alerts.records import Delivery, Said
from resources.alerts.sink import SinkFailed
from resources.alerts.wording import document, title

if TYPE_CHECKING:
    from collections.abc import Callable

# An SNS subject is shorter, and of printable ASCII.
_SUBJECT = 100


@dataclass(frozen=True, kw_only=True)
class CloudWatch:
    """The metric `Alert` of model, kind and subject: 1 when one opens or worsens, 0 at its end."""

    namespace: str

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Put the metric, at the moment of the message."""
        alert = delivery.message.alert
        # A dimension cannot be empty.
        named = {"Model": alert.model, "Kind": alert.kind, "Subject": alert.subject or "all"}
        metric = {
            "MetricName": "Alert",
            "Dimensions": [{"Name": name, "Value": value} for name, value in named.items()],
            "Timestamp": delivery.message.at,
            "Value": float(delivery.message.says is not Said.RESOLVED),
            "Unit": "Count",
        }
        _call(
            "cloudwatch",
            lambda client: client.put_metric_data(Namespace=self.namespace, MetricData=[metric]),
        )


@dataclass(frozen=True, kw_only=True)
class Sns:
    """The message as JSON; severity, model and event as attributes, for filter policies."""

    topic: str

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Publish the message."""
        message = delivery.message
        named = {
            "severity": message.alert.severity.value,
            "model": message.alert.model,
            "event": message.says.value,
        }
        subject = title(message).encode("ascii", "replace").decode()[:_SUBJECT]
        _call(
            "sns",
            lambda client: client.publish(
                TopicArn=self.topic,
                Subject=subject,
                Message=msgspec.json.encode(document(delivery)).decode(),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in named.items()
                },
            ),
        )


def _call(service: str, ask: "Callable[[Any], object]") -> None:
    """Ask a service of AWS, by the credentials that boto3 finds."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Three attempts take 25 s at most, as of a webhook.
    retries = {"mode": "standard", "total_max_attempts": 3}
    config = Config(connect_timeout=3, read_timeout=5, retries=retries)  # type: ignore[arg-type]
    try:
        client = boto3.client(service, config=config)  # type: ignore[call-overload]
        try:
            ask(client)
        finally:
            client.close()
    except ClientError as error:
        raise SinkFailed(f"{service}: {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise SinkFailed(f"{service}: {type(error).__name__}") from error
