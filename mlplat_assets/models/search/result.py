"""What a search found, as its asset hands it to the candidate."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg

from mlplat_assets.discovery import Declared
from mlplat_assets.keys import key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.search.study import Study, metric_of, space_digest

SPACE = "space_digest"


def found_by(study: Study, spec: ModelSpec, training_set_digest: str) -> dict[str, Any]:
    """The result of a search, for the lineage of what is trained with it.

    Raises:
        ValueError: No trial has a value.
    """
    best = study.best()
    states = [trial.state.name for trial in study.trials()]
    return {
        "study": study.name,
        SPACE: space_digest(spec),
        "training_set_digest": training_set_digest,
        "metric": f"validation_{metric_of(spec)}",
        "best_value": best.value,
        "best_parameters": dict(best.params),
        "best_trial": best.number,
        "trials": {state.lower(): states.count(state) for state in sorted(set(states))},
        "sampler": "optuna.TPESampler",
        "sampler_seed": spec.seed,
    }


def newest_search(
    instance: dg.DagsterInstance, model: Declared[ModelSpec]
) -> Mapping[str, Any] | None:
    """What the newest search of the model found, if it searched the space that is declared now."""
    if model.spec.search is None:
        return None
    event = instance.get_latest_materialization_event(key("searches", model.team, model.name))
    if event is None or event.asset_materialization is None:
        return None
    found: Any = event.asset_materialization.metadata["search"].value
    return found if found[SPACE] == space_digest(model.spec) else None


def with_best(model: Declared[ModelSpec], found: Mapping[str, Any] | None) -> Declared[ModelSpec]:
    """The model with what the search found over its declared hyperparameters."""
    if found is None:
        return model
    overlaid = {**model.spec.hyperparameters, **found["best_parameters"]}
    return replace(model, spec=replace(model.spec, hyperparameters=overlaid))
