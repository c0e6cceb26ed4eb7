"""References between declarations: `team.view:feature`, `team.table:column`, and cron."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from mlplat_assets.discovery import Catalogue, DeclarationError, Declared
from mlplat_assets.spec import FeatureView, Field, Label, ModelSpec


@dataclass(frozen=True, kw_only=True)
class LabelColumn:
    """The outcome column that a model learns."""

    table: Declared[Label]
    column: str


@dataclass(frozen=True, kw_only=True)
class ModelFeature:
    """One feature of a view as an input column of a model."""

    view: Declared[FeatureView]
    feature: Field

    @property
    def column(self) -> str:
        """The model's column: the view's name without its team, two underscores, the feature."""
        return f"{self.view.name}__{self.feature.name}"


def resolve_label(model: Declared[ModelSpec], declared: Catalogue) -> LabelColumn:
    """The label table and column of a model.

    Raises:
        DeclarationError: The table or the column does not exist.
    """
    table_name, _, column = model.spec.label.partition(":")
    if table_name not in declared.labels:
        raise _unknown(model, "label", table_name, declared.labels)
    table = declared.labels[table_name]
    columns = [field.name for field in table.spec.columns]
    if column not in columns:
        raise _unknown(
            model, "label", f"{table_name}:{column}", [f"{table_name}:{c}" for c in columns]
        )
    return LabelColumn(table=table, column=column)


def resolve_features(model: Declared[ModelSpec], declared: Catalogue) -> list[ModelFeature]:
    """The features of a model in request order; a bare view stands for all its features.

    Raises:
        DeclarationError: A view or feature does not exist, an entity is not in the label table, or
            two inputs would have the same column name.
    """
    found: list[ModelFeature] = []
    for reference in model.spec.features:
        view_name, _, feature_name = reference.partition(":")
        if view_name not in declared.views:
            raise _unknown(model, "features", view_name, declared.views)
        view = declared.views[view_name]
        names = [field.name for field in view.spec.features]
        if feature_name and feature_name not in names:
            raise _unknown(model, "features", reference, [f"{view_name}:{name}" for name in names])
        wanted = [f for f in view.spec.features if f.name == feature_name or not feature_name]
        found.extend(ModelFeature(view=view, feature=feature) for feature in wanted)
    _check_entities(model, declared, found)
    columns = [f.column for f in found] + [f.name for f in model.spec.context]
    for name in [*columns, *model.spec.entity_features]:
        if [*columns, *model.spec.entity_features].count(name) > 1:
            raise DeclarationError(
                model.file, "features", f"two inputs are named {name!r}", "Select one of them."
            )
    return found


def parse_cron(text: str) -> bool:
    """Whether Dagster will understand the cron expression."""
    from dagster._utils.schedules import is_valid_cron_schedule

    return is_valid_cron_schedule(text)


def _check_entities(
    model: Declared[ModelSpec], declared: Catalogue, found: list[ModelFeature]
) -> None:
    entities = resolve_label(model, declared).table.spec.entities
    keys = {entity.name for f in found for entity in f.view.spec.entities}
    for key in sorted(keys | set(model.spec.entity_features)):
        if key not in entities:
            raise DeclarationError(
                model.file,
                "features",
                f"entity {key!r} is no entity of label {model.spec.label}",
                f"Use views keyed by {', '.join(entities)}.",
            )


def _unknown(
    model: Declared[ModelSpec], where: str, name: str, known: Iterable[str]
) -> DeclarationError:
    close = difflib.get_close_matches(name, list(known), n=1)
    remedy = (
        f"Did you mean {close[0]!r}?" if close else f"Declared are: {', '.join(sorted(known))}."
    )
    return DeclarationError(model.file, where, f"{name!r} is not declared", remedy)
