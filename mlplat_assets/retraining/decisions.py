"""The governor at work on one model: what asks, what stands by, what is put on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import dagster as dg

from mlplat_assets.discovery import Declared, Team
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.retraining.benefit_verdict import Benefit
from mlplat_assets.retraining.governor import (
    DOUBTED,
    Circumstances,
    Terms,
    answer_of,
    held_back,
    is_asked_again,
    judge,
)
from mlplat_assets.retraining.signals import (
    Evaluations,
    asking_checks,
    broken,
    cron_tick,
    evaluations,
    failing,
    serving,
    training_run,
)
from mlplat_assets.retraining.triggers import Serving, triggers
from resources.registry.registry import Registry
from resources.registry.retraining_records import Asked, Judgement, Retraining, RetrainingState


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A model as the governor sees it: its calendar, and the checks of its data."""

    model: Declared[ModelSpec]
    team: Team
    guards: tuple[dg.AssetCheckKey, ...]

    @property
    def terms(self) -> Terms:
        """What it declares."""
        spec = self.model.spec
        return Terms(retrain=spec.retrain, approvers=spec.approvers, waits_for=spec.approval.valid)


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What asked, and what was said; `record` is None for a duplicate."""

    asked: Asked
    judgement: Judgement
    record: Retraining | None


def asking(
    watched: Watched,
    found: Evaluations,
    instance: dg.DagsterInstance,
    registry: Registry,
    now: datetime,
) -> tuple[Serving | None, list[Asked]]:
    """The version in production, and what asks for a retraining now, people apart."""
    retrain = watched.model.spec.retrain
    checks = failing(instance, watched.model, found) if retrain.on_drift else {}
    tick = cron_tick(watched.model, watched.team, now)
    if not checks and tick is None and retrain.max_age is None:
        return None, []
    # A version that was trained on days gone by is as old as its calendar says, not the clock.
    timeless = replace(retrain, max_age=None) if watched.team.end_day else retrain
    name = watched.model.full_name
    champion = serving(registry, name)
    return champion, triggers(name, timeless, champion, checks, tick, now)


def unanswered(
    watched: Watched,
    asked: Sequence[Asked],
    history: Sequence[Retraining],
    instance: dg.DagsterInstance,
    now: datetime,
) -> list[Asked]:
    """The triggers that are not judged yet, or whose reason to be skipped is over."""
    waiting = []
    for each in asked:
        covering = answer_of(each, history)
        if covering is None:
            waiting.append(each)
            continue
        looks = covering.outcome == "data_quality"
        found = broken(evaluations(instance, watched.guards)) if looks else ()
        if is_asked_again(covering, Circumstances(broken=found), watched.terms, now):
            waiting.append(each)
    return waiting


def decide(
    watched: Watched,
    registry: Registry,
    instance: dg.DagsterInstance,
    benefit: Callable[[int], Benefit],
    *,
    actor: str,
    run_id: str,
    now: datetime,
) -> list[Decided]:
    """Judge everything that asks for a retraining of the model, people's requests first.

    Args:
        watched: The model.
        registry: Where requests are kept.
        instance: Where checks and runs are.
        benefit: Whether retraining would help the version in production; it takes seconds, so it
            is asked only where nothing else holds a retraining back.
        actor: Who acts, while the registry has no tokens.
        run_id: The run that judges.
        now: UTC.
    """
    model = watched.model
    found = evaluations(instance, [*asking_checks(model).values(), *watched.guards])
    _, asked = asking(watched, found, instance, registry, now)
    guarded = {check: found[check] for check in watched.guards if check in found}
    seen = Circumstances(broken=broken(guarded), running=training_run(instance, model, but=run_id))
    by_hand = [
        each
        for each in registry.retrainings.all(model.full_name)
        if each.state is RetrainingState.REQUESTED
    ]
    todo = [(each.asked, each.request) for each in by_hand] + [(each, None) for each in asked]
    decided = []
    for each, request in todo:
        looked = _looked(each, watched, registry, seen, benefit, now)

        def judged(
            held: Sequence[Retraining],
            at: datetime,
            each: Asked = each,
            looked: Circumstances = looked,
        ) -> Judgement:
            return judge(each, watched.terms, held, looked, at)

        said, record = registry.retrainings.decide(each, judged, actor=actor, request=request)
        decided.append(Decided(asked=each, judgement=said, record=record))
    return decided


def _looked(
    asked: Asked,
    watched: Watched,
    registry: Registry,
    seen: Circumstances,
    benefit: Callable[[int], Benefit],
    now: datetime,
) -> Circumstances:
    """With the benefit, where the judgement depends on it."""
    if asked.trigger not in DOUBTED or asked.reference is None:
        return seen
    history = registry.retrainings.all(watched.model.full_name)
    if held_back(asked, watched.terms, history, seen, now) is not None:
        return seen
    return replace(seen, benefit=benefit(asked.reference))
