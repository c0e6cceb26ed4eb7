"""What must hold of on-demand views, and of the models that name them, before anything runs."""

import ast
import sys
from collections.abc import Iterable, Sequence

from mlplat_assets.discovery import Catalogue, DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import (
    AnyFeature,
    LabelColumn,
    OnDemandFeature,
    UnknownReference,
    on_demand_inputs,
    stored_features,
)
from mlplat_assets.spec import CATEGORICAL, NUMERIC, DType, Field, OnDemandView

# The decision time, which every request has; the one timestamp among the request's fields.
EVENT_TIMESTAMP = "event_timestamp"
_REQUEST: tuple[DType, ...] = ("float", "int", "bool", "string")
_IMPORTABLE = {"numpy", *sys.stdlib_module_names}


def check_on_demand(view: Declared[OnDemandView], declared: Catalogue) -> None:
    """An on-demand view by itself: its inputs, its types and what its file imports.

    Raises:
        DeclarationError: Anything is wrong.
    """
    spec = view.spec
    try:
        inputs = on_demand_inputs(view, declared)
    except UnknownReference as error:
        raise DeclarationError(
            view.file, "inputs", error.problem, f"{error.remedy} Write team.view:feature."
        ) from error
    if not spec.features or not (inputs or spec.request):
        where = "features" if not spec.features else "request"
        remedy = "List what compute gives." if not spec.features else "List what compute takes."
        raise DeclarationError(view.file, where, "is empty", remedy)
    if not callable(spec.compute):
        raise DeclarationError(view.file, "compute", "is missing", "Give the view a function.")
    taken = [f.name for f in spec.request] + [stored.column for stored in inputs]
    _check_once(view, taken)
    for field in spec.request:
        known = ("timestamp",) if field.name == EVENT_TIMESTAMP else _REQUEST
        _check_type(view, "request", field, known)
    for stored in inputs:
        _check_type(view, "inputs", stored.feature, (*NUMERIC, *CATEGORICAL, "timestamp"))
    for feature in spec.features:
        _check_type(view, "features", feature, (*NUMERIC, *CATEGORICAL))
    _check_imports(view)


def check_on_demand_of(
    model: Declared[ModelSpec], features: Sequence[AnyFeature], label: LabelColumn
) -> None:
    """That a model's requests bring what its on-demand views take, under one name each.

    Raises:
        DeclarationError: A field is not asked for, is of another type, or two columns clash.
    """
    columns = {column.name: column for column in label.table.spec.columns}
    known = {name: columns[name] for name in label.table.spec.entities}
    known |= {field.name: field for field in model.spec.context}
    made = {f.view.full_name: f.view for f in features if isinstance(f, OnDemandFeature)}
    for view in made.values():
        for field in view.spec.request:
            if field.name != EVENT_TIMESTAMP:
                _check_field(model, view, field, known)
    owners: dict[str, str] = {}
    for feature in (*features, *stored_features(features)) if made else ():
        owner = owners.setdefault(feature.column, feature.view.full_name)
        if owner != feature.view.full_name or feature.column in known:
            other = "an input" if feature.column in known else owner
            raise DeclarationError(
                model.file,
                "features",
                f"{feature.column!r} is a column of {feature.view.full_name} and of {other}",
                "Leave one of them out, or rename a view.",
            )


def _check_field(
    model: Declared[ModelSpec],
    view: Declared[OnDemandView],
    field: Field,
    known: dict[str, Field],
) -> None:
    if field.name not in known:
        raise DeclarationError(
            model.file,
            "context",
            f"{field.name!r} is missing, which {view.full_name} takes from the request",
            f"Add Field(name={field.name!r}, dtype={field.dtype!r}, ...).",
        )
    if known[field.name].dtype != field.dtype:
        raise DeclarationError(
            model.file,
            "context",
            f"{field.name!r} is {known[field.name].dtype}, but {view.full_name} takes it as "
            f"{field.dtype}",
            "Declare one type in both.",
        )


def _check_once(view: Declared[OnDemandView], taken: Sequence[str]) -> None:
    for name in taken:
        if taken.count(name) > 1:
            raise DeclarationError(
                view.file, "inputs", f"{name!r} is there twice", "Remove or rename one."
            )


def _check_type(
    view: Declared[OnDemandView], where: str, field: Field, known: Iterable[DType]
) -> None:
    if field.dtype not in known:
        raise DeclarationError(
            view.file,
            where,
            f"{field.name!r} is {field.dtype}",
            f"It can be {', '.join(known)} here.",
        )


def _check_imports(view: Declared[OnDemandView]) -> None:
    """The file runs in the service, where there is only NumPy, and no neighbouring file."""
    for node in ast.walk(ast.parse(view.file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if name != "mlplat_assets.spec" and name.split(".")[0] not in _IMPORTABLE:
                raise DeclarationError(
                    view.file,
                    f"line {node.lineno}",
                    f"imports {name}, which the service does not have",
                    "Import NumPy, the standard library and mlplat_assets.spec only.",
                )
