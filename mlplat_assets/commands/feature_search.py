"""`mlplat features search`: what is declared, by the words that describe it."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.output import add, table
from mlplat_assets.discovery import Catalogue, Declared

# How much a word counts by where it is found.
_NAME, _FEATURE, _LABEL, _PROSE = 8, 4, 2, 1


def search_features(console: Console, words: Sequence[str]) -> None:
    """Views, on-demand views and services in which every word occurs, the best match first.

    Raises:
        LookupError: Nothing matches.
    """
    found = ranked(catalogue(), words)
    if not found:
        said = " ".join(words)
        raise LookupError(
            f"nothing declared matches {said!r}; `mlplat features list` shows what there is"
        )
    made = table("NAME", "KIND", "FEATURES FOUND", "DESCRIPTION")
    for kind, one, features in found:
        shown = ", ".join(features[:6]) + (", ..." if len(features) > 6 else "")
        add(made, Text(one.full_name, style="bold"), kind, shown, one.spec.description)
    console.print(made)


def ranked(declared: Catalogue, words: Sequence[str]) -> list[tuple[str, Declared, list[str]]]:
    """Each match with its kind and the features that hold a word, the best first."""
    asked = [word.casefold() for word in words]
    matches = []
    for kind, one in _all(declared):
        texts = list(_texts(one, declared))
        counts = [max((n for n, text in texts if word in text), default=0) for word in asked]
        if all(counts):
            names = [name for name in _features(one) if any(w in name.casefold() for w in asked)]
            matches.append((-sum(counts), one.full_name, kind, one, names))
    return [(kind, one, names) for _, _, kind, one, names in sorted(matches, key=lambda m: m[:2])]


def _all(declared: Catalogue) -> Iterator[tuple[str, Declared]]:
    for kind, found in (
        ("view", declared.views),
        ("on-demand view", declared.on_demand),
        ("service", declared.services),
    ):
        for one in found.values():
            yield kind, one


def _texts(one: Declared, declared: Catalogue) -> Iterator[tuple[int, str]]:
    """Where a word may be found, in lower case, and what it counts there."""
    spec = one.spec
    yield _NAME, one.full_name.casefold()
    yield from ((_FEATURE, name.casefold()) for name in _features(one))
    for name, value in spec.tags.items():
        yield _LABEL, f"{name}={value}".casefold()
    yield _LABEL, declared.owner(one).casefold()
    yield _PROSE, spec.description.casefold()
    for field in (*getattr(spec, "entities", ()), *_fields(one)):
        yield _PROSE, f"{field.name} {field.description}".casefold()


def _fields(one: Declared) -> list:
    return [field for field in one.spec.features if not isinstance(field, str)]


def _features(one: Declared) -> list[str]:
    """Feature names; of a service its references."""
    return [field if isinstance(field, str) else field.name for field in one.spec.features]
