"""The asset `evaluations/<team>/<model>`: candidate, champion and baseline on the same holdout."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np

from mlplat_assets.automation import follow
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.evaluations.card import model_card, store_card
from mlplat_assets.models.evaluations.card_pages import markdown
from mlplat_assets.models.evaluations.checks import CHECKS, check_results
from mlplat_assets.models.evaluations.classes import aligned, classes_of, truth_of
from mlplat_assets.models.evaluations.examination import Examination, examine
from mlplat_assets.models.evaluations.proof import evidence_of
from mlplat_assets.models.evaluations.served import Served, load
from mlplat_assets.models.handoff import author, latest
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from mlplat_assets.models.lineage.accounts import accounted
from mlplat_assets.models.splits import Split
from mlplat_assets.models.tracking.runs import log_evaluation
from mlplat_assets.models.training import read_manifest, read_split
from mlplat_assets.models.training_sets import LABEL
from mlplat_assets.pictures import picture
from resources.artifacts import ArtifactStore
from resources.digests import canonical_json
from resources.registry.registry import Registry
from resources.settings import Settings


def evaluation(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What the newest candidate proved on the holdout, as evidence that the registry will check."""
    inputs = model_inputs(model, catalogue)
    asset_key = key("evaluations", model.team, model.name)
    upstream = key("candidates", model.team, model.name)

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
            for name, text in CHECKS.items()
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
        candidate = load(artifacts, handed["artifact_digest"], threads=1)
        serving = load(artifacts, champion.artifact_digest, threads=1) if champion else None
        found = examined(model.spec, inputs, parts, candidate, serving)
        evidence = evidence_of(
            model.full_name, handed, champion, parts, found, at=datetime.now(UTC)
        )
        # Of validation rows, from the card: monitoring reads evidence and no artefact for it.
        evidence["calibration"] = candidate.predictor.card["profile"].get("calibration")
        plots = plots_of(model, found)
        document = model_card(
            model, catalogue.owner(model), evidence, candidate.predictor.card, plots
        )
        evidence["card_digest"] = store_card(document, artifacts)
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
        # One that was trained before runs were recorded has none.
        if run_id := handed.get("mlflow_run_id"):
            log_evaluation(settings.tracking_url, run_id, evidence["metrics"], plots)
        return dg.MaterializeResult(
            metadata={
                **{name: picture(png) for name, png in plots.items()},
                "card": dg.MetadataValue.md(markdown(document, plots=False)),
                **_facts(parts, evidence),
                **{name: handed[name] for name in ("artifact_digest", "author")},
                "evidence_digest": evidence_digest,
            },
            check_results=check_results(model.spec, found),
        )

    return evaluated


def examined(
    spec: ModelSpec, inputs: ModelInputs, parts: Split, candidate: Served, champion: Served | None
) -> Examination:
    """Candidate, champion and baseline on the holdout of the candidate's own training set."""
    from mlplat_assets.models.baseline import fit_baseline

    baseline = fit_baseline(
        parts.train,
        parts.validation,
        parts.holdout,
        label=LABEL,
        task=spec.task,
        numeric=inputs.numeric,
        categorical=inputs.categorical,
        seed=spec.seed,
        threads=1,
    )
    label = parts.holdout[LABEL]
    classes = classes_of(candidate.classes, label, spec.task)
    predictions: dict[str, np.ndarray] = {}
    for name, served in (("candidate", candidate), ("champion", champion)):
        if served is not None:
            predicted = served.predict(parts.holdout)
            predictions[name] = aligned(predicted, served.classes, classes)
    predictions["baseline"] = aligned(baseline.predictions, baseline.classes, classes)
    return examine(spec, parts.holdout, truth_of(label, classes), predictions, candidate)


def plots_of(model: Declared[ModelSpec], found: Examination) -> dict[str, bytes]:
    """PNGs by the section of the card that they belong to."""
    from mlplat_assets.models.evaluations.panels import importance_plot, score_plot, slice_plot
    from mlplat_assets.models.plots import evaluation_plot

    spec, truth, name = model.spec, found.truth, model.full_name
    plots = {"Metrics": evaluation_plot(spec.task, truth, found.predictions, title=name)}
    if any(each["metrics"] for each in found.slices):
        plots["Slices"] = slice_plot(found.slices, title=f"{name}, slices of the holdout")
    if spec.task == "binary":
        plots["Calibration"] = score_plot(
            truth, found.predictions, title=f"{name}, predicted probabilities"
        )
    plots["Importance of inputs"] = importance_plot(
        found.inputs, found.views, spec.gates[0].metric, title=f"{name}, importance of inputs"
    )
    return plots


def _facts(parts: Split, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "holdout": str(parts.periods["holdout"]),
        "holdout_rows": parts.holdout.height,
        "passed": evidence["passed"],
        "reasons": "; ".join(evidence["reasons"]) or "every gate holds",
        "card_digest": evidence["card_digest"],
        **{f"candidate_{name}": value for name, value in evidence["metrics"].items()},
        **{f"baseline_{name}": value for name, value in evidence["baseline_metrics"].items()},
    }
