"""Tokens, the Host check and what is refused before a route sees it."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.model_server.front.access import (
    Access,
    ClientTokens,
    StartRefused,
    is_loopback_host,
    refuse_open_start,
)
from bentos.model_server.front.admission import IN_FLIGHT, Overloaded
from bentos.model_server.front.gate import BATCH_BYTES, Admitted, Gate
from bentos.model_server.front.refusal import Refusal
from bentos.model_server.meter import Meter
from resources.serving_tokens import (
    TokensUnusable,
    hash_of,
    issue_token,
    read_tokens,
    revoke_token,
)

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
LOCAL = {b"host": b"127.0.0.1:3000"}


def gate(tokens: ClientTokens | None = None) -> Gate:
    return Gate(access=Access(tokens), meter=Meter())


def refused(found: Admitted | Refusal) -> Refusal:
    assert isinstance(found, Refusal)
    return found


def bearer(text: str) -> dict[bytes, bytes]:
    return {b"host": b"models.example", b"authorization": f"Bearer {text}".encode()}


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "tokens.ndjson"
    text = issue_token(path, "booking", NOW)
    assert text not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (token,) = read_tokens(path)
    assert (token.name, token.hash, token.created_at) == ("booking", hash_of(text), NOW)
    # 256 bits in base 64.
    assert len(text.removeprefix("mlps_")) == 43
    assert issue_token(path, "search", NOW) != text


def test_a_name_has_one_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    issue_token(path, "booking", NOW)
    with pytest.raises(ValueError, match="booking has a token already"):
        issue_token(path, "booking", NOW)
    with pytest.raises(LookupError, match="no token of 'search'; it has: booking"):
        revoke_token(path, "search")
    revoke_token(path, "booking")
    assert read_tokens(path) == ()


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 101, "a\n", "é"])
def test_a_name_that_would_spoil_a_log_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="up to 100 letters"):
        issue_token(tmp_path / "tokens", name, NOW)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("booking:secret", "line 1"),
        ('{"name": "a", "hash": "secret", "created_at": "2026-03-01T09:00:00Z"}', "64 hex digits"),
        ('{"name": "a", "created_at": "2026-03-01T09:00:00Z"}', "missing required field `hash`"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(line)
    path.chmod(0o600)
    with pytest.raises(TokensUnusable, match=wrong):
        ClientTokens(path)


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    issue_token(path, "booking", NOW)
    path.chmod(0o622)
    with pytest.raises(TokensUnusable, match="chmod 600"):
        read_tokens(path)


def test_a_change_of_the_file_is_seen_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    first = issue_token(path, "booking", NOW)
    tokens = ClientTokens(path)
    second = issue_token(path, "search", NOW)
    assert tokens.holder(second.encode()) is None
    tokens.refresh()
    assert tokens.holder(second.encode()) == "search"
    revoke_token(path, "booking")
    tokens.refresh()
    assert tokens.holder(first.encode()) is None
    path.write_text("half a li")
    tokens.refresh()
    path.unlink()
    tokens.refresh()
    assert tokens.holder(second.encode()) == "search"


def test_with_tokens_everything_but_the_probes_asks_for_one(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    text = issue_token(path, "booking", NOW)
    door = gate(ClientTokens(path))
    for path_of in ("/livez", "/readyz"):
        assert isinstance(door.look("GET", path_of, {b"host": b"10.1.2.3:3000"}), Admitted)
    for method, path_of in [
        ("POST", "/v1/predict"),
        ("POST", "/predict"),
        ("GET", "/metrics"),
        ("GET", "/healthz"),
        ("GET", "/"),
        ("GET", "/docs.json"),
        ("GET", "/static_content/swagger-ui.css"),
        ("GET", "/nothing"),
    ]:
        for headers in ({}, bearer(text + "x"), bearer(""), {b"authorization": text.encode()}):
            found = refused(door.look(method, path_of, headers))
            assert found.status == 401
            assert dict(found.headers)[b"www-authenticate"].startswith(b"Bearer")
    admitted = door.look("POST", "/v1/predict", bearer(text))
    assert isinstance(admitted, Admitted)
    assert admitted.client == "booking"
    lower = {b"authorization": f"bearer {text}".encode()}
    assert isinstance(door.look("GET", "/metrics", lower), Admitted)


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:3000"]
)
def test_loopback_hosts_are_answered(host: str) -> None:
    assert is_loopback_host(host.encode())


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_no_other_host_is_answered(host: str) -> None:
    name, _, port = host.rpartition(":")
    bare = name if name and port.isdecimal() else host
    expected = bare.lower() in ("localhost", "127.0.0.1", "[::1]") and host.isascii()
    assert is_loopback_host(host.encode("latin-1")) == expected


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "::1", "localhost:x", "0"],
)
def test_a_name_that_resolves_to_the_loopback_is_refused(host: str) -> None:
    found = refused(gate().look("GET", "/livez", {b"host": host.encode()}))
    assert (found.status, "loopback" in found.error) == (400, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "2001:db8::1", "models.example"])
def test_an_open_start_without_tokens_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="MLPLAT_SERVING_TOKENS"):
        refuse_open_start(host, None)
    path = tmp_path / "tokens"
    with pytest.raises(TokensUnusable, match="mlplat tokens serving"):
        refuse_open_start(host, path)
    issue_token(path, "booking", NOW)
    refuse_open_start(host, path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", None])
def test_a_start_on_the_loopback_needs_no_tokens(host: str | None) -> None:
    refuse_open_start(host, None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({b"content-type": b"application/json; charset=utf-8"}, None),
        ({b"content-type": b"Application/JSON"}, None),
        ({b"content-encoding": b"identity"}, None),
        ({b"content-type": b"application/jsonp"}, 415),
        ({b"content-type": b"application/vnd.bentoml+pickle"}, 415),
        ({b"content-type": b""}, 415),
        ({b"content-encoding": b"gzip"}, 415),
        ({b"content-length": b"65536"}, None),
        ({b"content-length": b"65537"}, 413),
        ({b"x-request-timeout-ms": b"60000"}, None),
        ({b"x-request-timeout-ms": b"0"}, 400),
    ],
)
def test_a_body_is_taken_by_its_headers(headers: dict[bytes, bytes], status: int | None) -> None:
    found = gate().look("POST", "/v1/predict", LOCAL | headers)
    assert (found.status if isinstance(found, Refusal) else None) == status


def entered(door: Gate, path: str) -> Admitted:
    found = door.look("POST", path, LOCAL)
    assert isinstance(found, Admitted)
    door.enter(found)
    return found


def test_as_many_requests_are_under_way_as_there_is_room_for() -> None:
    meter = Meter()
    door = Gate(access=Access(None), meter=meter)
    inside = [entered(door, "/v1/predict") for _ in range(IN_FLIGHT)]
    for path in ("/v1/predict", "/predict"):
        with pytest.raises(Overloaded):
            entered(door, path)
    assert meter.gauges["in_flight"]() == IN_FLIGHT
    assert meter.counts["overloaded"] == meter.answers[429, "", 0][0] == 2
    assert isinstance(door.look("GET", "/readyz", LOCAL), Admitted)
    door.leave(inside.pop())
    entered(door, "/predict")


def test_clients_that_are_slow_to_send_hold_up_nobody() -> None:
    door = gate()
    for _ in range(IN_FLIGHT + 1):
        assert isinstance(door.look("POST", "/v1/predict", LOCAL), Admitted)
    batches: list[Admitted] = []
    while isinstance(found := door.look("POST", "/v1/predict/batch", LOCAL), Admitted):
        batches.append(found)
    assert (found.status, dict(found.headers)[b"retry-after"]) == (429, b"1")
    assert len(batches) * BATCH_BYTES <= 64 * 1024 * 1024
    entered(door, "/v1/predict")
    door.leave(batches.pop())
    assert isinstance(door.look("POST", "/v1/predict/batch", LOCAL), Admitted)


def test_refusals_are_counted_and_say_nothing_of_the_token() -> None:
    meter = Meter()
    door = Gate(access=Access(None), meter=meter)
    found = refused(door.look("GET", "/v1/predict", LOCAL | {b"authorization": b"Bearer secret"}))
    assert (found.status, dict(found.headers)[b"allow"]) == (405, b"POST")
    assert b"secret" not in found.body
    assert refused(door.look("GET", "/x" * 500, LOCAL)).status == 404
    assert {key[0]: sum(bins[:-1]) for key, bins in meter.answers.items()} == {405: 1, 404: 1}


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    issue_token(path, "booking", NOW)
    before = path.stat().st_ino
    held = os.open(path, os.O_RDONLY)
    issue_token(path, "search", NOW)
    assert path.stat().st_ino != before
    assert os.read(held, 65536).count(b"\n") == 1
    os.close(held)
