"""INCONCLUSIVE is no pass: the registry reads every part of the evidence that decides."""

from typing import Any

import pytest

from resources.digests import digest
from resources.registry.errors import GateRefused
from resources.registry.evidence import require_passed

MODEL, ARTIFACT = "flights.arrival_delay", digest("weights")


def evidence(**parts: Any) -> dict[str, Any]:
    gate = {"metric": "auc", "verdict": "PASS", "passed": True, "reason": "auc meets its floor"}
    return {
        "model": MODEL,
        "artifact_digest": ARTIFACT,
        "champion_version": None,
        "gates": [gate],
        "slices": [{"column": "origin", "verdict": None, "passed": True, "reason": "too small"}],
        "fairness": [],
        "budget": [],
        "passed": True,
        **parts,
    }


def judge(found: dict[str, Any]) -> None:
    require_passed(MODEL, ARTIFACT, found, digest(found))


def test_evidence_that_passed_in_every_part_is_accepted() -> None:
    judge(evidence())


@pytest.mark.parametrize("part", ["gates", "slices", "fairness", "budget"])
@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "FAIL", "PERHAPS"])
def test_a_verdict_other_than_pass_is_refused_whatever_else_it_says(
    part: str, verdict: str
) -> None:
    result = {"verdict": verdict, "passed": True, "reason": "21 days cannot tell"}
    with pytest.raises(GateRefused, match=r"did not pass \(21 days cannot tell\)"):
        judge(evidence(**{part: [result]}))


@pytest.mark.parametrize("part", ["gates", "slices", "fairness", "budget"])
def test_a_part_that_did_not_pass_is_refused_though_the_whole_says_so(part: str) -> None:
    result = {"verdict": "PASS", "passed": False, "reason": "edited"}
    with pytest.raises(GateRefused, match="edited"):
        judge(evidence(**{part: [result]}))
