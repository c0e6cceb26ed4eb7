"""`mlplat traffic` from a terminal of 100 columns."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from mlplat_assets.monitoring.assignment import Assigned
from resources.registry.records import Stage
from tests.small_home import APPROVER, MODEL, crown, open_registry, register, settings_at

Run = Callable[..., Result]
WHY = ("--reason", "looks good")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Version 1 in production, 2 and 3 in staging."""
    made = tmp_path / "home"
    crown(made, "first")
    for name in ("second", "third"):
        register(made, name)
    return made


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat traffic ARGUMENTS` as carol."""
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str) -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol"}
        return CliRunner().invoke(app, ["traffic", *arguments], env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    """Everything printed, as one line of words; the status is checked."""
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def test_a_canary_grows_and_is_promoted(run: Run, home: Path) -> None:
    shown = told(run("canary", MODEL, "2", "5", *WHY))
    assert f"✓ {MODEL}: version 2 answers 5% as canary." in shown
    assert "champion 1 95.00% production canary 2 5.00% canary" in shown
    assert open_registry(home).version(MODEL, 2).stage is Stage.CANARY
    told(run("canary", MODEL, "v2", "33.33", *WHY))
    assert "champion 1 66.67% production canary 2 33.33% canary" in told(run("show", MODEL))
    registry = open_registry(home)
    registry.promote(MODEL, 2, actor="carol", approver=APPROVER, reason="good")
    shown = told(run("show", MODEL))
    assert "champion 2 100.00% production Revision 3" in shown and "canary" not in shown
    log = told(CliRunner().invoke(app, ["audit", "log", MODEL], env={"MLPLAT_HOME": str(home)}))
    assert "traffic" in log
    assert "version 2 left the traffic table: promoted" in log


def test_arms_shadows_and_testers(run: Run) -> None:
    told(run("arm", MODEL, "blue", "2", "50", *WHY))
    assert "shadow 3 - staging" in told(run("shadow", MODEL, "3", *WHY))
    shown = told(run("override", MODEL, "tester-1", "blue", *WHY))
    assert "unit tester-1 is answered by blue" in shown and "1 override: tester-1 blue" in shown
    shown = told(run("of", MODEL, "tester-1"))
    assert "variant blue because of an override version 2" in shown
    assert "by its bucket's" in told(run("override", MODEL, "tester-1", "--off", *WHY))
    assert "shadow" not in told(run("shadow", MODEL, "3", "--off", *WHY)).split("no shadow.")[1]
    assert "its units are the champion's" in told(run("end", MODEL, "blue", *WHY))
    told(run("shadow", MODEL, "3", *WHY))
    assert "the champion answers every unit" in told(run("clear", MODEL, *WHY))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("canary", MODEL, "2", "101", *WHY), "share is 101%; set one from 0 to 100"),
        (("canary", MODEL, "1", "5", *WHY), "is in production and cannot be an arm"),
        (("canary", MODEL, "9", "5", *WHY), "has no version 9"),
        (("show", "flights.arival_delay"), f"did you mean {MODEL}?"),
        (("end", MODEL, "green", *WHY), "has no arm 'green'; it has none"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_remedy(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert said in result.stderr


def test_an_override_needs_a_variant_or_off(run: Run) -> None:
    assert run("override", MODEL, "u", *WHY).exit_code == 2
    assert run("override", MODEL, "u", "blue", "--off", *WHY).exit_code == 2


def test_the_audit_tells_agreement_and_ends_with_1_on_a_difference(run: Run, home: Path) -> None:
    told(run("arm", MODEL, "blue", "2", "50", *WHY))
    traffic = open_registry(home).traffic(MODEL).traffic
    journal = settings_at(home).journal / MODEL
    journal.mkdir(parents=True)

    def write(name: str, **changes: object) -> None:
        rows = [
            Assigned(prediction_id=f"{name}{n}", unit_id=f"u{n}", bucket=traffic.bucket(f"u{n}"),
                     revision=1, variant=traffic.variant(f"u{n}"),
                     version={"champion": 1, "blue": 2}[traffic.variant(f"u{n}")])
            for n in range(100)
        ]  # fmt: skip
        rows[0] = msgspec.structs.replace(rows[0], **changes)
        (journal / f"{name}.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(rows))

    write("a")
    shown = told(run("audit", MODEL))
    assert "✓" in shown and "100 predictions recomputed, 100 agree (100.0000%)" in shown
    write("b", bucket=1)
    shown = told(run("audit", MODEL), status=1)
    assert "200 predictions recomputed, 199 agree (99.5000%)" in shown
    assert "another bucket 1" in shown and "b0 u0 1 1" in shown
