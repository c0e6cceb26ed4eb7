"""The asset `searches/<team>/<model>`: the best hyperparameters found on the newest rows."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.handoff import latest
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from mlplat_assets.models.lineage.accounts import accounted
from mlplat_assets.models.search.driver import Plan, exclusively, search
from mlplat_assets.models.search.result import found_by
from mlplat_assets.models.search.study import Study, study_name
from mlplat_assets.models.search.tracking import track_trial
from mlplat_assets.models.search.trial import Outcome
from mlplat_assets.models.search.workers import local_workers
from mlplat_assets.models.splits import Split
from mlplat_assets.models.tracking.runs import Subject, tracked
from mlplat_assets.models.tracking.tracked_run import TrackedRun
from mlplat_assets.models.tracking.training_run import (
    dagster_link,
    fit_arguments,
    marks,
    training_data,
)
from mlplat_assets.models.training import read_manifest, read_split
from resources.artifacts import ArtifactStore
from resources.settings import Settings

if TYPE_CHECKING:
    import optuna


class SearchRequest(dg.Config):
    """How one search is run."""

    trials: int | None = None
    """How many trials; None is the declared number."""
    jobs: int = 1
    """How many at once. One repeats exactly; more depend on which ends first."""
    ray: str | None = None
    """Address of a Ray cluster, or `local` for one of this machine; None uses processes."""


def search_of(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What is asked for by a person; a retraining uses the newest result and never searches."""
    inputs = model_inputs(model, catalogue)
    upstream = key("training_sets", model.team, model.name)

    @dg.asset(
        key=key("searches", model.team, model.name),
        description="The best hyperparameters, by trials judged on the validation rows.",
        deps=[upstream],
        group_name=group("searches", model.team),
        owners=[catalogue.owner(model)],
        kinds={"optuna"},
    )
    @accounted(model, "searches")
    def searched(
        context: dg.AssetExecutionContext,
        config: SearchRequest,
        artifacts: dg.ResourceParam[ArtifactStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        manifest = read_manifest(artifacts, latest(context.instance, upstream))
        parts = read_split(model, manifest, artifacts)

        def told(trial: "optuna.trial.FrozenTrial", outcome: Outcome) -> None:
            context.log.info(f"trial {trial.number} {outcome.state}: {trial.value} {trial.params}")

        found, run, trials = run_search(
            model, inputs, parts, manifest, settings, config, context.run.run_id, told
        )
        return dg.MaterializeResult(
            metadata={
                "search": dg.MetadataValue.json(found),
                "study": found["study"],
                "best": dg.MetadataValue.json(found["best_parameters"]),
                found["metric"]: found["best_value"],
                "trials": dg.MetadataValue.md(trials),
                "mlflow_run_id": run.run_id,
                "mlflow_run": dg.MetadataValue.url(run.link(settings.tracking_ui)),
            }
        )

    return searched


def run_search(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    parts: Split,
    manifest: Mapping[str, Any],
    settings: Settings,
    request: SearchRequest,
    run_id: str,
    told: "Callable[[optuna.trial.FrozenTrial, Outcome], None]",
) -> tuple[dict[str, Any], TrackedRun, str]:
    """Search, or go on with a search of the same space and rows.

    Returns:
        What was found, its run in MLflow, and its trials as a Markdown table.

    Raises:
        ValueError: Another process searches the same, or no trial had a value.
    """
    from mlplat_assets.models.search.ray_workers import ray_workers

    spec, rows = model.spec, manifest["training_set_digest"]
    name = study_name(model, rows)
    assert spec.search is not None  # by study_name
    plan = Plan(
        url=settings.search_url,
        spec=spec,
        recipe=fit_arguments(spec, inputs),
        trials=request.trials or spec.search.trials,
        jobs=request.jobs,
    )
    subject = Subject(
        experiment=model.full_name,
        name=f"search {name.rpartition('-')[2]}",
        key=name,
        tags={**marks(model, manifest), **dagster_link(settings, run_id)},
    )
    frames = parts.train, parts.validation
    pool = ray_workers(request.ray, *frames) if request.ray else local_workers(plan.jobs, *frames)
    with exclusively(settings, name), tracked(settings.tracking_url, subject) as run, pool as ready:
        run.learns_from(training_data(manifest, parts.train))
        study = Study(plan.url, name, spec)

        def note(trial: "optuna.trial.FrozenTrial", outcome: Outcome) -> None:
            track_trial(settings.tracking_url, subject, run, trial, outcome)
            told(trial, outcome)

        search(plan, study, ready, note)
        found = found_by(study, spec, rows)
        run.parameters(found["best_parameters"])
        run.metrics({found["metric"]: found["best_value"]}, step=found["best_trial"])
        run.document("search", found)
    return found, run, table(study)


def table(study: Study) -> str:
    """The trials in Markdown, in the order of asking."""
    names = sorted({name for trial in study.trials() for name in trial.params})
    lines = [f"| trial | {' | '.join(names)} | value | state |", "|---" * (len(names) + 3) + "|"]
    for trial in study.trials():
        values = [trial.params.get(name, "") for name in names]
        cells = [f"{v:.5g}" if isinstance(v, float) else str(v) for v in values]
        # Of a trial that was given up, Optuna has what it reported last.
        value = f"{trial.value:.5f}" if trial.state.name == "COMPLETE" else ""
        row = [str(trial.number), *cells, value, trial.state.name.lower()]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
