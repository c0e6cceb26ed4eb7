"""Approvals, tokens and the audit log from a terminal of 100 columns."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.catalogue import catalogue
from mlplat_assets.cli import app
from mlplat_assets.discovery import DeclarationError
from mlplat_assets.field_checks import check_approval
from mlplat_assets.model_spec import Approval
from resources.registry.records import Stage
from resources.serving_tokens import hash_of, read_tokens
from tests.small_home import APPROVER, AUTHOR, MODEL, crown, open_registry, register, settings_at

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `mlplat ARGUMENTS`; the environment names nothing but the home and a token."""
    for name in settings_at(home).environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def invoke(*arguments: str, token: str = "") -> Result:
        environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol", "MLPLAT_TOKEN": token}
        return CliRunner().invoke(app, list(arguments), env=environment)

    return invoke


def told(result: Result, status: int = 0) -> str:
    """Everything printed, as one line of words; the status is checked."""
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def token_of(run: Run, name: str, role: str, *options: str, by: str = "") -> str:
    shown = told(run("tokens", "create", name, "--role", role, *options, token=by))
    (text,) = re.findall(r"export MLPLAT_TOKEN=(mlplat_\d+_[\w-]{43})", shown)
    return text


def test_a_version_is_approved_shown_and_promoted(run: Run, home: Path) -> None:
    register(home, "first")
    why = ("--reason", "looked at it")
    shown = told(run("models", "approve", MODEL, "1", "--approver", APPROVER, *why))
    assert f"{MODEL} version 1: approved by {APPROVER}, until " in shown
    assert f"1 of 1 approvals: {APPROVER}" in shown
    shown = told(run("models", "show", MODEL, "1"))
    assert "(unauthenticated)" in shown and "looked at it" in shown
    shown = told(run("models", "promote", MODEL, "1", "--reason", "June"))
    assert f"{MODEL} version 1 is in production, approved by {APPROVER}" in shown


def test_the_author_s_approval_is_one_line_and_on_record(run: Run, home: Path) -> None:
    register(home, "first")
    result = run("models", "approve", MODEL, "1", "--approver", AUTHOR, "--reason", "mine")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert f"ask one of: {APPROVER}" in result.stderr
    shown = told(run("audit", "log", MODEL))
    assert "version 1 denied carol approval:" in shown and "no token vouched for them" in shown
    assert "✓ 2 entries verified" in told(run("audit", "verify"))


def test_a_rejection_blocks_until_it_is_revoked(run: Run, home: Path) -> None:
    register(home, "first")
    by = ("--approver", APPROVER)
    shown = told(run("models", "reject", MODEL, "1", *by, "--reason", "unfair"))
    assert f"rejected by {APPROVER}; it cannot be promoted" in shown
    refused = told(run("models", "promote", MODEL, "1", "--reason", "x"), 1)
    assert f"was rejected by {APPROVER} (unfair)" in refused
    shown = told(run("models", "revoke", MODEL, "1", *by, "--reason", "mended"))
    assert f"the rejection by {APPROVER} is revoked" in shown
    assert "0 of 1 approvals" in told(run("models", "promote", MODEL, "1", "--reason", "x"), 1)


def test_from_the_first_token_on_names_come_from_tokens(run: Run, home: Path) -> None:
    assert "no registry" in told(run("tokens", "list"), 1)
    register(home, "first")
    assert "There are no tokens" in told(run("tokens", "list"))
    refused = told(run("tokens", "create", APPROVER, "--role", "approver"), 1)
    assert "the first must be an admin's and not expire" in refused
    ada = token_of(run, "ada", "admin")
    dana = token_of(run, APPROVER, "approver", "--days", "90", by=ada)
    promote = ("models", "promote", MODEL, "1", "--approver", APPROVER, "--reason", "June")
    assert "takes no action without a token: set MLPLAT_TOKEN" in told(run(*promote), 1)
    assert "cannot speak for 'dana" in told(run(*promote, token=ada), 1)
    assert f"approved by {APPROVER}" in told(run(*promote, token=dana))
    assert f"version 1 promoted {APPROVER} June (approver) ✓ {APPROVER}" in told(
        run("audit", "log", MODEL)
    )
    listed = told(run("tokens", "list"))
    assert "ada admin without an end" in listed and f"{APPROVER} approver until " in listed
    assert dana not in listed + told(run("audit", "log"))
    assert f"the token of {APPROVER} is revoked" in told(
        run("tokens", "revoke", APPROVER, token=ada)
    )
    assert "was revoked" in told(run(*promote, token=dana), 1)


def test_an_admin_breaks_the_glass(run: Run, home: Path) -> None:
    register(home, "first")
    glass = ("models", "promote", MODEL, "1", "--break-glass", "--reason", "fire")
    assert "needs an admin's token" in told(run(*glass), 1)
    ada = token_of(run, "ada", "admin")
    assert "is in production, without approval" in told(run(*glass, token=ada))
    assert "version 1 break glass ada (admin)" in told(run("audit", "log", MODEL))
    shown = told(run("models", "champion", MODEL))
    assert "approved by nobody: break glass" in shown


def test_the_champion_of_a_moment_is_told_with_its_data_and_approvers(run: Run, home: Path) -> None:
    crown(home, "first")
    crown(home, "second")
    then = open_registry(home).audit(MODEL)[2].at
    shown = told(run("models", "champion", MODEL))
    assert f"{MODEL} version 2" in shown and f"approved by {APPROVER}" in shown
    assert "lake snapshot 41" in shown and f"author {AUTHOR}" in shown
    shown = told(run("models", "champion", MODEL, "--at", "2013-01-01"))
    assert f"{MODEL} had no version in production at 2013-01-01 00:00 UTC" in shown
    assert then.year > 2013


def test_a_long_list_of_versions_shows_the_newest(run: Run, home: Path) -> None:
    for number in range(22):
        register(home, str(number))
    shown = told(run("models", "show", MODEL))
    assert "The newest 20 of 22." in shown
    assert "The newest 5; `--newest` shows more." in told(
        run("audit", "log", MODEL, "--newest", "5")
    )
    assert open_registry(home).version(MODEL, 22).stage is Stage.STAGING


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"approvers": ()}, "approvers: is empty. Name at least one person"),
        ({"approval": Approval(required=3)}, "approval.required: is 3, of 2 approvers. Ask for"),
        ({"approval": Approval(required=0)}, "approval.required: is 0, of 2 approvers. Ask for"),
        (
            {"approvers": ("a", " A "), "approval": Approval(required=2)},
            "approval.required: is 2, of 1 approvers",
        ),
        ({"approval": Approval(valid=timedelta(0))}, "approval.valid: is 0:00:00. Give a span"),
    ],
)
def test_approvers_who_could_never_approve_are_refused_where_they_are_declared(
    changes: dict[str, Any], told: str
) -> None:
    model = catalogue().models[MODEL]
    with pytest.raises(DeclarationError) as refused:
        check_approval(replace(model, spec=replace(model.spec, **changes)))
    assert str(refused.value).startswith(f"{model.file}: {told}")


def test_a_client_of_the_model_servers_gets_a_token_and_loses_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "MLPLAT_SERVING_TOKENS is unset" in told(run("tokens", "serving", "booking"), 1)
    path = tmp_path / "clients.ndjson"
    monkeypatch.setenv("MLPLAT_SERVING_TOKENS", str(path))
    shown = told(run("tokens", "serving", "booking"))
    text = shown.split("Authorization: Bearer ")[1].split()[0]
    (token,) = read_tokens(path)
    assert (token.name, token.hash) == ("booking", hash_of(text))
    assert "booking has a token already" in told(run("tokens", "serving", "booking"), 1)
    assert "is revoked" in told(run("tokens", "serving", "booking", "--revoke"))
    assert read_tokens(path) == ()
    assert "has no token of 'booking'" in told(run("tokens", "serving", "booking", "--revoke"), 1)
