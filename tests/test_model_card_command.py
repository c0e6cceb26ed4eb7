"""`mlplat models card` shows a stored card with the registry's decisions filled in."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from mlplat_assets.models.evaluations.card import store_card
from mlplat_assets.models.evaluations.card_pages import Approvals, Document, Plot
from resources.artifacts import artifact_store
from resources.digests import digest
from tests.small_home import (
    APPROVER,
    AUTHOR,
    LINEAGE,
    MODEL,
    crown,
    open_registry,
    register,
    settings_at,
)

DOCUMENT = Document(
    title=f"Model card: {MODEL}",
    sections={
        "Metrics": ["auc 0.73", Plot(title="Metrics", png=b"\x89PNG")],
        "Approvals": [Approvals()],
    },
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a champion, and one version more that has a card."""
    home = tmp_path / "home"
    first = crown(home, "first")
    settings = settings_at(home)
    card = store_card(DOCUMENT, artifact_store(settings.artifacts_url, home / "cache"))
    artifact = digest("second")
    evidence = {
        **first.evidence,
        "artifact_digest": artifact,
        "champion_version": first.number,
        "card_digest": card,
    }
    open_registry(home).register(
        MODEL,
        artifact_digest=artifact,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage=LINEAGE,
        approvers=(APPROVER,),
        author=AUTHOR,
        run_id="run-second",
    )
    return home


def run(home: Path, *arguments: str) -> Result:
    environment = {"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol", "COLUMNS": "60"}
    return CliRunner().invoke(app, ["models", "card", *arguments], env=environment)


def test_a_version_is_shown_as_markdown_with_its_decisions(home: Path) -> None:
    shown = run(home, MODEL, "2")
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"# Model card: {MODEL}\n")
    assert "data:image" not in shown.output and "<!--" not in shown.output
    assert "| version 2 | at (UTC) | by | approver | reason |" in shown.output
    assert "| registered | " in shown.output and AUTHOR in shown.output


def test_a_page_is_written_with_its_plots_and_what_was_decided_since(
    home: Path, tmp_path: Path
) -> None:
    open_registry(home).promote(
        MODEL, 2, actor="carol", approver=APPROVER, reason="better <in winter>"
    )
    page = tmp_path / "card.html"
    shown = run(home, MODEL, "--html", str(page))
    assert shown.exit_code == 0, shown.output
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert f"<td>{APPROVER}</td><td>better &lt;in winter&gt;</td>" in text


def test_a_version_without_a_card_is_one_line_with_the_remedy(home: Path) -> None:
    shown = run(home, MODEL, "1")
    assert shown.exit_code == 1
    assert "re-run evaluations/flights/arrival_delay" in " ".join(shown.output.split())
    register(home, "third")
    assert run(home, MODEL).exit_code == 1, "the champion is version 1"
    assert run(home, "flights.nothing").exit_code == 1
