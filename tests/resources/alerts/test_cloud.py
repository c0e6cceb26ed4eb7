"""CloudWatch and SNS on moto's server, over HTTP as a client of AWS speaks it."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from resources.alerts.cloud import CloudWatch, Sns
from resources.alerts.records import Said
from resources.alerts.sink import SinkFailed
from tests.resources.alerts.deliveries import AT, delivery


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield
    server.stop()


def asked(service: str, operation: str, **arguments: Any) -> Any:
    client = boto3.client(service)  # type: ignore[call-overload]
    try:
        return getattr(client, operation)(**arguments)
    finally:
        client.close()


def test_a_metric_is_1_while_the_alert_is_open_and_0_at_its_end(aws: None) -> None:
    def values() -> list[float]:
        found = asked(
            "cloudwatch", "get_metric_statistics", Namespace="mlplat", MetricName="Alert",
            Dimensions=[{"Name": "Model", "Value": "flights.arrival_delay"},
                        {"Name": "Kind", "Value": "null_spike"},
                        {"Name": "Subject", "Value": "weather__temp"}],
            StartTime=AT - timedelta(hours=1), EndTime=AT + timedelta(hours=1), Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]  # fmt: skip
        return [value for each in found for value in (each["Sum"], each["SampleCount"])]

    CloudWatch(namespace="mlplat").deliver(delivery(), AT)
    assert values() == [1, 1]
    CloudWatch(namespace="mlplat").deliver(delivery(Said.RESOLVED), AT)
    assert values() == [1, 2]


def test_a_topics_subscribers_get_the_document_and_what_to_filter_by(aws: None) -> None:
    topic = asked("sns", "create_topic", Name="alerts")["TopicArn"]
    queue = asked("sqs", "create_queue", QueueName="alerts")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:alerts"
    asked("sns", "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)
    Sns(topic=topic).deliver(delivery(), AT)
    (message,) = asked("sqs", "receive_message", QueueUrl=queue)["Messages"]
    told = json.loads(message["Body"])
    assert json.loads(told["Message"])["alert"]["severity"] == "P0"
    assert told["MessageAttributes"]["severity"]["Value"] == "P0"
    assert told["Subject"].startswith("[P0] null_spike of flights.arrival_delay")


def test_a_topic_that_is_not_there_is_told_by_aws_own_code(aws: None) -> None:
    with pytest.raises(SinkFailed, match="sns: NotFound"):
        Sns(topic="arn:aws:sns:us-east-1:123456789012:none").deliver(delivery(), AT)


def test_a_machine_without_credentials_is_told(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(SinkFailed, match="cloudwatch: NoCredentialsError"):
        CloudWatch(namespace="mlplat").deliver(delivery(), AT)
