"""A model's input columns and where each comes from, resolved from its declaration."""

from dataclasses import asdict, dataclass

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import (
    AnyFeature,
    ModelFeature,
    OnDemandFeature,
    resolve_features,
    resolve_label,
    stored_features,
)
from mlplat_assets.serving_spec import Serving
from mlplat_assets.spec import CATEGORICAL, NUMERIC, FeatureView, Field, Label

# What the training set's columns of auxiliary outcomes begin with.
AUXILIARY = "auxiliary__"


@dataclass(frozen=True, kw_only=True)
class ModelInputs:
    """What a model learns from: its label table and every input column.

    `features` are those of views, on-demand ones too; `numeric` and `categorical` are the model's
    columns in order; `entities` are the keys that a request must carry; `auxiliary` are further
    outcomes, as columns of the training set that are never inputs.
    """

    label_table: Declared[Label]
    label: str
    features: list[AnyFeature]
    entities: list[Field]
    numeric: list[str]
    categorical: list[str]
    auxiliary: list[str]

    def views(self) -> dict[str, tuple[Declared[FeatureView], list[str]]]:
        """Each stored view to read, by full name, with the features wanted of it, in order.

        What on-demand views take is among them.
        """
        used: dict[str, tuple[Declared[FeatureView], list[str]]] = {}
        for feature in stored_features(self.features):
            names = used.setdefault(feature.view.full_name, (feature.view, []))[1]
            names.append(feature.feature.name)
        return used


def model_inputs(model: Declared[ModelSpec], catalogue: Catalogue) -> ModelInputs:
    """Resolve a model's references against the catalogue.

    Raises:
        DeclarationError: A reference does not resolve.
    """
    spec = model.spec
    label = resolve_label(model, catalogue)
    features = resolve_features(model, catalogue)
    keys = {key.name: key for f in stored_features(features) for key in f.view.spec.entities}
    asked = {
        field.name
        for feature in features
        if isinstance(feature, OnDemandFeature)
        for field in feature.view.spec.request
    }
    described = {field.name: field for field in label.table.spec.columns}
    entities = [
        keys.get(name, described[name])
        for name in label.table.spec.entities
        if name in keys or name in spec.entity_features or name in asked
    ]
    typed = [(name, described[name].dtype) for name in spec.entity_features]
    typed += [(field.name, field.dtype) for field in spec.context]
    typed += [(feature.column, feature.feature.dtype) for feature in features]
    return ModelInputs(
        label_table=label.table,
        label=label.column,
        features=features,
        entities=entities,
        numeric=[name for name, dtype in typed if dtype in NUMERIC],
        categorical=[name for name, dtype in typed if dtype in CATEGORICAL],
        auxiliary=[f"{AUXILIARY}{name}" for name in spec.auxiliary],
    )


def serving_schema(model: Declared[ModelSpec], inputs: ModelInputs) -> dict[str, object]:
    """The part of a model card that tells a service what to ask for, fetch and check."""
    spec = model.spec
    return {
        "entities": [_field(field) for field in inputs.entities],
        "context": [_field(field) for field in spec.context],
        "entity_features": list(spec.entity_features),
        "features": [
            {
                "column": feature.column,
                "view": feature.view.full_name,
                "feature": feature.feature.name,
                "dtype": feature.feature.dtype,
            }
            for feature in inputs.features
            if isinstance(feature, ModelFeature)
        ],
        "views": [
            {
                "name": name,
                "entities": [entity.name for entity in view.spec.entities],
                "ttl_seconds": view.spec.ttl.total_seconds() if view.spec.ttl else None,
                "features": features,
            }
            for name, (view, features) in inputs.views().items()
        ],
        "serving": _serving(spec.serving),
        "drift": asdict(spec.drift),
    }


def _serving(serving: Serving) -> dict[str, object]:
    cache = {view: span.total_seconds() for view, span in serving.cache.items()}
    return {**asdict(serving), "cache": cache}


def _field(field: Field) -> dict[str, object]:
    return {**asdict(field), "allowed": list(field.allowed)}
