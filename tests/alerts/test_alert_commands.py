"""`mlplat alerts` from a terminal of 100 columns."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from resources.alerts.records import Alert, Said, Step
from resources.registry.identity import Role
from resources.registry.records import Action
from tests.resources.alerts.deliveries import ALERT
from tests.small_home import MODEL, open_registry, settings_at

Run = Callable[..., Result]
WHY = ("--reason", "looking at it")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str, token: str = "", alerts: Path | None = None) -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol", "MLPLAT_TOKEN": token}
        environment["MLPLAT_ALERTS"] = str(alerts or "")
        return CliRunner().invoke(app, ["alerts", *arguments], env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def open_alert(home: Path, **changes: object) -> Alert:
    alert = replace(ALERT, **{"id": 0, **changes})
    step = Step(alert=alert, says=Said.OPENED)
    (made,) = open_registry(home).alerts.settle(
        lambda held, _: [step], lambda _: ["ops"], datetime.now(UTC)
    )
    return made.alert


def test_open_alerts_are_listed_the_worst_first_with_what_was_not_delivered(
    run: Run, home: Path
) -> None:
    open_registry(home)
    assert "No alert is open." in told(run("list"))
    open_alert(home, kind="decay", severity="P3", subject="auc")
    open_alert(home)
    shown = told(run("list"))
    assert shown.index("P0 open null_spike weather__temp") < shown.index("P3 open decay")
    assert "2 messages not delivered yet." in shown
    store = open_registry(home)
    taken = store.outbox.claim(datetime.now(UTC))
    assert taken is not None
    store.outbox.failed(taken, "hooks.example.com: answered 500", datetime.now(UTC))
    assert "ops: hooks.example.com: answered 500, tried 1 time" in told(run("list"))


def test_json_is_one_document_of_stable_names(run: Run, home: Path) -> None:
    open_alert(home)
    (found,) = json.loads(run("list", "--json").output)
    assert found["fingerprint"] == f"{MODEL}/null_spike/weather__temp"
    assert (found["severity"], found["state"], found["id"]) == ("P0", "open", 1)


def test_an_alert_of_a_table_shows_at_the_models_that_read_it(run: Run, home: Path) -> None:
    open_alert(home, model="flights.weather", kind="broken_table", affects=(MODEL,))
    assert "broken_table" in told(run("list", MODEL))
    assert "No alert is open." in told(run("list", "flights.departure_delay"))


def test_an_alert_is_taken_up_and_says_by_whom(run: Run, home: Path) -> None:
    alert = open_alert(home)
    assert "alert 1 is taken up by carol." in told(run("ack", str(alert.id), *WHY))
    assert "P0 taken up null_spike" in told(run("list"))
    shown = told(run("show", "1"))
    assert "taken up by carol, " in shown and "looking at it" in shown
    (entry,) = open_registry(home).audit(MODEL)
    assert entry.action is Action.ALERT_ACKNOWLEDGED


def test_a_silence_is_made_listed_shown_and_ended(run: Run, home: Path) -> None:
    open_alert(home)
    until = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    made = told(run("silence", MODEL, "--until", until, "--kind", "null_spike", *WHY))
    assert f"null_spike of {MODEL} is silent until {until} 00:00 UTC: 1." in made
    assert f"{until} 00:00 carol looking at it" in told(run("silences"))
    assert f"silenced until {until} 00:00" in told(run("show", "1"))
    assert f"silence 1 of {MODEL} is over." in told(run("unsilence", "1", *WHY))
    assert "No silence is in force." in told(run("silences"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "9"), "there is no alert 9; `mlplat alerts list --all` shows them"),
        (("ack", "9", *WHY), "there is no alert 9"),
        (("silence", "flights.arival_delay", "--until", "2999-01-01", *WHY), "arrival_delay?"),
        (("silence", MODEL, "--until", "2999-01-01", "--kind", "noise", *WHY), "is no kind of"),
        (("silence", MODEL, "--until", "2001-01-01", *WHY), "is past; name a later end"),
        (("unsilence", "9", *WHY), "no silence 9 is in force; in force: none"),
        (("test", "pager"), "MLPLAT_ALERTS has no sink 'pager'; it has log"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_remedy(
    run: Run, home: Path, arguments: tuple[str, ...], said: str
) -> None:
    open_registry(home)
    result = run(*arguments)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert said in result.stderr


def test_with_tokens_a_contributor_acknowledges_and_cannot_silence(run: Run, home: Path) -> None:
    open_alert(home)
    root = open_registry(home).tokens.create("root", Role.ADMIN, actor="root").text
    assert "takes no action without a token" in told(run("ack", "1", *WHY), status=1)
    assert "taken up by root" in told(run("ack", "1", *WHY, token=root))


def test_a_test_message_reaches_the_log_and_a_sink_that_is_away_is_told(
    run: Run, tmp_path: Path
) -> None:
    assert "✓ log has taken a test message." in told(run("test"))
    (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef")
    file = tmp_path / "alerts.toml"
    file.write_text(
        '[sinks.log]\nkind = "log"\n[sinks.inside]\nkind = "webhook"\n'
        'url = "https://127.0.0.1/hook"\nsecret_file = "secret"\n[[routes]]\nsinks = ["inside"]\n'
    )
    shown = told(run("test", alerts=file), status=1)
    assert "✓ log has taken" in shown
    assert "✗ inside: 127.0.0.1: resolves to 127.0.0.1, which is no public address" in shown


def test_rules_and_dashboard_are_written(run: Run, tmp_path: Path) -> None:
    shown = told(run("rules", "--output", str(tmp_path / "rules")))
    for name in ("mlplat_rules.yml", "mlplat_models.json"):
        assert name in shown and MODEL in (tmp_path / "rules" / name).read_text()
