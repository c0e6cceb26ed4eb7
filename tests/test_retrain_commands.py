"""`mlplat retrain` from a terminal of 120 columns."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from mlplat_assets.retraining.triggers import Serving, asked
from resources.registry.retraining_records import Judgement, RetrainingState
from tests.small_home import APPROVER, MODEL, crown, open_registry, settings_at

Run = Callable[..., Result]
WHY = ("--reason", "storms")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A champion, a retraining that waits for an approval and one that was skipped."""
    made = tmp_path / "home"
    version = crown(made, "first")
    desk = open_registry(made).retrainings
    serving = Serving(version=1, registered_at=version.created_at, promoted_at=version.created_at)
    drift = asked(MODEL, "drift", "evaluation 7", "temp drifted", serving, ["temp"])
    waits = Judgement(
        state=RetrainingState.PENDING,
        outcome="needs_approval",
        reason="temp drifted",
        evidence={"benefit": {"told": "auc +0.02 on 900 rows"}, "broken": []},
        approvers=(APPROVER,),
        waits_for=timedelta(days=14),
    )
    desk.decide(drift, lambda *_: waits, actor="robot")
    skipped = Judgement(
        state=RetrainingState.SKIPPED, outcome="data_quality", reason="fix the data: weather"
    )
    desk.decide(drift, lambda *_: skipped, actor="robot")
    return made


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat retrain ARGUMENTS` as carol."""
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def invoke(*arguments: str) -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol"}
        return CliRunner().invoke(app, ["retrain", *arguments], env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    """Everything printed, as one line of words; the status is checked."""
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def number(home: Path) -> str:
    """Of the request that waits."""
    return str(open_registry(home).retrainings.all()[0].request)


def test_requests_are_listed_newest_first(run: Run) -> None:
    shown = told(run("list"))
    assert shown.index("skipped (data_quality)") < shown.index("pending")
    assert "fix the data: weather" in shown
    documents = json.loads(run("list", MODEL, "--json").output)
    assert [each["state"] for each in documents] == ["skipped", "pending"]
    assert documents[1]["asked"]["columns"] == ["temp"]


def test_one_is_shown_with_its_evidence_and_states(run: Run, home: Path) -> None:
    told(run("approve", MODEL, number(home), "--approver", APPROVER, *WHY))
    shown = told(run("show", MODEL, number(home)))
    for part in ("auc +0.02 on 900 rows", "columns temp", "needs_approval", f"{APPROVER} storms"):
        assert part in shown
    assert len(json.loads(run("show", MODEL, number(home), "--json").output)) == 2
    assert "is of flights.arrival_delay, not of a.b" in told(run("show", "a.b", number(home)), 1)


def test_a_person_asks_and_an_approver_decides(run: Run, home: Path) -> None:
    assert "is requested; the governor judges it" in told(run("request", MODEL, *WHY))
    asked_for = open_registry(home).retrainings.all()[-1]
    assert (asked_for.state, asked_for.asked.requested_by) == ("requested", "carol")
    refused = told(run("reject", MODEL, number(home), "--approver", "carol", *WHY), 1)
    assert "'carol' is not an approver of retraining" in refused
    settled = told(run("reject", MODEL, number(home), "--approver", APPROVER, *WHY))
    assert f"is rejected by {APPROVER}; nothing is launched" in settled
    assert "only one that is pending" in told(
        run("approve", MODEL, number(home), "--approver", APPROVER, *WHY), 1
    )


def test_an_unknown_model_or_number_is_told(run: Run) -> None:
    assert "no model with a version" in told(run("request", "flights.nothing", *WHY), 1)
    assert "there is no retraining 99" in told(run("show", MODEL, "99"), 1)
