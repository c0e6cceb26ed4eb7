"""`mlplat tokens`: who may act on the registry."""

from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, moment, table
from mlplat_assets.commands.stores import opened_registry
from resources.registry.identity import Role
from resources.registry.tokens import Token
from resources.settings import Settings


def create(settings: Settings, console: Console, name: str, role: Role, days: int | None) -> None:
    """Make a token; its text goes to standard output alone, so that a pipe can take it."""
    now = datetime.now(UTC)
    expires_at = None if days is None else now + timedelta(days=days)
    with opened_registry(settings) as registry:
        registry.migrate()
        issued = registry.tokens.create(name, role, actor=settings.actor, expires_at=expires_at)
    until = moment(issued.token.expires_at)
    console.print(
        Text("✓ ", style="green")
        + Text(name, style="bold")
        + Text(f" is {role}{f', until {until} UTC' if until else ''}.")
    )
    console.print(f"export MLPLAT_TOKEN={issued.text}", soft_wrap=True)
    console.print("Shown this once: the registry keeps its hash only.", style="dim")


def list_tokens(settings: Settings, console: Console) -> None:
    """Every token, ended ones too."""
    with opened_registry(settings) as registry:
        found = registry.tokens.all()
    if not found:
        console.print(
            "There are no tokens: everybody acts under the name they give. "
            "`mlplat tokens create NAME --role admin` changes that."
        )
        return
    made = table("#", "NAME", "ROLE", "STATE", "MADE UTC", "BY", right=("#",))
    now = datetime.now(UTC)
    for token in found:
        add(
            made,
            token.id,
            Text(token.name, style="bold"),
            token.role.value,
            _state(token, now),
            moment(token.created_at),
            token.created_by,
        )
    console.print(made)


def revoke(settings: Settings, console: Console, name: str) -> None:
    """End a token."""
    with opened_registry(settings) as registry:
        ended = registry.tokens.revoke(name)
    console.print(Text("✓ ", style="green") + Text(f"the token of {ended.name} is revoked."))


def _state(token: Token, now: datetime) -> Text:
    if token.revoked_in is not None:
        return Text("revoked", style="dim")
    if not token.stands(now):
        return Text(f"expired {moment(token.expires_at)}", style="dim")
    until = moment(token.expires_at)
    return Text(f"until {until}" if until else "without an end", style="green")
