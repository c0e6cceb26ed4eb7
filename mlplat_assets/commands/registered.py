"""What the registry tells about models, in the shapes that the commands print."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from mlplat_assets.commands.output import add, moment, table
from mlplat_assets.commands.stores import NotThereYet, opened_registry
from resources.registry.identity import Role
from resources.registry.reader import RegistryReader
from resources.registry.records import Approval, Version
from resources.settings import Settings


def versions_by_model(settings: Settings) -> dict[str, list[Version]]:
    """Registered versions by model; none where no registry was made yet."""
    try:
        with opened_registry(settings) as registry:
            return {name: registry.versions(name) for name in registry.models()}
    except NotThereYet:
        return {}


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the registry holds of a model: how many versions, the newest, the one that serves."""

    versions: int
    newest: Version | None
    champion: Version | None


NOTHING_HELD = Held(versions=0, newest=None, champion=None)


def holdings(settings: Settings) -> dict[str, Held]:
    """What is held of each registered model; nothing where no registry was made yet."""
    try:
        with opened_registry(settings) as registry:
            return {
                name: Held(
                    versions=registry.count(name),
                    newest=registry.versions(name, limit=1)[0],
                    champion=registry.champion(name),
                )
                for name in registry.models()
            }
    except NotThereYet:
        return {}


def require_registered(registry: RegistryReader, name: str) -> None:
    """Refuse a model without versions; LookupError names the nearest one that has some."""
    if not registry.count(name):
        raise unknown_model(name, registry.models())


def unknown_model(name: str, known: Sequence[str] | Mapping[str, object]) -> LookupError:
    """The error for a name that is not among the known ones, with the nearest that is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    remedy = f"did you mean {close[0]}?" if close else "`mlplat models list` shows what there is"
    return LookupError(f"{name!r} is no model with a version; {remedy}")


def gates_of(version: Version) -> Sequence[Mapping[str, Any]]:
    """What the version's evaluation held it to, and with what result."""
    return version.evidence.get("gates") or ()


def metrics_of(version: Version) -> Mapping[str, float]:
    """The version's metrics on the holdout."""
    return version.evidence.get("metrics") or {}


def by_whom(name: str, role: Role | None) -> Text:
    """A name with the role of its token, or that no token vouched for it."""
    return Text(name) + Text(f" ({role or 'unauthenticated'})", style="dim")


def approval_table(given: Sequence[Approval]) -> Table:
    """Verdicts on a version, with what became of them."""
    made = table("VERDICT", "BY", "AT UTC", "STANDS", "REASON")
    for each in given:
        stands = "until revoked" if each.expires_at is None else f"until {moment(each.expires_at)}"
        add(
            made,
            each.verdict.value,
            by_whom(each.approver, each.role),
            moment(each.at),
            stands if each.revoked_in is None else f"revoked in entry {each.revoked_in}",
            each.reason,
        )
    return made
