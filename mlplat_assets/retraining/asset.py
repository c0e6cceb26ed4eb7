"""The asset `retrainings/<team>/<model>`: what asked for a retraining, and what became of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import model_inputs
from mlplat_assets.retraining.benefit import would_help
from mlplat_assets.retraining.benefit_verdict import Benefit
from mlplat_assets.retraining.decisions import Decided, Watched, decide
from mlplat_assets.retraining.triggers import asked
from mlplat_assets.retraining.upstream import Upstream
from resources.lake import Lake
from resources.registry.registry import Registry
from resources.registry.retraining_records import Retraining
from resources.settings import Settings


class ByHand(dg.Config):
    """A person's request from the launchpad; without a reason only what the graph says is judged.

    Attributes:
        reason: Why the model should be retrained.
    """

    reason: str = ""


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def watched(model: Declared[ModelSpec], declared: Catalogue, upstream: Upstream) -> Watched:
    """A model as the governor sees it."""
    return Watched(
        model=model, team=declared.teams[model.team], guards=tuple(upstream.guards(model))
    )


def retrainings(
    model: Declared[ModelSpec],
    declared: Catalogue,
    upstream: Upstream,
    clock: Callable[[], datetime] = utc_now,
) -> dg.AssetsDefinition:
    """What asked for a retraining, and whether it is launched, queued or skipped, and why."""
    stages = ("drift", "performance")
    seen = watched(model, declared, upstream)

    @dg.asset(
        key=key("retrainings", model.team, model.name),
        description="The governor's decisions, with their evidence. Materialise it with a reason "
        "to ask for a retraining.",
        deps=[key(stage, model.team, model.name) for stage in stages],
        group_name=group("retrainings", model.team),
        owners=[declared.owner(model)],
        kinds={"sqlalchemy"},
    )
    def decided(
        context: dg.AssetExecutionContext,
        config: ByHand,
        registry: dg.ResourceParam[Registry],
        lake: dg.ResourceParam[Lake],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        if config.reason.strip():
            wanted = asked(model.full_name, "by_hand", context.run.run_id, config.reason, None)
            registry.retrainings.request(wanted, actor=settings.actor)

        def benefit(version: int) -> Benefit:
            evidence = registry.version(model.full_name, version).evidence
            return would_help(lake, model, model_inputs(model, declared), version, evidence)

        made = decide(
            seen,
            registry,
            context.instance,
            benefit,
            actor=settings.actor,
            run_id=context.run.run_id,
            now=clock(),
        )
        return _result(made, registry.retrainings.all(model.full_name, newest=20))

    return decided


def _result(made: Sequence[Decided], history: Sequence[Retraining]) -> dg.MaterializeResult:
    metadata: dict[str, Any] = {
        "decided": len(made),
        "decisions": dg.MetadataValue.md(_table([_told(each) for each in made], "decision")),
        "requests": dg.MetadataValue.md(_table([_held(each) for each in history[::-1]], "request")),
        "evidence": dg.MetadataValue.json([each.judgement.evidence for each in made]),
    }
    if made:
        metadata["newest"] = made[-1].judgement.reason
    return dg.MaterializeResult(metadata=metadata)


def _told(decided: Decided) -> tuple[str, ...]:
    number = str(decided.record.request) if decided.record else ""
    said = decided.judgement
    return number, decided.asked.trigger, f"{said.state} ({said.outcome})", said.reason


def _held(held: Retraining) -> tuple[str, ...]:
    state = f"{held.state} ({held.outcome}) since {held.at:%Y-%m-%d %H:%M} UTC"
    return str(held.request), held.asked.trigger, state, held.reason


def _table(rows: Sequence[tuple[str, ...]], what: str) -> str:
    if not rows:
        return f"no {what}"
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(["| request | trigger | state | reason |", "|---" * 4 + "|", *lines])
