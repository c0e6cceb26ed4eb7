"""The only assembler: declarations in, one Dagster code location out."""

import warnings

import dagster as dg

from mlplat_assets.alerts.assets import alerts, alerts_changed
from mlplat_assets.approvals.asset import approvals
from mlplat_assets.approvals.sensor import approval_given
from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.experiments.asset import experiment
from mlplat_assets.features.ingest import raw_table
from mlplat_assets.features.online.assets import online_view
from mlplat_assets.features.python_views import python_view
from mlplat_assets.features.quality.freshness_check import freshness_checks
from mlplat_assets.features.transform import dbt_resource, dbt_team
from mlplat_assets.keys import Stage, group
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.decisions import champion_changed
from mlplat_assets.models.evaluation import evaluation
from mlplat_assets.models.promotion import bento, champion, endpoint
from mlplat_assets.models.registration import version
from mlplat_assets.models.search.asset import search_of
from mlplat_assets.models.training import candidate
from mlplat_assets.models.training_set_asset import training_set
from mlplat_assets.monitoring.age_checks import age_checks
from mlplat_assets.monitoring.drift.asset import drift
from mlplat_assets.monitoring.performance.asset import performance
from mlplat_assets.monitoring.predictions import predictions
from mlplat_assets.monitoring.shadow_predictions import shadow_predictions
from mlplat_assets.monitoring.skew_checks import skew_checks
from mlplat_assets.retraining.asset import retrainings, watched
from mlplat_assets.retraining.sensor import retraining_due
from mlplat_assets.retraining.upstream import Upstream
from mlplat_assets.rollouts.asset import rollout
from mlplat_assets.rollouts.sensor import rollouts_due
from mlplat_assets.scoring.asset import scores
from resources.dagster_bindings import RESOURCES

# In flow order: what each model is given.
CHAIN = (
    training_set,
    candidate,
    evaluation,
    version,
    approvals,
    champion,
    bento,
    endpoint,
    scores,
    predictions,
    shadow_predictions,
    drift,
    performance,
)

# The stages whose assets or checks have an automation condition.
AUTOMATED: tuple[Stage, ...] = (
    "features",
    "online",
    "candidates",
    "evaluations",
    "versions",
    "champions",
    "predictions",
    "shadow_predictions",
    "drift",
    "performance",
    "experiments",
)


@dg.definitions
def defs() -> dg.Definitions:
    """Every declared thing as assets, checks and automation."""
    # backfill_policy is marked beta and says so once for each of thousands of assets.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    return assemble(catalogue())


def assemble(declared: Catalogue) -> dg.Definitions:
    """Definitions of a catalogue; a run is one process, parallelism comes from runs.

    Loading is most of a step's cost, so a process per step would pay it per step.
    """
    tables = [
        *(raw_table(source, declared) for source in declared.sources.values()),
        *(dbt_team(team, declared) for team in declared.teams.values()),
        *(python_view(view, declared) for view in declared.views.values() if not view.dbt_model),
        *(online_view(view, declared) for view in declared.views.values() if view.spec.online),
    ]
    chains = [
        asset for model in declared.models.values() for asset in model_assets(model, declared)
    ]
    upstream = Upstream([*tables, *chains])
    models = declared.models.values()
    governed = [retrainings(model, declared, upstream) for model in models]
    told = [alerts(model, declared) for model in models]
    compared = [experiment(each, declared) for each in declared.experiments.values()]
    due = retraining_due([watched(model, declared, upstream) for model in models])
    kinds = (freshness_checks, skew_checks, age_checks)
    checks = (make(team, declared) for make in kinds for team in declared.teams.values())
    return dg.Definitions(
        assets=[*tables, *chains, *governed, *told, *compared],
        asset_checks=[check for check in checks if check],
        sensors=[
            champion_changed,
            alerts_changed(declared),
            *rollouts_due(declared),
            due,
            approval_given(declared.models),
            *(automation(team) for team in declared.teams),
        ],
        resources={**RESOURCES, "dbt": dbt_resource()},
        executor=dg.in_process_executor,
    )


def model_assets(model: Declared[ModelSpec], declared: Catalogue) -> list[dg.AssetsDefinition]:
    """The chain of one model, from its training set to its performance."""
    searched = [search_of(model, declared)] if model.spec.search else []
    rolled_out = [rollout(model, declared)] if model.spec.rollout else []
    return [*(make(model, declared) for make in CHAIN), *searched, *rolled_out]


def automation(team: str) -> dg.AutomationConditionSensorDefinition:
    """A team's automation sensor.

    One per team: a tick over a thousand models in one sensor takes 19 to 29 s, over a hundred
    1.7 s. Dagster's default status is STOPPED, the commonest way for automation never to run.
    """
    return dg.AutomationConditionSensorDefinition(
        name=f"automation_{team}",
        target=dg.AssetSelection.groups(*(group(stage, team) for stage in AUTOMATED)),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=5,
    )
