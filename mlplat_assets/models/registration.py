"""The asset `versions/<team>/<model>`: an evaluated candidate, numbered and staged."""

import json

import dagster as dg

from mlplat_assets.automation import gated
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.handoff import latest, run_of
from mlplat_assets.models.lineage.accounts import spent_in
from mlplat_assets.models.lineage.record import version_lineage
from resources.artifacts import ArtifactStore
from resources.lake import Lake
from resources.registry.records import ApprovalTerms
from resources.registry.registry import Registry


def version(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The newest candidate that passed its gates, as a registered version in staging."""
    upstream = key("evaluations", model.team, model.name)

    @dg.asset(
        key=key("versions", model.team, model.name),
        description="A registered version: artefact, evidence and lineage under one number.",
        deps=[upstream],
        group_name=group("versions", model.team),
        owners=[catalogue.owner(model)],
        kinds={"sqlalchemy"},
        automation_condition=gated(),
    )
    def registered(
        context: dg.AssetExecutionContext,
        artifacts: dg.ResourceParam[ArtifactStore],
        registry: dg.ResourceParam[Registry],
        lake: dg.ResourceParam[Lake],
    ) -> dg.MaterializeResult:
        handed = latest(context.instance, upstream)
        artefact = artifacts.get_folder(handed["artifact_digest"])
        lineage = version_lineage(
            json.loads((artefact / "card.json").read_text())["lineage"],
            artefact,
            {"evaluation": run_of(context.instance, upstream), "version": context.run.run_id},
        )
        runs = lineage["run_ids"]
        lineage["cost"] = spent_in(
            lake,
            model.full_name,
            {
                "training_sets": runs["training_set"],
                "candidates": runs["candidate"],
                "evaluations": runs["evaluation"],
            },
        )
        made = registry.register(
            model.full_name,
            artifact_digest=handed["artifact_digest"],
            evidence=json.loads(artifacts.get_bytes(handed["evidence_digest"])),
            evidence_digest=handed["evidence_digest"],
            lineage=lineage,
            approvers=model.spec.approvers,
            approval=ApprovalTerms(
                required=model.spec.approval.required, valid=model.spec.approval.valid
            ),
            author=handed["author"],
            run_id=context.run.run_id,
            tags={"team": model.team},
        )
        version = f"{model.full_name} {made.number}"
        return dg.MaterializeResult(
            metadata={
                "version": made.number,
                "stage": made.stage.value,
                "artifact_digest": made.artifact_digest,
                "evidence_digest": made.evidence_digest,
                "to_approve": f"mlplat models approve {version} --reason WHY",
                "to_promote": f"mlplat models promote {version} --reason WHY",
                "lineage": dg.MetadataValue.json(made.lineage),
            }
        )

    return registered
