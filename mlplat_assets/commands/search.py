"""`mlplat models search`: better hyperparameters, as a run of Dagster."""

import dagster as dg
from rich.console import Console
from rich.markdown import Markdown

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.registered import unknown_model
from mlplat_assets.definitions import defs
from mlplat_assets.keys import key
from mlplat_assets.models.handoff import latest
from mlplat_assets.models.search.asset import SearchRequest


def search_model(console: Console, name: str, request: SearchRequest) -> None:
    """Search on the newest training set, and show the trials and the best.

    Raises:
        LookupError: The model is not declared, or has no training set yet.
        ValueError: It declares no search, or no trial had a value.
    """
    declared = catalogue()
    if name not in declared.models:
        raise unknown_model(name, declared.models)
    model = declared.models[name]
    if model.spec.search is None:
        raise ValueError(f"{name} declares no search; add search=Search(space={{...}}) to its file")
    asset = key("searches", model.team, model.name)
    with dg.DagsterInstance.get() as instance:
        rows = key("training_sets", model.team, model.name)
        if instance.get_latest_materialization_event(rows) is None:
            raise LookupError(f"{rows.to_user_string()} was never materialised; materialise it")
        job = defs().resolve_implicit_global_asset_job_def()
        # Without the materialisation the error is raised as it was.
        job.execute_in_process(
            instance=instance,
            asset_selection=[asset],
            run_config={"ops": {asset.to_python_identifier(): {"config": request.model_dump()}}},
            tags={"mlplat/launched_by": "mlplat models search"},
        )
        made = latest(instance, asset)
    console.print(Markdown(made["trials"]))
    found = made["search"]
    best = ", ".join(f"{name} {value!r}" for name, value in found["best_parameters"].items())
    console.print(
        f"\nBest: trial {found['best_trial']}, {found['metric']} {found['best_value']:.5f}"
    )
    console.print(f"{best}\nThe next candidate is trained with it. {made['mlflow_run']}")
