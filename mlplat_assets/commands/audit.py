"""`mlplat audit`: the log of every decision, and whether it is as it was written."""

from rich.console import Console

from mlplat_assets.commands.model_pages import log_table
from mlplat_assets.commands.registered import unknown_model
from mlplat_assets.commands.stores import opened_registry
from resources.settings import Settings


def show_log(settings: Settings, console: Console, name: str | None, newest: int) -> None:
    """The newest entries, of one model or of all."""
    with opened_registry(settings) as registry:
        entries = registry.audit(name, newest=newest)
        if name is not None and not entries:
            raise unknown_model(name, registry.models())
    console.print(log_table(entries, with_model=name is None))
    if any(entry.role is None for entry in entries):
        console.print(
            "\nNames without a role are what the caller said: no token vouched for them.",
            style="dim",
        )
    if len(entries) == newest:
        console.print(f"\nThe newest {newest:,}; `--newest` shows more.", style="dim")


def verify(settings: Settings, console: Console) -> None:
    """Check the whole log, and what else the registry holds against it."""
    with opened_registry(settings) as registry:
        count = registry.verify_audit()
    console.print(
        f"✓ {count:,} entries verified: an unbroken chain to the versions, approvals, "
        "tokens, traffic tables and silences as they are.",
        style="green",
    )
