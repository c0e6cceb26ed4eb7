"""Asset keys and groups: the one place that names things in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import dagster as dg

Stage = Literal[
    "raw",
    "staging",
    "features",
    "labels",
    "online",
    "training_sets",
    "searches",
    "candidates",
    "evaluations",
    "versions",
    "champions",
    "bentos",
    "endpoints",
    "predictions",
    "shadow_predictions",
    "failures",
    "scores",
    "drift",
    "performance",
    "alerts",
    "retrainings",
    "rollouts",
    "experiments",
]


def key(stage: Stage, team: str, name: str) -> dg.AssetKey:
    """The asset key of one thing of one team at one stage of the flow."""
    import dagster as dg  # 0.9 s, which the command line need not pay for table names

    return dg.AssetKey([stage, team, name])


def table(stage: Stage, team: str, name: str) -> str:
    """The lake table of one thing of one team, as `schema.team__name`."""
    return f"{stage}.{team}__{name}"


def group(stage: Stage, team: str) -> str:
    """The Dagster group of a team's assets at one stage."""
    return f"{team}/{stage}"
