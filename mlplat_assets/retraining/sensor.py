"""The sensor that carries triggers to the governor, and what it let through into runs."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import RunsFilter

from mlplat_assets.keys import Stage, key
from mlplat_assets.retraining.asset import utc_now
from mlplat_assets.retraining.decisions import Watched, asking, unanswered
from mlplat_assets.retraining.signals import RETRAINING_TAG, asking_checks, evaluations
from resources.registry.records import Action, AuditEntry
from resources.registry.registry import Registry
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.settings import Settings

# What a retraining rebuilds, in one run with its blocking checks.
CHAIN: tuple[Stage, ...] = ("training_sets", "candidates", "evaluations", "versions")


def retraining_due(
    models: Sequence[Watched], clock: Callable[[], datetime] = utc_now
) -> dg.SensorDefinition:
    """One sensor for all models: 100 of them take half a second a tick, a sensor each would not.

    It decides nothing: a trigger that was not judged yet gets a run of `retrainings`, and a
    request that was let through gets its run of the chain, both once by their run keys.
    """

    @dg.sensor(
        name="retraining_due",
        asset_selection=dg.AssetSelection.key_prefixes(
            ["retrainings"], *([stage] for stage in CHAIN)
        ),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=5,
        description="Something asks for a retraining, or one was let through.",
    )
    def due(
        context: dg.SensorEvaluationContext,
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        requested = [
            *launches(registry, context.instance, settings.actor),
            *judgements(models, registry, context.instance, clock()),
        ]
        yield from requested
        if not requested:
            yield dg.SkipReason("nothing asks for a retraining that is not answered")

    return due


def judgements(
    models: Sequence[Watched], registry: Registry, instance: dg.DagsterInstance, now: datetime
) -> Iterator[dg.RunRequest]:
    """A run of `retrainings` for each model that something asks to retrain and nobody judged.

    One that broke is tried again each hour.
    """
    checks = [check for each in models for check in asking_checks(each.model).values()]
    found = evaluations(instance, checks)
    history: dict[str, list[Retraining]] = defaultdict(list)
    for request in registry.retrainings.all():
        history[request.model].append(request)
    for each in models:
        name = each.model.full_name
        held = history[name]
        by_hand = [one for one in held if one.state is RetrainingState.REQUESTED]
        asked = asking(each, found, instance, registry, now)
        open_ones = unanswered(each, asked, held, instance, now)
        if not by_hand and not open_ones:
            continue
        named = [*(one.asked.fingerprint for one in by_hand), *(a.fingerprint for a in open_ones)]
        newest = max((one.id for one in held), default=0)
        yield dg.RunRequest(
            run_key=f"judge-{name}-{newest}-{'-'.join(named)}-{now:%Y%m%d%H}",
            asset_selection=[key("retrainings", each.model.team, each.model.name)],
            tags={"mlplat/model": name},
        )


def launches(
    registry: Registry, instance: dg.DagsterInstance, actor: str
) -> Iterator[dg.RunRequest]:
    """Follow open requests: expire, launch, and put on record how their runs fare."""
    registry.retrainings.expire(actor=actor)
    for request in registry.retrainings.open():
        if request.state is RetrainingState.APPROVED:
            tag = {RETRAINING_TAG: str(request.request)}
            runs = instance.get_runs(RunsFilter(tags=tag), limit=1)
            if not runs:
                yield _launch(request)
                continue
            registry.retrainings.launched(request.request, runs[0].run_id, actor=actor)
        elif request.state is RetrainingState.LAUNCHED:
            _follow(request, registry, instance, actor)


def _launch(request: Retraining) -> dg.RunRequest:
    team, name = request.model.split(".")
    return dg.RunRequest(
        run_key=f"retraining-{request.request}",
        asset_selection=[key(stage, team, name) for stage in CHAIN],
        tags={
            RETRAINING_TAG: str(request.request),
            "mlplat/trigger": request.asked.trigger,
            "mlplat/model": request.model,
        },
    )


def _follow(
    request: Retraining, registry: Registry, instance: dg.DagsterInstance, actor: str
) -> None:
    run = instance.get_run_by_id(request.run_id)
    if run is None:
        told = f"run {request.run_id} was deleted before it ended"
        registry.retrainings.ended(request.request, False, told, actor=actor)
    elif run.is_finished:
        told = f"run {run.run_id} ended in {run.status.value}"
        refusal = None if run.is_success else _refusal(request, registry)
        if refusal is not None:
            told = f"{told}: its candidate was refused: {refusal.reason}"
        # A gate that refuses fails its run, and answers the request all the same.
        answered = run.is_success or refusal is not None
        registry.retrainings.ended(request.request, answered, told, actor=actor)


def _refusal(request: Retraining, registry: Registry) -> AuditEntry | None:
    """The entry that the candidate of a request's run was refused by; None where none was."""
    about = (request.model, Action.REFUSED, request.run_id)
    later = registry.audit_since(request.request)
    return next((e for e in later if (e.model, e.action, e.run_id) == about), None)
