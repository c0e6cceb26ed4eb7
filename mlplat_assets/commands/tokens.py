"""`mlplat tokens`: who may act on the registry, and who may ask the model servers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, moment, table
from mlplat_assets.commands.stores import opened_registry
from resources.registry.identity import Role
from resources.registry.tokens import Token
from resources.serving_tokens import issue_token, revoke_token
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


def admit_client(settings: Settings, console: Console, name: str) -> None:
    """Make a token for a client of the model servers; its text goes to standard output alone."""
    path = _serving_file(settings)
    text = issue_token(path, name, datetime.now(UTC))
    console.print(
        Text("✓ ", style="green")
        + Text(name, style="bold")
        + Text(" may ask the model servers, with the header:")
    )
    console.print(f"Authorization: Bearer {text}", soft_wrap=True)
    console.print(f"Shown this once: {path} keeps its hash only.", style="dim", soft_wrap=True)


def turn_client_away(settings: Settings, console: Console, name: str) -> None:
    """Take the token of a client out; running servers see it about a second later."""
    revoke_token(_serving_file(settings), name)
    console.print(Text("✓ ", style="green") + Text(f"the serving token of {name} is revoked."))


def _serving_file(settings: Settings) -> Path:
    if settings.serving_tokens is None:
        raise ValueError(
            "MLPLAT_SERVING_TOKENS is unset: name the file of the model servers' tokens, like "
            f"{settings.home / 'serving_tokens.ndjson'}"
        )
    return settings.serving_tokens


def _state(token: Token, now: datetime) -> Text:
    if token.revoked_in is not None:
        return Text("revoked", style="dim")
    if not token.stands(now):
        return Text(f"expired {moment(token.expires_at)}", style="dim")
    until = moment(token.expires_at)
    return Text(f"until {until}" if until else "without an end", style="green")
