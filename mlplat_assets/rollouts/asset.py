"""The asset `rollouts/<team>/<model>`: a version on its way to all the units, look by look."""

from typing import Any

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.pictures import picture
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.controller import Controller, Look
from mlplat_assets.rollouts.evidence import Evidence
from mlplat_assets.rollouts.plots import split_plot
from resources.lake import Lake
from resources.registry.registry import Registry, utc_now
from resources.registry.rollout_record import RolloutRecord
from resources.settings import Settings

CHECK = "is_within_guardrails"
RATIO = "units_arrive_as_declared"


def rollout(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The rollout of a model that declares one."""
    asset_key = key("rollouts", model.team, model.name)
    plan = model.spec.rollout or Rollout()

    @dg.asset(
        key=asset_key,
        description="Shadow, canary by steps, all units, or back: each look with its evidence.",
        deps=[
            key("versions", model.team, model.name),
            key("predictions", model.team, model.name),
            key("shadow_predictions", model.team, model.name),
        ],
        group_name=group("rollouts", model.team),
        owners=[catalogue.owner(model)],
        kinds={"sqlalchemy"},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=asset_key,
                description="The version is not surely worse than the champion in anything.",
            ),
            dg.AssetCheckSpec(
                RATIO,
                asset=asset_key,
                description="Units come to the version and to the champion in their shares.",
            ),
        ],
    )
    def looked_at(
        lake: dg.ResourceParam[Lake],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        controller = Controller(
            model=model,
            catalogue=catalogue,
            plan=plan,
            registry=registry,
            lake=lake,
            settings=settings,
            clock=utc_now,
        )
        look = controller.look()
        return dg.MaterializeResult(
            metadata={"reason": look.reason, **_metadata(look)},
            check_results=[_check(look), _ratio(look)],
        )

    return looked_at


def _check(look: Look) -> dg.AssetCheckResult:
    violated = look.evidence.violated if look.evidence else []
    told = "; ".join(each.told for each in violated) or look.reason
    return dg.AssetCheckResult(check_name=CHECK, passed=not violated, description=told)


def _ratio(look: Look) -> dg.AssetCheckResult:
    arrivals = look.evidence.arrivals if look.evidence else None
    return dg.AssetCheckResult(
        check_name=RATIO,
        passed=arrivals is None or not arrivals.is_broken,
        description=arrivals.told if arrivals else "no canary has units",
    )


def _metadata(look: Look) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if look.record is not None:
        found |= _standing(look.record)
        title = f"{look.record.model} version {look.record.version}: {look.record.state}"
        found["split"] = picture(split_plot(look.record, utc_now(), title))
    if look.evidence is not None:
        found["units"] = look.evidence.units
        found["guardrails"] = dg.MetadataValue.md(_table(look.evidence))
        found["evidence"] = dg.MetadataValue.json(look.evidence.document())
    return found | {"moved": look.moved}


def _standing(record: RolloutRecord) -> dict[str, Any]:
    return {
        "rollout": record.number,
        "version": record.version,
        "champion": record.champion,
        "state": record.state.value,
        "share": record.leg.share,
        "frozen": record.frozen,
        "audit_entry": record.id,
    }


def _table(evidence: Evidence) -> str:
    columns = ("guardrail", "verdict", "measured", "low", "high", "expected", "bound", "units")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for each in evidence.findings:
        expected = each.expected and each.expected.estimate
        numbers = (each.estimate, each.low, each.high, expected, each.bound)
        cells = ["" if number is None else f"{number:.4g}" for number in numbers]
        lines.append(f"| {each.name} | {each.verdict} | {' | '.join(cells)} | {each.units:,} |")
    return "\n".join(lines)
