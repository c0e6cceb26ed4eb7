"""How one asset finds what the one before it made: the metadata of its latest materialisation."""

from collections.abc import Mapping
from typing import Any

import dagster as dg


def latest(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, Any]:
    """The metadata values of the newest materialisation of an asset.

    Raises:
        dg.Failure: The asset was never materialised.
    """
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        name = key.to_user_string()
        raise dg.Failure(f"{name} was never materialised; materialise it first")
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def run_of(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The run of the newest materialisation of an asset; None before the first."""
    event = instance.get_latest_materialization_event(key)
    return event.run_id if event else None


# Of a run that nobody started: by an automation condition, or by the retraining governor.
_AUTOMATIC = ("dagster/from_automation_condition", "mlplat/retraining")


def author(context: dg.AssetExecutionContext, actor: str) -> str:
    """Who made what this run makes: the automation that launched it, else the person."""
    return "automation" if any(tag in context.run.tags for tag in _AUTOMATIC) else actor
