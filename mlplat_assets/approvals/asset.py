"""The asset `approvals/<team>/<model>`: what waits for people, and their verdict as a run."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

from mlplat_assets.approvals.page import retrainings_table, versions_table
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from resources.registry.records import Version
from resources.registry.registry import Registry
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.registry.waiting import Waiting
from resources.settings import Settings

NOTHING_WAITS = "nothing_waits"


class Verdict(dg.Config):
    """A person's verdict from the launchpad; without a version the asset only shows what waits.

    Attributes:
        version: Of the model.
        verdict: What is said of it.
        reason: Why, for the audit log.
        approver: Who says so, while the registry has no tokens. Once it has, that is the holder
            of the run's own token.
    """

    version: int = 0
    verdict: Literal["approve", "reject"] = "approve"
    reason: str = ""
    approver: str = ""


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def approvals(
    model: Declared[ModelSpec], catalogue: Catalogue, clock: Callable[[], datetime] = utc_now
) -> dg.AssetsDefinition:
    """What waits for an approval; a version whose approvals stand goes on from here."""
    asset_key, name = key("approvals", model.team, model.name), model.full_name

    @dg.asset(
        key=asset_key,
        description="What waits for whom, since when, until when. Approve with `mlplat models "
        "approve`, or materialise it with a version, a verdict and a reason.",
        deps=[key("versions", model.team, model.name)],
        group_name=group("approvals", model.team),
        owners=[catalogue.owner(model)],
        kinds={"sqlalchemy"},
        check_specs=[
            dg.AssetCheckSpec(
                NOTHING_WAITS, asset=asset_key, description="No decision waits for a person."
            )
        ],
    )
    def awaited(
        context: dg.AssetExecutionContext,
        config: Verdict,
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        if config.version:
            give = registry.approve if config.verdict == "approve" else registry.reject
            approver = config.approver or None
            give(name, config.version, reason=config.reason, actor=settings.actor,
                 approver=approver)  # fmt: skip
        promoted = None
        # With a rollout the version goes on by its steps, which ask for the approval themselves.
        if model.spec.rollout is None:
            promoted = promote_approved(registry, name, settings.actor, clock())
        waits = registry.waiting(clock(), name)
        asked = [r for r in registry.retrainings.open() if r.model == name]
        pending = [each for each in asked if each.state is RetrainingState.PENDING]
        return _result(waits, pending, promoted)

    return awaited


def promote_approved(registry: Registry, model: str, actor: str, now: datetime) -> Version | None:
    """Promote the newest version whose approvals stand; None where there is none.

    One that was evaluated against an earlier champion, or refused by a later evaluation, waits for
    a new one instead.

    Raises:
        PromotionRefused: The registry refuses it.
        AccessRefused: The process's token does not allow a promotion.
    """
    ready = [each for each in registry.waiting(now, model) if each.state == "approved"]
    if not ready:
        return None
    reasons = "; ".join(f"{each.approver}: {each.reason}" for each in ready[-1].standing)
    return registry.promote(
        model, ready[-1].version.number, actor=actor, reason=f"approved ({reasons})"
    )


def _result(
    waits: Sequence[Waiting], pending: Sequence[Retraining], promoted: Version | None
) -> dg.MaterializeResult:
    subjects = [f"version {each.version.number}" for each in waits]
    subjects += [f"retraining {each.request}" for each in pending]
    metadata: dict[str, Any] = {
        "waits": len(subjects),
        "versions": dg.MetadataValue.md(versions_table(waits)),
        "retrainings": dg.MetadataValue.md(retrainings_table(pending)),
    }
    if promoted is not None:
        metadata["promoted"] = promoted.number
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name=NOTHING_WAITS,
                passed=not subjects,
                description=f"wait: {', '.join(subjects)}" if subjects else "nothing waits",
                severity=dg.AssetCheckSeverity.WARN,
            )
        ],
    )
