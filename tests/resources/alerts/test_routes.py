"""The file of sinks and routes, and delivering by it what the outbox holds."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from resources.alerts.cloud import CloudWatch, Sns
from resources.alerts.delivery import deliver_due
from resources.alerts.hooks import Slack, Webhook
from resources.alerts.log import Log
from resources.alerts.mail import Mail
from resources.alerts.records import Delivery, Said, Severity, Step
from resources.alerts.routes import AlertsFileError, routes_of
from resources.alerts.sink import SinkFailed
from resources.registry.registry import Registry
from tests.resources.alerts.deliveries import ALERT, AT
from tests.resources.conftest import Clock

SECRET = "0123456789abcdef0123456789abcdef"
FILE = """
[sinks.ops]
kind = "webhook"
url = "https://hooks.example.com/mlplat"
secret_file = "hook.secret"
allow = ["10.1.2.0/24"]

[sinks.chat]
kind = "slack"
url_file = "slack.url"

[sinks.mail]
kind = "email"
host = "smtp.example.com"
sender = "mlplat@example.com"
recipients = ["ana@example.com"]
user = "mlplat"
password_file = "smtp.password"

[sinks.metrics]
kind = "cloudwatch"

[sinks.topic]
kind = "sns"
topic = "arn:aws:sns:us-east-1:123456789012:alerts"

[sinks.log]
kind = "log"

[[routes]]
sinks = ["log", "metrics"]

[[routes]]
sinks = ["ops", "log"]
severities = ["P0", "P1"]

[[routes]]
sinks = ["chat"]
teams = ["flights"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "hook.secret").write_text(f"{SECRET}\n")
    (tmp_path / "slack.url").write_text("https://hooks.slack.com/services/T0/B0/word\n")
    (tmp_path / "smtp.password").write_text("horse\n")
    made = tmp_path / "alerts.toml"
    made.write_text(FILE)
    return made


def test_every_kind_of_sink_is_made_and_none_shows_its_secret(file: Path) -> None:
    sinks = routes_of(file).sinks
    kinds = [type(sinks[n]) for n in ("ops", "chat", "mail", "metrics", "topic", "log")]
    assert kinds == [Webhook, Slack, Mail, CloudWatch, Sns, Log]
    assert not [word for word in (SECRET, "word", "horse") if word in repr(sinks)]


def test_an_alert_goes_to_each_sink_of_the_routes_that_take_it_once(file: Path) -> None:
    routes = routes_of(file)
    assert routes.sinks_of(ALERT) == ["log", "metrics", "ops", "chat"]
    mild = replace(ALERT, severity=Severity.P3, model="taxis.fare", affects=("taxis.fare",))
    assert routes.sinks_of(mild) == ["log", "metrics"]
    upstream = replace(mild, affects=("taxis.fare", "flights.arrival_delay"))
    assert routes.sinks_of(upstream) == ["log", "metrics", "chat"]


def test_without_a_file_everything_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    routes = routes_of(None)
    assert routes.sinks_of(ALERT) == ["log"]
    delivery = Delivery(id=1, sink="log", message=_message(), attempts=0, due=AT)
    with caplog.at_level(logging.WARNING, "mlplat.alerts"):
        routes.sinks["log"].deliver(delivery, AT)
    assert "[P0] null_spike of flights.arrival_delay" in caplog.text


def _message():
    from resources.alerts.records import Message

    return Message(says=Said.OPENED, alert=ALERT, at=AT)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('url = "https:', 'url = "http:', r"sinks\.ops: url: is no https:// URL"),
        ('secret_file = "hook', 'secret_file = "gone', r"gone\.secret: No such file"),
        ('secret_file = "hook.secret"', 'secret_file = "smtp.password"', "5 bytes are too few"),
        ("10.1.2.0/24", "10.1.2.0/99", r"sinks\.ops: allow: .*write networks"),
        ('user = "mlplat"\n', "", "one without the other"),
        ('recipients = ["ana@example.com"]', "recipients = []", "recipients: is empty"),
        ('["ops", "log"]', '["ops", "lgo"]', r"no sink is named 'lgo'; known: ops, chat"),
        ('severities = ["P0", "P1"]', 'severities = ["P9"]', r"P9.*\$\.routes"),
        ('kind = "sns"', 'kind = "pager"', r"'pager' - at `\$\.sinks"),
        ("[sinks.log]", "[sinks.log", "TOML|Expected"),
        ("namespace", "namespace", None),
        ('topic = "arn', 'tpoic = "arn', "tpoic"),
    ],
)
def test_a_wrong_field_is_named(file: Path, old: str, new: str, said: str | None) -> None:
    file.write_text(FILE.replace(old, new))
    if said is None:
        routes_of(file)
        return
    with pytest.raises(AlertsFileError, match=said):
        routes_of(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AlertsFileError, match=r"MLPLAT_ALERTS, .*gone\.toml: No such file"):
        routes_of(tmp_path / "gone.toml")


def test_a_file_that_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(AlertsFileError, match=r"MLPLAT_ALERTS, .*can't decode byte 0xff"):
        routes_of(file)


class Box:
    """A sink that keeps what it takes, and fails while it is told to."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.tried = 0
        self.away = False

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        self.tried += 1
        if self.away:
            raise SinkFailed("box: away")
        self.taken.append(delivery.id)


def put(store: Registry, *sinks: str, alerts: int = 1) -> None:
    for number in range(alerts):
        step = Step(alert=replace(ALERT, id=0, subject=str(number)), says=Said.OPENED)
        store.alerts.settle(lambda held, _, step=step: [step], lambda _: list(sinks), AT)


def stopwatch(step: float) -> Callable[[], float]:
    ticks = count(0, step)
    return lambda: next(ticks)


def test_a_sink_that_is_away_is_tried_once_and_does_not_hold_up_the_others(
    store: Registry, clock: Clock
) -> None:
    ops, mail = Box(), Box()
    ops.away = True
    put(store, "ops", "mail", alerts=3)
    told = deliver_due(store.outbox, {"ops": ops, "mail": mail}, seconds=60, clock=clock)
    assert (told.delivered, len(told.failures), ops.tried) == (3, 3, 1)
    assert "message 1 to ops was not taken (box: away); attempt 1" in told.failures[0]
    assert {each.error for each in store.outbox.undelivered()} == {"box: away"}
    ops.away = False
    clock.forward(seconds=30)
    again = deliver_due(store.outbox, {"ops": ops, "mail": mail}, seconds=60, clock=clock)
    assert again.delivered == 3 and ops.taken == [1, 3, 5] and mail.taken == [2, 4, 6]
    assert store.outbox.undelivered() == []


def test_nothing_is_begun_when_the_time_is_up(store: Registry, clock: Clock) -> None:
    box = Box()
    put(store, "box", alerts=5)
    told = deliver_due(
        store.outbox, {"box": box}, seconds=2.5, clock=clock, stopwatch=stopwatch(1.0)
    )
    assert told.delivered == len(box.taken) == 2


def test_a_message_to_a_sink_that_was_taken_out_is_told(store: Registry, clock: Clock) -> None:
    put(store, "gone")
    told = deliver_due(store.outbox, {}, seconds=60, clock=clock)
    assert "MLPLAT_ALERTS has no sink 'gone' any more" in told.failures[0]
    clock.forward(hours=49)
    deliver_due(store.outbox, {}, seconds=60, clock=clock)
    assert deliver_due(store.outbox, {}, seconds=60, clock=clock).failures == ()
    clock.now += timedelta(days=9)
    assert deliver_due(store.outbox, {}, seconds=60, clock=clock).failures == ()
