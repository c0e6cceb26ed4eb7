"""`mlplat rollout` from a terminal of 100 columns."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets import catalogue as catalogues
from mlplat_assets.cli import app
from mlplat_assets.commands import rollout as commands
from tests.rollouts.place import declared
from tests.small_home import APPROVER, MODEL, crown, open_registry, register, settings_at

Run = Callable[..., Result]
WHY = ("--reason", "looks good")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Version 1 in production, 2 in staging."""
    made = tmp_path / "home"
    crown(made, "first")
    register(made, "second")
    return made


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat rollout ARGUMENTS` as carol, of a model that declares one."""
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    _, found = declared()
    monkeypatch.setattr(commands, "catalogue", lambda: found)

    def invoke(*arguments: str) -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol"}
        return CliRunner().invoke(app, ["rollout", *arguments], env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    """Everything printed, as one line of words; the status is checked."""
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def test_a_person_takes_a_rollout_by_every_step_and_back(run: Run, home: Path) -> None:
    assert "no version of flights.arrival_delay was rolled out yet" in told(run("show", MODEL), 1)
    assert "version 2 is shadow, shadow." in told(run("start", MODEL, "2", *WHY))
    assert "state shadow, frozen" in told(run("freeze", MODEL, *WHY))
    assert "state shadow share" in told(run("resume", MODEL, *WHY))
    assert "version 2 is canary, 10%." in told(run("advance", MODEL, *WHY))
    told(run("advance", MODEL, *WHY))
    assert "0 of 1 approvals" in told(run("advance", MODEL, *WHY), 1)
    open_registry(home).approve(MODEL, 2, approver=APPROVER, reason="good")
    assert "version 2 is complete, 100%." in told(run("advance", MODEL, *WHY))
    assert "version 2 is aborted, none." in told(run("abort", MODEL, *WHY))
    champion = open_registry(home).champion(MODEL)
    assert champion is not None and champion.number == 1
    shown = told(run("show", MODEL))
    assert "steps shadow, 10%, 30%, 100%" in shown and "by hand: looks good" in shown
    open_registry(home).verify_audit()


def test_a_person_begins_again_what_was_aborted(run: Run, home: Path) -> None:
    told(run("start", MODEL, "2", *WHY))
    told(run("abort", MODEL, *WHY))
    assert open_registry(home).version(MODEL, 2).stage == "archived"
    shown = told(run("start", MODEL, "2", *WHY))
    assert "version 2 is shadow, shadow." in shown and "rollout 2 of" in shown


def test_a_model_that_declares_none_says_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = catalogues.catalogue()
    model = found.models[MODEL]
    none = replace(model, spec=replace(model.spec, rollout=None))
    monkeypatch.setattr(
        commands, "catalogue", lambda: replace(found, models={**found.models, MODEL: none})
    )
    assert "declares no rollout; add rollout=Rollout()" in told(run("start", MODEL, "2", *WHY), 1)
