"""How a training set and a model were made, as one stored document, so that both can be made again.

It is a catalogue of one model: the spec as far as it shapes rows or weights, its features one by
one, the label table, the stored views with their reach, and the on-demand views with the digest of
their source. Making a version again needs no declaration of today.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.references import OnDemandFeature
from mlplat_assets.spec import FeatureView, Field, Label, OnDemandView
from resources.digests import canonical_json, digest_of_bytes

# Fields of a spec that shape neither rows nor weights: what a version must prove, who may approve
# it, how it is packed, served and watched. What a search found is in the lineage's hyperparameters.
BESIDE = {
    "gates", "slices", "fairness", "budget", "approvers", "approval", "drift", "retrain", "serving",
    "owner", "search", "int8",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StoredView:
    """A view in the lake: what the join needs of it. Durations in seconds."""

    entities: list[Field]
    features: list[Field]
    ttl: float | None
    landing_delay: float


@dataclass(frozen=True, kw_only=True)
class ComputedView:
    """An on-demand view: what it takes and gives, and the digest of the stored file."""

    request: list[Field]
    inputs: list[str]
    features: list[Field]
    source: str


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """The table of outcomes that `ModelSpec.label` names a column of."""

    name: str
    unit: str
    entities: list[str]
    columns: list[Field]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The declaration of a model, resolved; views by `team.name`."""

    model: str
    spec: dict[str, Any]
    label: LabelTable
    views: dict[str, StoredView]
    on_demand: dict[str, ComputedView]

    def document(self) -> bytes:
        """Its canonical JSON."""
        return canonical_json(msgspec.to_builtins(self))


def recipe_of(model: Declared[ModelSpec], inputs: ModelInputs) -> Recipe:
    """What is recorded of a model as it is declared."""
    label = inputs.label_table
    said = {
        field.name: msgspec.to_builtins(getattr(model.spec, field.name))
        for field in fields(model.spec)
        if field.name not in BESIDE
    }
    computed = {f.view.full_name: f.view for f in inputs.features if isinstance(f, OnDemandFeature)}
    return Recipe(
        model=model.full_name,
        spec=said | {"features": [feature.reference for feature in inputs.features]},
        label=LabelTable(
            name=label.full_name,
            unit=label.spec.unit,
            entities=list(label.spec.entities),
            columns=list(label.spec.columns),
        ),
        views={name: _stored(view.spec) for name, (view, _) in inputs.views().items()},
        on_demand={name: _computed(view) for name, view in computed.items()},
    )


def read_recipe(document: bytes) -> Recipe:
    """A stored document as it was recorded."""
    return msgspec.convert(json.loads(document), Recipe)


def catalogue_of(recipe: Recipe, source: Callable[[str], Path]) -> Catalogue:
    """The recorded model with all that it refers to, as if it were declared today.

    `source` gives the file of an on-demand view by its digest.
    """
    model = _declared(recipe.model, _spec(recipe.spec))
    label = Label(
        unit=recipe.label.unit,
        entities=tuple(recipe.label.entities),
        columns=tuple(recipe.label.columns),
        description="",
    )
    return Catalogue(
        teams={},
        models={recipe.model: model},
        labels={recipe.label.name: _declared(recipe.label.name, label)},
        views={name: _declared(name, _view(view)) for name, view in recipe.views.items()},
        on_demand={
            name: _declared(name, _on_demand(view), source(view.source))
            for name, view in recipe.on_demand.items()
        },
    )


def _declared(full_name: str, spec: Any, file: Path = Path()) -> Declared[Any]:  # noqa: ANN401
    team, name = full_name.split(".")
    return Declared(team=team, name=name, file=file, spec=spec)


def _stored(view: FeatureView) -> StoredView:
    return StoredView(
        entities=list(view.entities),
        features=list(view.features),
        ttl=view.ttl.total_seconds() if view.ttl else None,
        landing_delay=view.landing_delay.total_seconds(),
    )


def _computed(view: Declared[OnDemandView]) -> ComputedView:
    return ComputedView(
        request=list(view.spec.request),
        inputs=list(view.spec.inputs),
        features=list(view.spec.features),
        source=digest_of_bytes(view.file.read_bytes()),
    )


def _spec(recorded: Mapping[str, Any]) -> ModelSpec:
    """The recorded fields that a spec has today; one that it lost meanwhile is left out."""
    hints = get_type_hints(ModelSpec)
    known = {
        name: msgspec.convert(value, hints[name])
        for name, value in recorded.items()
        if name in hints
    }
    return ModelSpec(**known, gates=(), approvers=())


def _view(recorded: StoredView) -> FeatureView:
    return FeatureView(
        entities=tuple(recorded.entities),
        features=tuple(recorded.features),
        description="",
        ttl=None if recorded.ttl is None else timedelta(seconds=recorded.ttl),
        landing_delay=timedelta(seconds=recorded.landing_delay),
    )


def _on_demand(recorded: ComputedView) -> OnDemandView:
    return OnDemandView(
        request=tuple(recorded.request),
        inputs=tuple(recorded.inputs),
        features=tuple(recorded.features),
        description="",
        compute=_by_its_source,
    )


def _by_its_source(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    raise NotImplementedError("a recorded on-demand view is computed by its stored source")
