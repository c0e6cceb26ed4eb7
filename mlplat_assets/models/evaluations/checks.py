"""The asset checks of an evaluation: one claim each, told in the sentences of its judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.models.evaluations.examination import Examination
from mlplat_assets.models.gates import judge_one

CHECKS = {
    "meets_floors": "Every gate's floor is met on the holdout.",
    "beats_champion": "Every gate with a margin holds against the champion on the same rows.",
    "guards_slices": "Every slice with a margin holds against the champion on the same rows.",
    "is_fair": "Every declared gap between groups is below its limit.",
    "fits_budget": "The packaged model predicts as fast and is as small as declared.",
}


def check_results(spec: ModelSpec, found: Examination) -> list[dg.AssetCheckResult]:
    """A result for each of CHECKS; one that nothing is declared for passes and says so."""
    floors = [replace(gate, margin=None) for gate in spec.gates if gate.floor is not None]
    margins = [replace(gate, floor=None) for gate in spec.gates if gate.margin is not None]
    judged: dict[str, Sequence[Mapping[str, Any]]] = {
        "meets_floors": [_again(gate, spec, found) for gate in floors],
        "beats_champion": [_again(gate, spec, found) for gate in margins],
        "guards_slices": [each for each in found.slices if each["verdict"]],
        "is_fair": found.fairness,
        "fits_budget": found.budget,
    }
    return [_result(name, results) for name, results in judged.items()]


def _again(gate: Gate, spec: ModelSpec, found: Examination) -> Mapping[str, Any]:
    """One side of a gate alone."""
    compared = found.comparison
    return judge_one(
        gate,
        spec.task,
        compared.metrics["candidate"],
        compared.metrics.get("champion"),
        compared.differences.get("champion"),
        primary=gate.metric == spec.gates[0].metric,
    )


def _result(name: str, results: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    failed = [each for each in results if not each["passed"]]
    told = "; ".join(each["reason"] for each in failed or results)
    unsure = [each for each in failed if each["verdict"] is Verdict.INCONCLUSIVE]
    # Undecided alone: nothing failed, and yet it is no pass.
    prefix = "INCONCLUSIVE: " if unsure and len(unsure) == len(failed) else ""
    return dg.AssetCheckResult(
        check_name=name,
        passed=not failed,
        description=prefix + told if results else "nothing is declared or there is no champion",
        metadata={"verdicts": [str(each["verdict"]) for each in results]} if results else None,
    )
