"""Who may do what through the console, and what a hostile page or text achieves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.routing import Route

from mlplat_assets.catalogue import catalogue
from mlplat_assets.console.app import app
from mlplat_assets.console.desk import COOKIE, desk
from resources.registry.records import Action
from resources.registry.registry import registry
from tests.console.clients import Client
from tests.console.homes import Clock, console, tokens
from tests.small_home import APPROVER, AUTHOR, MODEL, crown, open_registry, register, settings_at

VERSION = f"/models/{MODEL}/versions/2"
APPROVE, REJECT, REVOKE = (f"{VERSION}/{what}" for what in ("approve", "reject", "revoke"))


@dataclass(frozen=True, kw_only=True)
class Place:
    """A console with a version 2 that waits for approval."""

    home: Path
    port: int
    tokens: dict[str, str]
    clock: Clock

    def client(self, name: str | None = None) -> Client:
        """Somebody's browser, logged in if named."""
        client = Client(port=self.port)
        return client if name is None else client.log_in(self.tokens[name])

    def approvals(self) -> list[tuple[str, str]]:
        given = open_registry(self.home).standing_approvals(MODEL, 2)
        return [(each.approver, each.verdict.value) for each in given]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    crown(tmp_path, "first")
    register(tmp_path, "second")
    clock, issued = Clock(), tokens(tmp_path)
    with console(settings_at(tmp_path), clock) as port:
        yield Place(home=tmp_path, port=port, tokens=issued, clock=clock)


def reading() -> set[tuple[str, str]]:
    model = "/models/{model:model}"
    pages = {"/", model, f"{model}/versions/{{number:int}}", f"{model}/drift"}
    pages |= {"/alerts", "/approvals", "/audit", "/experiments"}
    pages |= {"/predictions", "/predictions/{prediction}"}
    return {("GET", path) for path in pages | {"/login", "/console.css"}}


def writing() -> set[tuple[str, str]]:
    """What changes anything: each needs a session and its secret, all of them are below."""
    version = "/models/{model:model}/versions/{number:int}"
    paths = {f"{version}/{what}" for what in ("approve", "reject", "revoke")}
    paths |= {f"/retrainings/{{request:int}}/{what}" for what in ("approve", "reject")}
    rollout = "/models/{model:model}/rollout/{step:int}"
    paths |= {f"{rollout}/freeze", f"{rollout}/resume", "/alerts/{alert:int}/acknowledge"}
    return {("POST", path) for path in paths | {"/login", "/logout"}}


def paths_of(routes: set[tuple[str, str]]) -> list[str]:
    paths = (path.replace("{model:model}", MODEL) for _, path in sorted(routes))
    return [re.sub(r"{\w+:int}", "2", path) for path in paths]


def test_every_route_is_known_here_with_what_it_needs(tmp_path: Path) -> None:
    routes = app(desk(settings_at(tmp_path), catalogue(), Clock())).routes
    found = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(routes) == len(reading()) + len(writing())
    assert found == reading() | writing()


def test_no_form_is_taken_without_a_session_or_from_another_page(place: Place) -> None:
    before = len(open_registry(place.home).audit())
    fields = {"reason": "because", "approver": APPROVER, "token": place.tokens["ada"]}
    for path in paths_of(writing()):
        nobody = place.client()
        assert nobody.post(path, fields).status == 403, path
        approver = place.client(APPROVER)
        good = fields | {"csrf": approver.secret(VERSION)}
        for origin in ("", "null", "http://evil.example", f"http://127.0.0.1:{place.port + 1}"):
            assert approver.post(path, good, Origin=origin).status == 403, (path, origin)
        for secret in ("", "guess", place.client("ada").secret(VERSION)):
            assert approver.post(path, fields | {"csrf": secret}).status == 403, path
    assert len(open_registry(place.home).audit()) == before


def test_no_page_changes_anything_when_it_is_only_looked_at(place: Place) -> None:
    before = len(open_registry(place.home).audit())
    approver = place.client(APPROVER)
    for path in paths_of(writing() - {("POST", "/login")}):
        assert approver.get(f"{path}?reason=because").status in (404, 405), path
    assert len(open_registry(place.home).audit()) == before


def test_an_approver_approves_under_their_own_name_and_takes_it_back(place: Place) -> None:
    approver = place.client(APPROVER)
    fields = {"csrf": approver.secret(VERSION), "reason": "looked at the slices"}
    answer = approver.post(APPROVE, fields)
    assert (answer.status, answer.headers["location"]) == (303, VERSION)
    assert place.approvals() == [(APPROVER, "approved")]
    page = approver.get(VERSION)
    assert f"{APPROVER} approved {MODEL} version 2." in page.words
    assert "It has the 1 approval that it needs." in page.words
    assert f"{APPROVER} approved" not in approver.get("/").words
    entry = open_registry(place.home).audit()[-1]
    assert (entry.action, entry.actor, entry.role) == (Action.APPROVED, APPROVER, "approver")
    assert entry.reason == "looked at the slices"
    approver.post(REVOKE, fields | {"approver": APPROVER, "reason": "second thoughts"})
    assert place.approvals() == []
    approver.post(REJECT, fields | {"reason": "worse at night"})
    assert place.approvals() == [(APPROVER, "rejected")]
    assert "It was rejected" in approver.get(VERSION).words


def test_the_registry_says_no_to_a_viewer_and_puts_it_on_record(place: Place) -> None:
    viewer = place.client("vic")
    fields = {"csrf": viewer.secret(VERSION), "reason": "because"}
    answer = viewer.post(APPROVE, fields)
    assert answer.status == 403
    assert "vic is viewer, and approval needs approver" in answer.words
    assert place.approvals() == []
    assert open_registry(place.home).audit()[-1].action is Action.DENIED


def test_an_admin_who_is_no_approver_of_the_model_is_refused_with_who_is(place: Place) -> None:
    admin = place.client("ada")
    answer = admin.post(APPROVE, {"csrf": admin.secret(VERSION), "reason": "because"})
    assert answer.status == 409
    assert f"ask one of: {APPROVER}" in answer.words


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        (APPROVE, {"reason": "  "}, 422),
        (APPROVE, {}, 422),
        (f"/models/{MODEL}/versions/99/approve", {"reason": "why"}, 404),
        (REVOKE, {"reason": "why", "approver": APPROVER}, 404),
        ("/alerts/9/acknowledge", {"reason": "why"}, 404),
        ("/retrainings/9/approve", {"reason": "why"}, 404),
        (f"/models/{MODEL}/rollout/9/freeze", {"reason": "why"}, 409),
    ],
)
def test_a_decision_that_cannot_be_is_refused_in_words(
    place: Place, path: str, fields: dict[str, str], status: int
) -> None:
    approver = place.client(APPROVER)
    answer = approver.post(path, {"csrf": approver.secret(VERSION), **fields})
    assert answer.status == status
    assert "Not done" in answer.words


def test_a_revoked_token_decides_nothing_though_its_session_lasts(place: Place) -> None:
    approver = place.client(APPROVER)
    fields = {"csrf": approver.secret(VERSION), "reason": "because"}
    registry(settings_at(place.home).registry_url, token=place.tokens["ada"]).tokens.revoke(
        APPROVER
    )
    answer = approver.post(APPROVE, fields)
    assert answer.status == 403
    assert "was revoked" in answer.words
    assert place.approvals() == []


def test_a_session_ends_after_an_hour_and_at_logout(place: Place) -> None:
    approver = place.client(APPROVER)
    fields = {"csrf": approver.secret(VERSION), "reason": "because"}
    kept = dict(approver.cookies)
    place.clock.ahead = timedelta(minutes=59)
    assert APPROVER in approver.get("/").words
    place.clock.ahead = timedelta(minutes=61)
    assert "reading only" in approver.get("/").words
    assert approver.post(APPROVE, fields).status == 403
    again = place.client(APPROVER)
    kept = dict(again.cookies)
    assert again.post("/logout", {"csrf": again.secret("/")}).status == 303
    assert "reading only" in Client(port=place.port, cookies=kept).get("/").words
    assert place.approvals() == []


def test_the_token_is_in_no_page_no_url_and_no_cookie(place: Place) -> None:
    client = place.client()
    token, secret = place.tokens[APPROVER], client.secret("/login")
    wrong = client.post("/login", {"csrf": secret, "token": token + "x"})
    assert wrong.status == 403
    assert "That is no token of this registry" in wrong.words
    assert token not in wrong.text
    answer = client.post("/login", {"csrf": client.secret("/login"), "token": token})
    assert answer.headers["location"] == "/"
    cookies = answer.headers.get_all("Set-Cookie") or []
    assert any(cookie.startswith(f"{COOKIE}=") for cookie in cookies)
    for cookie in cookies:
        assert "httponly" in cookie.lower()
        assert "samesite=strict" in cookie.lower()
        assert token not in cookie
    for path in ("/", VERSION, "/audit", "/approvals"):
        assert token not in client.get(path).text


def test_a_session_that_somebody_else_chose_is_not_taken(place: Place) -> None:
    client = Client(port=place.port, cookies={COOKIE: "chosen"})
    client.log_in(place.tokens[APPROVER])
    assert client.cookies[COOKIE] != "chosen"
    assert "reading only" in Client(port=place.port, cookies={COOKIE: "chosen"}).get("/").words


def test_without_tokens_in_the_registry_nothing_can_be_decided(tmp_path: Path) -> None:
    crown(tmp_path, "first")
    register(tmp_path, "second")
    with console(settings_at(tmp_path)) as port:
        client = Client(port=port)
        for path in ("/login", VERSION, "/approvals"):
            page = client.get(path)
            assert "mlplat tokens create NAME --role admin" in page.words
            assert 'name="token"' not in page.text
        answer = client.post(APPROVE, {"reason": "because", "csrf": ""})
    assert answer.status == 403
    assert open_registry(tmp_path).standing_approvals(MODEL, 2) == []


def test_the_token_of_the_process_is_of_no_use_to_a_reader(tmp_path: Path) -> None:
    crown(tmp_path, "first")
    register(tmp_path, "second")
    held = replace(settings_at(tmp_path), token=tokens(tmp_path)["ada"])
    with console(held) as port:
        answer = Client(port=port).post(APPROVE, {"reason": "because", "csrf": ""})
    assert answer.status == 403


def test_every_answer_forbids_scripts_frames_and_foreign_resources(reader: Client) -> None:
    for path in ("/", f"/models/{MODEL}", "/login", "/console.css", "/nowhere"):
        headers = reader.get(path).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:3002"])
def test_a_request_that_names_another_host_is_not_answered(reader: Client, host: str) -> None:
    assert reader.get("/", Host=host).status == 400
    assert reader.get("/", Host="localhost").status == 200


def test_text_from_people_is_text_on_every_page(tmp_path: Path) -> None:
    script = "<script>alert('&')</script>"
    crown(tmp_path, "first")
    register(tmp_path, "second")
    opened = open_registry(tmp_path)
    opened.reject(MODEL, 2, approver=APPROVER, reason=script)
    opened.set_override(MODEL, "unit", "champion", actor=script, reason=script)
    with console(settings_at(tmp_path)) as port:
        client = Client(port=port)
        pages = [client.get(path) for path in ("/audit", VERSION, "/approvals")]
        pages += [client.get("/predictions/%3Cscript%3Ealert"), client.get("/audit?model=<script>")]
    for page in pages:
        assert "<script" not in page.text
    for page in pages[:3]:
        assert script in page.words


def test_a_form_that_is_none_is_refused(place: Place) -> None:
    approver = place.client(APPROVER)
    fields = {"csrf": approver.secret(VERSION), "reason": "x" * 70_000}
    assert approver.post(APPROVE, fields).status == 413
    assert approver.post(APPROVE, fields, **{"Content-Type": "application/json"}).status == 415
    many = {f"field{number}": "x" for number in range(30)}
    assert approver.post(APPROVE, many).status == 400
    assert AUTHOR not in [name for name, _ in place.approvals()]
