"""`mlplat models card`: what a version's evaluation said, with what people decided since."""

from pathlib import Path

from rich.console import Console

from mlplat_assets.commands.output import moment
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from mlplat_assets.models.evaluations.card import MARKDOWN, PAGE
from mlplat_assets.models.evaluations.card_pages import Grid, with_approvals, without_plots
from resources.artifacts import artifact_store
from resources.registry.records import AuditEntry, Version
from resources.registry.registry import Registry
from resources.settings import Settings


def show_card(
    settings: Settings, console: Console, name: str, number: int | None, page: Path | None
) -> None:
    """A version's card as Markdown on the console, or with its plots as a page in a file.

    Without a number it is the champion's, or the newest version's where none serves.

    Raises:
        LookupError: The model has no version, or the version has no card.
    """
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        version = _version(registry, name, number)
        entries = [each for each in registry.audit(name) if each.version == version.number]
    digest = version.evidence.get("card_digest")
    if digest is None:
        raise LookupError(
            f"{name} version {version.number} was evaluated before there were cards; "
            f"re-run evaluations/{name.replace('.', '/')}"
        )
    folder = artifact_store(settings.artifacts_url, settings.home / "cache").get_folder(digest)
    decisions = decisions_of(version, entries)
    if page is None:
        text = without_plots((folder / MARKDOWN).read_text(encoding="utf-8"))
        console.out(with_approvals(text, decisions, as_html=False), highlight=False)
        return
    text = (folder / PAGE).read_text(encoding="utf-8")
    page.write_text(with_approvals(text, decisions, as_html=True), encoding="utf-8")
    console.print(f"{name} version {version.number}: {page}")


def decisions_of(version: Version, entries: list[AuditEntry]) -> Grid:
    """The registry's entries about a version, oldest first."""
    return Grid(
        header=(f"version {version.number}", "at (UTC)", "by", "approver", "reason"),
        rows=[
            (
                entry.action.replace("_", " "),
                moment(entry.at) or "-",
                entry.actor,
                entry.approver or "-",
                entry.reason or "-",
            )
            for entry in entries
        ],
    )


def _version(registry: Registry, name: str, number: int | None) -> Version:
    if number is not None:
        return registry.version(name, number)
    return registry.champion(name) or registry.versions(name)[-1]
