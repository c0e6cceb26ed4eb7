"""What alerts may be about: everything declared that has data or answers."""

import difflib

from mlplat_assets.discovery import Catalogue


def watched(declared: Catalogue) -> frozenset[str]:
    """The full names of models, views, label tables and sources."""
    return frozenset().union(
        declared.models, declared.views, declared.on_demand, declared.labels, declared.sources
    )


def require_watched(name: str, declared: Catalogue) -> None:
    """Refuse a name that no alert can be about; LookupError says the nearest that one can."""
    known = watched(declared)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {close[0]}?" if close else "`mlplat models list` shows the models"
        raise LookupError(f"{name!r} is no declared model, view, label table or source; {remedy}")
