"""Where a version comes from, as its page tells it."""

from collections.abc import Mapping, Sequence

from mlplat_assets.commands.output import Cell, commit, cost_text, moment, stage_text
from resources.registry.records import PROMOTIONS, AuditEntry, Version


def origin(version: Version, entries: Sequence[AuditEntry]) -> dict[str, Cell]:
    """People, data, code, environment, runs and cost; `entries` are those of its audit log."""
    lineage = version.lineage
    approvers = [e.approver for e in entries if e.action in PROMOTIONS]
    seconds = lineage.get("duration_seconds")
    return {
        "stage": stage_text(version.stage),
        "registered": f"{moment(version.created_at)} UTC",
        "author": version.author,
        "approver": approvers[-1] if approvers else None,
        "run": version.run_id,
        "artefact": version.artifact_digest,
        "evidence": version.evidence_digest,
        "training set": lineage.get("training_set_digest"),
        "lake snapshot": lineage.get("lake_snapshot"),
        "definitions": lineage.get("definitions_digest"),
        "weights": lineage.get("files", {}).get("weights.safetensors"),
        "code commit": commit(lineage),
        "changes": lineage.get("code_changes"),
        "environment": lineage.get("environment_digest"),
        "python": lineage.get("python"),
        "image": lineage.get("image"),
        "hardware": lineage.get("hardware") and _plain(lineage["hardware"]),
        "trainer": lineage.get("trainer"),
        "settings": _plain(lineage.get("hyperparameters", {})),
        "seed": lineage.get("seed"),
        "runs": _plain({n: run for n, run in lineage.get("run_ids", {}).items() if run}),
        "trained in": seconds and f"{seconds:.0f} s",
        "cost": cost_text(lineage.get("cost")),
    }


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return str(value)
