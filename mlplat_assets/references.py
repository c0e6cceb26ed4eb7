"""References between declarations: features, services, `team.table:column`, and cron.

Features are named `team.view` (all its features), `team.view:feature`, or `team.service` (what a
feature service lists). The view may be an on-demand view.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlplat_assets.discovery import Catalogue, DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.spec import (
    CATEGORICAL,
    NUMERIC,
    FeatureService,
    FeatureView,
    Field,
    Label,
    OnDemandView,
)


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

    @property
    def reference(self) -> str:
        """`team.view:feature`."""
        return f"{self.view.full_name}:{self.feature.name}"


@dataclass(frozen=True, kw_only=True)
class OnDemandFeature:
    """One feature of an on-demand view, and the stored features that its function takes."""

    view: Declared[OnDemandView]
    feature: Field
    inputs: tuple[ModelFeature, ...]

    @property
    def column(self) -> str:
        """The model's column, named like one of a stored feature."""
        return f"{self.view.name}__{self.feature.name}"

    @property
    def reference(self) -> str:
        """`team.view:feature`."""
        return f"{self.view.full_name}:{self.feature.name}"


AnyFeature = ModelFeature | OnDemandFeature


class UnknownReference(LookupError):
    """A reference names no declared view, feature or service; says which one may be meant."""

    def __init__(self, reference: str, known: Iterable[str]) -> None:
        """Compose the one-line message; `problem` and `remedy` are its two sentences."""
        names = sorted(known)
        close = difflib.get_close_matches(reference, names, n=1)
        self.problem = f"{reference!r} is not declared"
        self.remedy = (
            f"Did you mean {close[0]!r}?" if close else f"Declared are: {', '.join(names)}."
        )
        super().__init__(f"{self.problem}. {self.remedy}")


def resolve_label(model: Declared[ModelSpec], declared: Catalogue) -> LabelColumn:
    """The label table and column of a model.

    Raises:
        DeclarationError: The table or the column does not exist.
    """
    table_name, _, column = model.spec.label.partition(":")
    if table_name not in declared.labels:
        raise _no_label(model, table_name, declared.labels)
    table = declared.labels[table_name]
    columns = [field.name for field in table.spec.columns]
    if column not in columns:
        raise _no_label(model, f"{table_name}:{column}", [f"{table_name}:{c}" for c in columns])
    return LabelColumn(table=table, column=column)


def resolve_features(model: Declared[ModelSpec], declared: Catalogue) -> list[AnyFeature]:
    """The features of a model in request order, views and services expanded.

    Raises:
        DeclarationError: A reference names nothing, an entity is not in the label table, a feature
            is of a type that no model takes, or two inputs would have the same column name.
    """
    try:
        found = list(expand(model.spec.features, declared))
    except UnknownReference as error:
        raise DeclarationError(model.file, "features", error.problem, error.remedy) from error
    _check_entities(model, declared, found)
    for feature in found:
        if feature.feature.dtype not in (*NUMERIC, *CATEGORICAL):
            raise DeclarationError(
                model.file,
                "features",
                f"{feature.column!r} is {feature.feature.dtype}, which is no input of a model",
                f"Name the features of {feature.view.full_name} that are numbers, texts or flags.",
            )
    columns = [f.column for f in found] + [f.name for f in model.spec.context]
    for name in [*columns, *model.spec.entity_features]:
        if [*columns, *model.spec.entity_features].count(name) > 1:
            raise DeclarationError(
                model.file, "features", f"two inputs are named {name!r}", "Select one of them."
            )
    return found


def resolve_service(service: Declared[FeatureService], declared: Catalogue) -> list[AnyFeature]:
    """The features that a service lists, in its order, views expanded.

    Raises:
        DeclarationError: The list is empty, or a reference names nothing or another service.
    """
    if not service.spec.features:
        raise DeclarationError(service.file, "features", "is empty", "List at least one feature.")
    found: list[AnyFeature] = []
    for reference in service.spec.features:
        if reference in declared.services:
            raise DeclarationError(
                service.file,
                "features",
                f"{reference!r} is a feature service itself",
                "List its features: a service names views and features only.",
            )
        try:
            found.extend(_of_view(reference, declared))
        except UnknownReference as error:
            raise DeclarationError(service.file, "features", error.problem, error.remedy) from error
    return found


def expand(references: Iterable[str], declared: Catalogue) -> Iterator[AnyFeature]:
    """The features behind references, in order; a view or a service stands for all of its own.

    Raises:
        UnknownReference: One names nothing that is declared.
    """
    for reference in references:
        if reference in declared.services:
            yield from resolve_service(declared.services[reference], declared)
        else:
            yield from _of_view(reference, declared)


def on_demand_inputs(view: Declared[OnDemandView], declared: Catalogue) -> tuple[ModelFeature, ...]:
    """The stored features that an on-demand view takes, in its order.

    Raises:
        UnknownReference: One is not `team.view:feature` of a stored view.
    """
    found: list[ModelFeature] = []
    for reference in view.spec.inputs:
        name, _, feature = reference.partition(":")
        stored = declared.views.get(name)
        named = [f for f in stored.spec.features if f.name == feature] if stored else []
        if not stored or not named:
            views = [stored] if stored else declared.views.values()
            known = [f"{v.full_name}:{f.name}" for v in views for f in v.spec.features]
            raise UnknownReference(reference, known)
        found.append(ModelFeature(view=stored, feature=named[0]))
    return tuple(found)


def stored_features(features: Iterable[AnyFeature]) -> list[ModelFeature]:
    """What must be read for the features, each once: stored ones first, then on-demand inputs."""
    asked = list(features)
    found = [f for f in asked if isinstance(f, ModelFeature)]
    found += [f for made in asked if isinstance(made, OnDemandFeature) for f in made.inputs]
    return list({(f.view.full_name, f.feature.name): f for f in found}.values())


def parse_cron(text: str) -> bool:
    """Whether Dagster will understand the cron expression."""
    from dagster._utils.schedules import is_valid_cron_schedule

    return is_valid_cron_schedule(text)


def _check_entities(
    model: Declared[ModelSpec], declared: Catalogue, found: list[AnyFeature]
) -> None:
    entities = resolve_label(model, declared).table.spec.entities
    keys = {entity.name for f in stored_features(found) for entity in f.view.spec.entities}
    for key in sorted(keys | set(model.spec.entity_features)):
        if key not in entities:
            raise DeclarationError(
                model.file,
                "features",
                f"entity {key!r} is no entity of label {model.spec.label}",
                f"Use views keyed by {', '.join(entities)}.",
            )


def _of_view(reference: str, declared: Catalogue) -> Sequence[AnyFeature]:
    view_name, _, feature_name = reference.partition(":")
    if view_name in declared.services:
        raise UnknownReference(reference, [view_name])
    view = declared.views.get(view_name) or declared.on_demand.get(view_name)
    if view is None:
        raise UnknownReference(
            view_name, [*declared.views, *declared.on_demand, *declared.services]
        )
    wanted = [f for f in view.spec.features if f.name == feature_name or not feature_name]
    if not wanted:
        raise UnknownReference(reference, [f"{view_name}:{f.name}" for f in view.spec.features])
    if view_name in declared.views:
        return [ModelFeature(view=declared.views[view_name], feature=f) for f in wanted]
    made = declared.on_demand[view_name]
    inputs = on_demand_inputs(made, declared)
    return [OnDemandFeature(view=made, feature=feature, inputs=inputs) for feature in wanted]


def _no_label(model: Declared[ModelSpec], reference: str, known: Iterable[str]) -> DeclarationError:
    unknown = UnknownReference(reference, known)
    return DeclarationError(model.file, "label", unknown.problem, unknown.remedy)
