"""The asset `evaluations/<team>/<model>`: candidate, champion and baseline on the same holdout."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from bentos.model_server.card import read_card
from bentos.model_server.on_demand import load_functions
from bentos.model_server.predictor import Predictor
from mlplat_assets.automation import follow
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.on_demand import with_on_demand
from mlplat_assets.keys import group, key
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.accounts import accounted
from mlplat_assets.models.artefact import input_columns
from mlplat_assets.models.gates import judge, judge_one
from mlplat_assets.models.handoff import author, latest
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from mlplat_assets.models.splits import Split
from mlplat_assets.models.training import read_manifest, read_split
from mlplat_assets.models.training_sets import LABEL
from mlplat_assets.pictures import picture
from resources.artifacts import ArtifactStore
from resources.digests import canonical_json
from resources.registry.evidence import non_finite
from resources.registry.records import Version
from resources.registry.registry import Registry
from resources.settings import Settings


def evaluation(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What the newest candidate proved on the holdout, as evidence that the registry will check."""
    inputs = model_inputs(model, catalogue)
    asset_key = key("evaluations", model.team, model.name)
    upstream = key("candidates", model.team, model.name)
    checks = {
        "meets_floors": "Every gate's floor is met on the holdout.",
        "beats_champion": "Every gate with a margin holds against the champion on the same rows.",
    }

    @dg.asset(
        key=asset_key,
        description="Metrics on the holdout: candidate, champion, gradient-boosting baseline.",
        deps=[upstream],
        group_name=group("evaluations", model.team),
        owners=[catalogue.owner(model)],
        kinds={"scikitlearn"},
        automation_condition=follow(),
        check_specs=[
            dg.AssetCheckSpec(name, asset=asset_key, blocking=True, description=text)
            for name, text in checks.items()
        ],
    )
    @accounted(model, "evaluations")
    def evaluated(
        context: dg.AssetExecutionContext,
        artifacts: dg.ResourceParam[ArtifactStore],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        handed = latest(context.instance, upstream)
        parts = read_split(model, read_manifest(artifacts, handed), artifacts)
        champion = registry.champion(model.full_name)
        predictions = _predictions(model, inputs, parts, handed, champion, artifacts)
        metrics = {
            name: score(model.spec.task, parts.holdout[LABEL].to_numpy(), predicted)
            for name, predicted in predictions.items()
        }
        evidence = _evidence(model, parts, handed, champion, metrics)
        evidence_digest = artifacts.put_bytes(canonical_json(evidence))
        if not evidence["passed"]:
            registry.record_refusal(
                model.full_name,
                artifact_digest=handed["artifact_digest"],
                evidence_digest=evidence_digest,
                reasons=evidence["reasons"],
                actor=author(context, settings.actor),
                run_id=context.run.run_id,
            )
        return dg.MaterializeResult(
            metadata={
                **_report(model, parts, predictions, metrics, evidence),
                **{name: handed[name] for name in ("artifact_digest", "author")},
                "evidence_digest": evidence_digest,
            },
            check_results=_check_results(model, metrics),
        )

    return evaluated


def predict_rows(artifacts: ArtifactStore, artifact_digest: str, rows: pl.DataFrame) -> np.ndarray:
    """Predictions [n] of a stored artefact, by the code that serves it.

    On-demand features are computed again by the artefact's own functions: a champion keeps the
    ones that it was trained with, whatever the candidate's training set holds.

    Raises:
        OnDemandFailed: A function fails, or takes an input that the rows do not hold.
    """
    folder = artifacts.get_folder(artifact_digest)
    predictor = Predictor.load(folder, threads=2)
    functions = load_functions(read_card(predictor.card, predictor.columns).on_demand, folder)
    if functions:
        rows = pl.DataFrame(with_on_demand(rows.to_arrow(), functions))
    return predictor.predict(input_columns(rows, dict(predictor.preprocessing)))


def _predictions(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    parts: Split,
    handed: Mapping[str, Any],
    champion: Version | None,
    artifacts: ArtifactStore,
) -> dict[str, np.ndarray]:
    from mlplat_assets.models.baseline import fit_baseline

    baseline = fit_baseline(
        parts.train,
        parts.validation,
        parts.holdout,
        label=LABEL,
        task=model.spec.task,
        numeric=inputs.numeric,
        categorical=inputs.categorical,
        seed=model.spec.seed,
        threads=2,
    )
    found = {"candidate": predict_rows(artifacts, handed["artifact_digest"], parts.holdout)}
    if champion is not None:
        found["champion"] = predict_rows(artifacts, champion.artifact_digest, parts.holdout)
    return found | {"baseline": baseline.predictions}


def _evidence(
    model: Declared[ModelSpec],
    parts: Split,
    handed: Mapping[str, Any],
    champion: Version | None,
    metrics: dict[str, dict[str, float]],
) -> dict[str, Any]:
    verdict = judge(
        model.spec.gates, model.spec.task, metrics["candidate"], metrics.get("champion")
    )
    evidence = {
        "model": model.full_name,
        "artifact_digest": handed["artifact_digest"],
        "training_set_digest": handed["training_set_digest"],
        "champion_version": champion.number if champion else None,
        "champion_artifact_digest": champion.artifact_digest if champion else None,
        "holdout": {**parts.periods["holdout"].iso(), "rows": parts.holdout.height},
        "metrics": metrics["candidate"],
        "champion_metrics": metrics.get("champion"),
        "baseline_metrics": metrics["baseline"],
        "gates": verdict.gates,
        "passed": verdict.passed,
        "reasons": verdict.reasons,
        "evaluated_at": datetime.now(UTC).isoformat(),
    }
    for place, _ in non_finite(evidence, "evidence"):
        raise dg.Failure(f"{model.full_name}: {place} is no number; look at the training run")
    return evidence


def _check_results(
    model: Declared[ModelSpec], metrics: dict[str, dict[str, float]]
) -> list[dg.AssetCheckResult]:
    spec = model.spec
    parts = {
        "meets_floors": [replace(g, margin=None) for g in spec.gates if g.floor is not None],
        "beats_champion": [replace(g, floor=None) for g in spec.gates if g.margin is not None],
    }
    results = []
    for name, gates in parts.items():
        candidate, champion = metrics["candidate"], metrics.get("champion")
        judged = [judge_one(gate, spec.task, candidate, champion) for gate in gates]
        failed = [gate["reason"] for gate in judged if not gate["passed"]]
        reasons = failed or [gate["reason"] for gate in judged]
        results.append(
            dg.AssetCheckResult(
                check_name=name,
                passed=not failed,
                # A model may bound itself by floors alone, or by its champion alone.
                description="; ".join(reasons) or "no gate asks for it",
            )
        )
    return results


def _report(
    model: Declared[ModelSpec],
    parts: Split,
    predictions: dict[str, np.ndarray],
    metrics: dict[str, dict[str, float]],
    evidence: dict[str, Any],
) -> dict[str, Any]:
    from mlplat_assets.models.plots import evaluation_plot

    truth = parts.holdout[LABEL].to_numpy()
    plot = evaluation_plot(model.spec.task, truth, predictions, title=model.full_name)
    header = "| metric | " + " | ".join(metrics) + " |\n|---|" + "---|" * len(metrics)
    lines = [
        f"| {name} | " + " | ".join(f"{found[name]:.4f}" for found in metrics.values()) + " |"
        for name in metrics["candidate"]
    ]
    return {
        "plot": picture(plot),
        "metrics": dg.MetadataValue.md("\n".join([header, *lines])),
        "holdout": str(parts.periods["holdout"]),
        "holdout_rows": parts.holdout.height,
        "passed": evidence["passed"],
        "reasons": "; ".join(evidence["reasons"]) or "every gate holds",
        **{f"candidate_{name}": value for name, value in metrics["candidate"].items()},
        **{f"baseline_{name}": value for name, value in metrics["baseline"].items()},
    }
