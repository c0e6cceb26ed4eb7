"""Who uses a feature view: models, services, on-demand views, other views, pinned versions."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlplat_assets.commands.registered import versions_by_model
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.view_versions import upstream_tables
from mlplat_assets.references import resolve_features, resolve_service
from resources.registry.records import Stage
from resources.settings import Settings

Uses = dict[str, set[str]]


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A version that was trained on another definition of a view than today's.

    `digest` is None for a version whose lineage does not name its views' definitions.
    """

    model: str
    number: int
    stage: Stage
    digest: str | None


def models_with(name: str, declared: Catalogue) -> Uses:
    """The models that read a view or on-demand view, and which of its features each takes."""
    return _uses(
        (model.full_name, used.feature.name)
        for model in declared.models.values()
        for used in resolve_features(model, declared)
        if used.view.full_name == name
    )


def services_with(name: str, declared: Catalogue) -> Uses:
    """The feature services that list a view, and which of its features each lists."""
    return _uses(
        (service.full_name, used.feature.name)
        for service in declared.services.values()
        for used in resolve_service(service, declared)
        if used.view.full_name == name
    )


def on_demand_with(name: str, declared: Catalogue) -> Uses:
    """The on-demand views that compute from a view, and which of its features each takes."""
    return _uses(
        (derived.full_name, reference.partition(":")[2])
        for derived in declared.on_demand.values()
        for reference in derived.spec.inputs
        if reference.partition(":")[0] == name
    )


def models_of(service: str, declared: Catalogue) -> list[str]:
    """The models that name a feature service."""
    return sorted(m.full_name for m in declared.models.values() if service in m.spec.features)


def views_from(name: str, declared: Catalogue) -> list[str]:
    """The feature views that are computed from a view."""
    return sorted(
        view.full_name
        for view in declared.views.values()
        if f"features.{name}" in upstream_tables(view)
    )


def pinned_to_another(settings: Settings, name: str, current: str) -> list[Pinned]:
    """The versions that are not archived and learnt from another definition of a view."""
    table = f"features.{name.replace('.', '__', 1)}"
    return [
        Pinned(model=model, number=version.number, stage=version.stage, digest=digest)
        for model, versions in versions_by_model(settings).items()
        for version in versions
        for digest in [version.lineage.get("views", {}).get(name)]
        if version.stage is not Stage.ARCHIVED
        and digest != current
        # Versions of mlplat 0.1.0 name the tables that they read, but not their definitions.
        and (digest or table in {used["table"] for used in version.lineage.get("partitions", ())})
    ]


def _uses(found: Iterable[tuple[str, str]]) -> Uses:
    uses: Uses = {}
    for user, feature in found:
        uses.setdefault(user, set()).add(feature)
    return uses
