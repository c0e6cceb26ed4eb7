"""The one catalogue: every declaration, read and checked against the others."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mlplat_assets.aggregate_declarations import check_against_source
from mlplat_assets.dbt_declarations import dbt_labels, dbt_views
from mlplat_assets.discovery import (
    PACKAGE,
    Catalogue,
    DeclarationError,
    Declared,
    python_declarations,
    read_teams,
)
from mlplat_assets.evaluation_checks import check_evaluation
from mlplat_assets.experiment_checks import check_experiment
from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.field_checks import check_approval, check_fields_of_all
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.on_demand_checks import check_on_demand, check_on_demand_of
from mlplat_assets.references import resolve_features, resolve_label, resolve_service
from mlplat_assets.retrain_checks import check_retrain
from mlplat_assets.search_checks import check_search
from mlplat_assets.serving_checks import check_serving
from mlplat_assets.spec import FeatureService, FeatureView, OnDemandView, Source
from mlplat_assets.trainer_checks import check_trainer


@cache
def catalogue() -> Catalogue:
    """The declarations of this repository, read once a process."""
    return read_catalogue(PACKAGE, PACKAGE.parent / "dbt_project")


def read_catalogue(package: Path, dbt_project: Path) -> Catalogue:
    """Read and check every declaration below a package folder and a dbt project.

    Raises:
        DeclarationError: Any declaration is wrong; the first one found, by path.
    """
    teams = read_teams(package / "teams.toml")
    models_folder = dbt_project / "models"
    in_python = [
        *python_declarations(package / "features" / "catalog", teams),
        *python_declarations(package / "models" / "catalog", teams),
        *python_declarations(package / "experiments" / "catalog", teams),
    ]
    declared = Catalogue(
        teams=teams,
        sources=_by_name(d for d in in_python if isinstance(d.spec, Source)),
        views=_by_name(
            [
                *dbt_views(models_folder, teams),
                *(d for d in in_python if isinstance(d.spec, FeatureView)),
            ]
        ),
        on_demand=_by_name(d for d in in_python if isinstance(d.spec, OnDemandView)),
        services=_by_name(d for d in in_python if isinstance(d.spec, FeatureService)),
        labels=_by_name(dbt_labels(models_folder, teams)),
        models=_by_name(d for d in in_python if isinstance(d.spec, ModelSpec)),
        experiments=_by_name(d for d in in_python if isinstance(d.spec, Experiment)),
    )
    _by_name([*declared.views.values(), *declared.on_demand.values(), *declared.services.values()])
    check_fields_of_all(declared)
    for view in declared.views.values():
        _check_view(view, declared)
    for made in declared.on_demand.values():
        check_on_demand(made, declared)
    for service in declared.services.values():
        resolve_service(service, declared)
    for model in declared.models.values():
        _check_model(model, declared)
    for experiment in declared.experiments.values():
        check_experiment(experiment, declared)
    return declared


def _by_name(found: Iterable[Declared]) -> dict[str, Declared]:
    named: dict[str, Declared] = {}
    for declared in found:
        if declared.full_name in named:
            raise DeclarationError(
                declared.file,
                "name",
                f"{declared.full_name!r} is declared by {named[declared.full_name].file} as well",
                "Rename one of the files.",
            )
        named[declared.full_name] = declared
    return named


def _check_view(view: Declared[FeatureView], declared: Catalogue) -> None:
    if view.spec.aggregates is not None:
        check_against_source(view, declared.sources)
    if view.dbt_model is not None:
        return
    if view.spec.compute is None:
        raise DeclarationError(view.file, "compute", "is missing", "Give the view a function.")
    for reference in view.spec.inputs:
        stage, _, name = reference.partition(".")
        known = {"raw": declared.sources, "features": declared.views, "labels": declared.labels}
        if name not in known.get(stage, {}):
            raise DeclarationError(
                view.file,
                "inputs",
                f"{reference!r} is not declared",
                "Write raw.team.name or features.team.name of a declared table.",
            )


def _check_model(model: Declared[ModelSpec], declared: Catalogue) -> None:
    spec = model.spec
    label = resolve_label(model, declared)
    features = resolve_features(model, declared)
    check_on_demand_of(model, features, label)
    check_evaluation(model, features, label)
    for context in spec.context:
        if context.name not in {column.name for column in label.table.spec.columns}:
            raise DeclarationError(
                model.file,
                "context",
                f"{context.name!r} is no column of label {label.table.full_name}",
                "Add it to the label table, so that training sees what a caller will send.",
            )
    _check_gates(model)
    check_approval(model)
    check_retrain(model)
    check_trainer(model, label)
    check_search(model)
    check_serving(model, features, label)


def _check_gates(model: Declared[ModelSpec]) -> None:
    metrics = METRICS.get(model.spec.task)
    if metrics is None:
        raise DeclarationError(
            model.file,
            "task",
            f"{model.spec.task!r} is unknown",
            f"Use one of {', '.join(METRICS)}.",
        )
    if not model.spec.gates:
        raise DeclarationError(
            model.file, "gates", "is empty", "A model must have something to prove."
        )
    for gate in model.spec.gates:
        if gate.metric not in metrics:
            raise DeclarationError(
                model.file,
                "gates",
                f"metric {gate.metric!r} does not exist for a {model.spec.task} model",
                f"Use one of {', '.join(metrics)}.",
            )
