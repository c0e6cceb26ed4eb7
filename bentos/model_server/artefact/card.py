"""The parts of an artefact's card.json that serving reads, checked when it is loaded."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from bentos.model_server.artefact.predictor import ArtifactUnusable

DType = Literal["float", "int", "bool", "string"]
Policy = Literal["reject", "clip", "flag"]
Kind = Literal["float", "float32", "int", "bool", "string", "timestamp"]

# The field that every request has: the decision time.
EVENT_TIMESTAMP = "event_timestamp"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One named, typed value of a request; minimum and maximum inclusive, `allowed` empty: any."""

    name: str
    dtype: DType
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view to read, by which entity keys, and how old a value may be (None: any)."""

    name: str
    entities: tuple[str, ...]
    features: tuple[str, ...]
    ttl_seconds: float | None = None


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """Which feature of which view fills an input column."""

    column: str
    view: str
    feature: str
    dtype: Kind


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A named, typed column: a request field, or a feature that comes back."""

    name: str
    dtype: Kind


class StoredInput(msgspec.Struct, frozen=True, kw_only=True):
    """A stored feature that a function takes as the column `<view>__<feature>`."""

    column: str
    view: str
    feature: str
    dtype: Kind


class OnDemandEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An on-demand view in a model's card.

    Attributes:
        view: `team.name`.
        source: The file of the artefact that declares it, and its `digest`.
        features: All that `compute` gives, by their names in the view.
        columns: Those that are inputs of the model, as `<view>__<feature>`.
    """

    view: str
    source: str
    digest: str
    request: tuple[Column, ...]
    inputs: tuple[StoredInput, ...]
    features: tuple[Column, ...]
    columns: tuple[str, ...]


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of predictions: `mlplat_assets.serving_spec.Journal`."""

    share: float = 1.0
    redact: tuple[str, ...] = ()
    required: bool = True


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """How the service answers: `mlplat_assets.serving_spec.Serving`, `cache` in seconds."""

    on_missing: Literal["predict", "refuse"] = "predict"
    on_unavailable: Literal["refuse", "defaults"] = "refuse"
    defaults: dict[str, bool | int | float | str] = {}
    cache: dict[str, float] = {}
    out_of_range: dict[str, Policy] = {}
    unknown_fields: Literal["reject", "ignore"] = "reject"
    journal: Recording = Recording()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is asked; `classes` are those of a multiclass model, in the order it answers."""

    format: Literal[1]
    model: str
    task: Literal["binary", "multiclass", "regression"]
    entities: tuple[Field, ...]
    context: tuple[Field, ...]
    features: tuple[Feature, ...]
    views: tuple[View, ...]
    entity_features: tuple[str, ...]
    classes: tuple[str, ...] = ()
    on_demand: tuple[OnDemandEntry, ...] = ()
    serving: Serving = Serving()

    def stored(self) -> dict[str, "Feature"]:
        """Every stored feature that the model or its functions take, by column."""
        needed = {feature.column: feature for feature in self.features}
        for made in self.on_demand:
            for each in made.inputs:
                needed.setdefault(
                    each.column,
                    Feature(
                        column=each.column, view=each.view, feature=each.feature, dtype=each.dtype
                    ),
                )
        return needed


def read_card(document: Mapping[str, Any], columns: tuple[str, ...]) -> Card:
    """The card, checked against itself and the model's input columns.

    Raises:
        ArtifactUnusable: A part is missing or mistyped, or an input column has no source.
    """
    try:
        card = msgspec.convert(dict(document), Card)
    except msgspec.ValidationError as error:
        raise ArtifactUnusable(f"card.json: {error}") from error
    entities = {field.name for field in card.entities}
    for view in card.views:
        unknown = sorted(set(view.entities) - entities)
        if unknown:
            raise ArtifactUnusable(f"card.json: view {view.name} is keyed by unknown {unknown}")
    read = {(view.name, feature) for view in card.views for feature in view.features}
    context = {field.name for field in card.context}
    sources = {f.column for f in card.features if (f.view, f.feature) in read}
    sources |= context | (entities & set(card.entity_features))
    asked = context | entities | {EVENT_TIMESTAMP}
    for made in card.on_demand:
        absent = {field.name for field in made.request} - asked
        absent |= {f.column for f in made.inputs if (f.view, f.feature) not in read}
        if absent:
            raise ArtifactUnusable(f"card.json: nothing fills {sorted(absent)} of {made.view}")
        sources.update(made.columns)
    unfilled = sorted(set(columns) - sources)
    if unfilled:
        raise ArtifactUnusable(f"card.json: nothing fills the input columns {unfilled}")
    return card
