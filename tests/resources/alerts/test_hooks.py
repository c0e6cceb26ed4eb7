"""Webhooks and Slack against a real HTTPS server on the loopback, which has to be allowed."""

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.alerts.hooks import Slack, Webhook, signature
from resources.alerts.https import RETRY, Endpoint, https_url
from resources.alerts.reach import Reach
from resources.alerts.records import Said
from resources.alerts.sink import SinkFailed
from tests.bentos.servers import ROOT
from tests.resources.alerts.deliveries import AT, Listener, delivery, listening
from tests.resources.alerts.test_reach import resolving

SECRET = b"0123456789abcdef0123456789abcdef"
LOOPBACK = Reach(allowed=(ipaddress.ip_network("127.0.0.0/8"),), resolve=resolving(["127.0.0.1"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificate")


@pytest.fixture
def listener(folder: Path) -> Iterator[Listener]:
    with listening(folder) as found:
        yield found


def endpoint(listener: Listener, reach: Reach = LOOPBACK, ca_file: Path | None = None) -> Endpoint:
    return Endpoint(
        url=https_url(listener.url),
        reach=reach,
        ca_file=ca_file or listener.ca_file,
        retry=RETRY.new(backoff_factor=0),
    )


def webhook(listener: Listener, **changes: Any) -> Webhook:
    return Webhook(endpoint=endpoint(listener, **changes), secret=SECRET)


def test_a_webhook_is_signed_and_says_which_delivery_it_is(listener: Listener) -> None:
    webhook(listener).deliver(delivery(), AT)
    ((path, headers, body),) = listener.taken
    assert path == "/hooks/T0/secret-path"
    assert headers["x-mlplat-timestamp"] == str(int(AT.timestamp()))
    expected = signature(SECRET, headers["x-mlplat-timestamp"], body)
    assert headers["x-mlplat-signature"] == expected and expected.startswith("v1=")
    assert headers["x-mlplat-delivery"] == "3"
    told = json.loads(body)
    assert (told["event"], told["delivery"], told["version"]) == ("opened", 3, 1)
    assert told["alert"]["fingerprint"] == "flights.arrival_delay/null_spike/weather__temp"
    assert told["alert"]["severity"] == "P0"


@pytest.mark.parametrize("changed", ["body", "time", "secret"])
def test_a_signature_holds_for_its_body_its_moment_and_its_secret_only(changed: str) -> None:
    said = {"secret": SECRET, "timestamp": "1370088000", "body": b"{}"}
    other = {"body": {"body": b"{ }"}, "time": {"timestamp": "1370088001"},
             "secret": {"secret": SECRET[::-1]}}[changed]  # fmt: skip
    assert signature(**said) != signature(**{**said, **other})  # type: ignore[arg-type]
    # `printf '1370088000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
    known = "d75f6e28903af26f8f15fe79c64935927ecb56185bded8b715daaa8e3d7bad8f"
    assert signature(**said) == f"v1={known}"  # type: ignore[arg-type]


def test_the_function_of_the_page_takes_what_is_ours_and_nothing_else(listener: Listener) -> None:
    page = (ROOT / "docs" / "alerts.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
    exec(program, names)
    webhook(listener).deliver(delivery(), AT)
    ((_, found, body),) = listener.taken
    headers = {"-".join(part.capitalize() for part in n.split("-")): v for n, v in found.items()}
    is_ours, now = names["is_ours"], AT.timestamp()
    assert is_ours(SECRET, headers, body, now + 60)
    assert not is_ours(SECRET, headers, body, now + 600)
    assert not is_ours(SECRET, headers, body + b" ", now)
    assert not is_ours(SECRET[::-1], headers, body, now)


def test_slack_gets_text_in_which_nothing_is_a_command(listener: Listener) -> None:
    Slack(endpoint=endpoint(listener)).deliver(delivery(), AT)
    told = json.loads(listener.taken[0][2])
    assert told["text"].startswith(
        "[P0] null_spike of flights.arrival_delay weather__temp: is open"
    )
    (attached,) = told["attachments"]
    assert "&lt;!channel&gt;" in attached["text"] and "<!channel>" not in attached["text"]
    assert "affects flights.departure_delay" in attached["text"]
    Slack(endpoint=endpoint(listener)).deliver(delivery(Said.RESOLVED), AT)
    assert json.loads(listener.taken[1][2])["attachments"][0]["color"] != attached["color"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(listener: Listener, status: int) -> None:
    listener.answers = [(status, {"location": "https://169.254.169.254/latest/meta-data/"})]
    with pytest.raises(SinkFailed, match=f"localhost: answered {status}, and redirects are not"):
        webhook(listener).deliver(delivery(), AT)
    assert len(listener.taken) == 1


def test_a_server_that_is_busy_is_asked_again_with_the_same_delivery(listener: Listener) -> None:
    listener.answers = [(503, {"retry-after": "3600"}), (429, {})]
    webhook(listener).deliver(delivery(), AT)
    assert [headers["x-mlplat-delivery"] for _, headers, _ in listener.taken] == ["3"] * 3


def test_a_server_that_stays_busy_has_not_taken_it(listener: Listener) -> None:
    listener.answers = [(503, {})] * 3
    with pytest.raises(SinkFailed, match=r"localhost: answered 503$"):
        webhook(listener).deliver(delivery(), AT)
    assert len(listener.taken) == 3


def test_a_refusal_is_told_without_asking_again(listener: Listener) -> None:
    listener.answers = [(403, {})]
    with pytest.raises(SinkFailed, match=r"localhost: answered 403$"):
        webhook(listener).deliver(delivery(), AT)
    assert len(listener.taken) == 1


def test_a_loopback_that_is_not_allowed_is_refused_before_anything_is_sent(
    listener: Listener,
) -> None:
    with pytest.raises(
        SinkFailed, match=r"localhost: resolves to 127\.0\.0\.1, which is no public"
    ):
        webhook(listener, reach=Reach(resolve=resolving(["127.0.0.1"]))).deliver(delivery(), AT)
    assert listener.taken == []


def test_a_certificate_that_nobody_vouches_for_is_refused(
    listener: Listener, tmp_path: Path
) -> None:
    with listening(tmp_path) as other, pytest.raises(SinkFailed, match="SSLError"):
        webhook(listener, ca_file=other.ca_file).deliver(delivery(), AT)
    assert listener.taken == []


def test_what_went_wrong_never_tells_the_url(folder: Path) -> None:
    with listening(folder) as gone:
        sink = webhook(gone)
    with pytest.raises(SinkFailed, match="localhost: ") as refused:
        sink.deliver(delivery(), AT)
    assert "secret-path" not in str(refused.value)
    assert "secret-path" not in repr(sink) and SECRET.decode() not in repr(sink)


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/x", "file:///etc/passwd", "gopher://h/", "hooks.example.com", "",
     "https://", "https://user:word@hooks.example.com/x", "ftp://hooks.example.com"],
)  # fmt: skip
def test_only_https_urls_without_a_password_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://|user or password") as refused:
        https_url(url)
    assert "word@" not in str(refused.value)
