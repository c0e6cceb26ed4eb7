"""`mlplat experiments` from a terminal of 180 columns."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets import catalogue as declarations
from mlplat_assets.cli import app
from mlplat_assets.experiment_spec import Input
from tests.experiments.journal import FIRST, a_spec, catalogue_with, traffic_at
from tests.experiments.test_experiment import BETTER, EQUAL, materialised
from tests.small_home import settings_at

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat experiments ARGUMENTS` where one experiment is declared."""
    for name in settings_at(tmp_path).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "180")
    spec = a_spec(covariate=Input(column="local_hour"))
    made: Any = catalogue_with(spec)
    # The repository declares no experiment of its own.
    monkeypatch.setattr(declarations, "catalogue", lambda: made)

    def invoke(*arguments: str) -> Result:
        environment = {"MLPLAT_HOME": str(tmp_path)}
        return CliRunner().invoke(app, ["experiments", *arguments], env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def test_an_experiment_is_listed_shown_and_sized(run: Run, tmp_path: Path) -> None:
    assert "flights.second flights.arrival_delay 2013-03-01 to 2013-03-14" in told(run("list"))
    assert "No look yet" in told(run("show", "flights.second"))
    traffic = traffic_at(tmp_path)
    traffic.of_days(50, noise=EQUAL, first=FIRST - timedelta(days=8), days=8)
    traffic.of_days(100, noise=BETTER)
    sized = told(run("size", "flights.second"))
    assert "400 units of the 28 days before" in sized and "1 of 50% each" in sized
    materialised(tmp_path, a_spec())
    assert "1,400 SHIP canary" in told(run("list"))
    shown = told(run("show", "flights.second"))
    assert "SHIP canary because squared_error is better" in shown
    assert "1,400 predictions" in shown and "canary primary squared_error" in shown


def test_a_size_can_be_asked_for_before_there_is_traffic(run: Run) -> None:
    sized = told(run("size", "flights.second", "--mean", "0.2", "--sd", "0.25", "--share", "20"))
    assert "any number" in sized and "given" in sized
    share = told(run("size", "flights.second", "--mean", "0.2"))
    assert "of a share" in share
    assert "mlplat demo" in told(run("size", "flights.second"), 1)
    assert "leave 0% to champion" in told(
        run("size", "flights.second", "--mean", "0.2", "--share", "100"), 1
    )


def test_an_experiment_that_is_not_declared_is_named(run: Run) -> None:
    assert "'flights.third' is not declared; there are: flights.second" in told(
        run("show", "flights.third"), 1
    )
