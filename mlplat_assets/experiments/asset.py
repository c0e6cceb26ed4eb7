"""The asset `experiments/<team>/<name>`: what an experiment says so far."""

from datetime import UTC, date, datetime

import dagster as dg

from mlplat_assets.automation import follow
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.analysis import Analysis, analysed
from mlplat_assets.experiments.journal_rows import JournalRows
from mlplat_assets.experiments.judgement import faults_of
from mlplat_assets.experiments.report import metadata_of
from mlplat_assets.experiments.results import results
from mlplat_assets.experiments.unit_query import Tables, UnitQuery
from mlplat_assets.keys import group, key, table
from mlplat_assets.references import resolve_label
from resources.lake import Lake
from resources.registry.registry import Registry


def experiment(declared: Declared[Experiment], catalogue: Catalogue) -> dg.AssetsDefinition:
    """Effects, guardrails and verdict of one experiment, from the journal and the labels."""
    model = catalogue.models[declared.spec.model]
    label = resolve_label(model, catalogue)
    asset_key = key("experiments", declared.team, declared.name)

    @dg.asset(
        key=asset_key,
        description=f"{declared.spec.hypothesis} {_days(declared.spec)}",
        deps=[
            key("predictions", model.team, model.name),
            key("labels", label.table.team, label.table.name),
        ],
        group_name=group("experiments", declared.team),
        owners=[catalogue.owner(declared)],
        kinds={"ducklake"},
        automation_condition=follow(),
        check_specs=[
            dg.AssetCheckSpec(
                "ratio_is_as_declared",
                asset=asset_key,
                description="Units arrive in the ratio of the buckets, each routed by its table.",
            )
        ],
    )
    def verdict(
        lake: dg.ResourceParam[Lake], registry: dg.ResourceParam[Registry]
    ) -> dg.MaterializeResult:
        clock = datetime.now(UTC).date() if catalogue.teams[model.team].end_day is None else None
        found = analysis_of(declared, catalogue, lake, registry, clock)
        lake.replace_all(table("experiments", declared.team, declared.name), results(found))
        told = "; ".join(faults_of(found.ratios, found.shares)) or "units are as declared"
        return dg.MaterializeResult(
            metadata=metadata_of(declared.spec, found, declared.full_name),
            check_results=[
                dg.AssetCheckResult(
                    check_name="ratio_is_as_declared",
                    passed=found.ratio_holds,
                    description=told if found.ratio_holds else _refused(found, told),
                )
            ],
        )

    return verdict


def analysis_of(
    declared: Declared[Experiment],
    catalogue: Catalogue,
    lake: Lake,
    registry: Registry,
    today: date | None,
) -> Analysis:
    """An experiment as the lake and the registry have it now.

    Args:
        declared: The experiment.
        catalogue: That declares its model.
        lake: With the model's predictions.
        registry: With its traffic tables.
        today: The present UTC day; None takes that of the newest prediction, for a past that is
            replayed.

    Raises:
        LookupError: The lake has no predictions of the model, or a revision is not in the registry.
    """
    journal = journal_of(declared, catalogue, lake)
    delay = catalogue.models[declared.spec.model].spec.monitoring.label_delay
    present = today or journal.newest_day() or declared.spec.first_day
    name = declared.spec.model
    return analysed(
        journal,
        lambda revision: registry.traffic_at(name, revision),
        today=present,
        delay=delay,
    )


def journal_of(declared: Declared[Experiment], catalogue: Catalogue, lake: Lake) -> JournalRows:
    """The rows of an experiment as of the lake's newest snapshot.

    Raises:
        LookupError: The lake has no predictions of the model, or no labels.
    """
    model = catalogue.models[declared.spec.model]
    label = resolve_label(model, catalogue)
    tables = Tables(
        predictions=table("predictions", model.team, model.name),
        labels=table("labels", label.table.team, label.table.name),
        unit=label.table.spec.unit,
        label=label.column,
        task=model.spec.task,
    )
    for name in (tables.predictions, tables.labels):
        if not lake.has(name):
            raise LookupError(
                f"the lake has no {name} for experiment {declared.full_name}; materialise it first"
            )
    query = UnitQuery(tables=tables, spec=declared.spec, snapshot=lake.snapshot())
    return JournalRows(lake=lake, query=query)


def _refused(found: Analysis, told: str) -> str:
    misrouted = ", ".join(f"{what} {n:,}" for what, n in found.misrouted.items())
    return f"{told}; misrouted: {misrouted}" if misrouted else told


def _days(spec: Experiment) -> str:
    return f"{', '.join(spec.arms)} against {spec.control}, {spec.first_day} to {spec.last_day}."
