"""Which features a caller asks for, and the views they are of."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.references import AnyFeature, UnknownReference, expand, stored_features
from mlplat_assets.spec import FeatureService, FeatureView

# References as `team.view:feature`, `team.view`, `team.service`; one of them, or a service itself.
Features = str | Sequence[str] | FeatureService


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Features in the order asked for, each once."""

    features: tuple[AnyFeature, ...]

    def views(self) -> list[tuple[Declared[FeatureView], list[str]]]:
        """Each stored view with the names of its features to read, in request order.

        What on-demand views take comes after what is asked for itself.
        """
        found: dict[str, tuple[Declared[FeatureView], list[str]]] = {}
        for one in stored_features(self.features):
            found.setdefault(one.view.full_name, (one.view, []))[1].append(one.feature.name)
        return list(found.values())

    def columns(self, *, full: bool) -> list[str]:
        """The output column of each feature: `view__feature` if full, else `feature`."""
        return [one.column if full else one.feature.name for one in self.features]


def select_features(features: Features, catalogue: Catalogue) -> Selection:
    """The features behind references, views and services expanded, repetitions left out.

    Raises:
        UnknownReference: One names nothing that is declared.
        ValueError: None is asked for.
    """
    if isinstance(features, FeatureService):
        features = features.features
    references = [features] if isinstance(features, str) else list(features)
    found = {one.reference: one for one in expand(references, catalogue)}
    if not found:
        raise ValueError("no features are asked for: name some, as team.view:feature")
    return Selection(features=tuple(found.values()))


def declared_view(name: str, catalogue: Catalogue) -> Declared[FeatureView]:
    """The feature view of this name.

    Raises:
        UnknownReference: There is none.
    """
    if name not in catalogue.views:
        raise UnknownReference(name, catalogue.views)
    return catalogue.views[name]
