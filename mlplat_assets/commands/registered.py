"""What the registry tells about models, in the shapes that the commands print."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from mlplat_assets.commands.stores import NotThereYet, opened_registry
from resources.registry.reader import RegistryReader
from resources.registry.records import Version
from resources.settings import Settings


def versions_by_model(settings: Settings) -> dict[str, list[Version]]:
    """Registered versions by model; none where no registry was made yet."""
    try:
        with opened_registry(settings) as registry:
            return {name: registry.versions(name) for name in registry.models()}
    except NotThereYet:
        return {}


def require_registered(registry: RegistryReader, name: str) -> None:
    """Refuse a model without versions; LookupError names the nearest one that has some."""
    known = registry.models()
    if name not in known:
        raise unknown_model(name, known)


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
