"""A challenger is judged with its intervals: in the run, in the registry, and on its card."""

import json
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.discovery import Catalogue
from mlplat_assets.model_spec import Budget, Fairness, Gate, ModelSpec, Slice
from mlplat_assets.models.evaluations.card import MARKDOWN, PAGE
from mlplat_assets.models.evaluations.checks import CHECKS
from resources.registry.errors import GateRefused
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")
EVALUATED = "evaluations"


def judged_again(world: World, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Evaluate the champion's own artefact as a challenger, by a changed declaration."""
    model = world.catalogue.models[ARRIVAL]
    spec: ModelSpec = replace(model.spec, **changes)
    models = world.catalogue.models | {ARRIVAL: replace(model, spec=spec)}
    declared: Catalogue = replace(world.catalogue, models=models)
    run = world.materialise(
        world.chain(ARRIVAL, [EVALUATED]), catalogue=declared, raise_on_error=False
    )
    checks = {c.check_name: c for c in run.get_asset_check_evaluations()}
    digest = world.metadata(EVALUATED, ARRIVAL)["evidence_digest"]
    return checks, json.loads(world.artifacts.get_bytes(digest))


def test_the_champion_itself_is_level_with_the_champion_in_every_part(world: World) -> None:
    checks, evidence = judged_again(
        world, slices=(Slice(column="origin", margin=0.0), Slice(column="dest"))
    )
    assert set(checks) == set(CHECKS)
    assert all(check.passed and check.blocking for check in checks.values())
    assert evidence["passed"] and evidence["champion_version"] == 1
    for difference in evidence["differences"]["champion"].values():
        assert difference == {"estimate": 0, "low": 0, "high": 0}
    assert evidence["metrics"] == evidence["champion_metrics"]
    folder = world.artifacts.get_folder(evidence["artifact_digest"])
    card = json.loads((folder / "card.json").read_text())
    assert evidence["calibration"] == card["profile"]["calibration"]
    assert sum(card["profile"]["calibration"]["rows"]) == card["calibration"]["rows"]["measured"]
    apart, level = evidence["answers_apart"], {"estimate": 0, "low": 0, "high": 0}
    assert apart["shift"] == apart["psi"] == level and apart["champion_spread"] > 0.01
    assert evidence["method"]["unit"] == "day" and evidence["method"]["units"] == 7
    origins = [each for each in evidence["slices"] if each["column"] == "origin"]
    assert [each["value"] for each in origins] == ["EWR", "JFK", "LGA"]
    assert sum(each["rows"] for each in origins) == evidence["holdout"]["rows"]
    assert {each["verdict"] for each in origins} == {"PASS"}
    small = [each for each in evidence["slices"] if each["rows"] < 200]
    assert small and all(each["verdict"] is None for each in small)
    assert len([text for text in evidence["limits"] if "too small" in text]) == len(small)


def test_what_cannot_be_told_blocks_the_run_and_the_registry(world: World) -> None:
    gap = Fairness(column="origin", metric="equal_opportunity", limit=1.0)
    checks, evidence = judged_again(
        world, gates=(Gate(metric="auc", margin=-1e-4),), fairness=(gap,)
    )
    assert not checks["beats_champion"].passed, "identical is not better by any amount"
    # Whether a gap is below what was measured is what nobody can tell.
    limit = evidence["fairness"][0]["gap"]["estimate"]
    checks, evidence = judged_again(world, fairness=(replace(gap, limit=limit),))
    assert not evidence["passed"]
    (fairness,) = evidence["fairness"]
    assert fairness["verdict"] == "INCONCLUSIVE", fairness["reason"]
    assert (checks["is_fair"].description or "").startswith("INCONCLUSIVE: equal_opportunity gap")
    assert checks["beats_champion"].passed
    with pytest.raises(GateRefused, match="equal_opportunity gap over origin"):
        world.materialise(world.chain(ARRIVAL, ["versions"]))


def test_a_budget_that_is_not_met_blocks(world: World) -> None:
    checks, evidence = judged_again(world, budget=Budget(megabytes=0.001, latency_ms=1000))
    assert not checks["fits_budget"].passed
    assert "over the budget of 0.001" in (checks["fits_budget"].description or "")
    assert [each["passed"] for each in evidence["budget"]] == [True, False]


def test_what_is_not_declared_passes_and_says_so(world: World) -> None:
    checks, _ = judged_again(world, slices=(), budget=Budget())
    for name in ("guards_slices", "is_fair", "fits_budget"):
        assert checks[name].passed
        assert "nothing is declared" in (checks[name].description or "")


def test_the_card_of_the_evidence_is_stored_and_shown(world: World) -> None:
    _, evidence = judged_again(world, slices=(Slice(column="origin"),))
    metadata = world.metadata(EVALUATED, ARRIVAL)
    assert metadata["card_digest"] == evidence["card_digest"]
    folder = world.artifacts.get_folder(evidence["card_digest"])
    text, page = (folder / MARKDOWN).read_text(), (folder / PAGE).read_text()
    assert metadata["card"] in text or len(metadata["card"]) < len(text)
    lineage = world.registry.version(ARRIVAL, 1).lineage
    for told in (
        "Probability, two hours before departure",
        evidence["artifact_digest"],
        evidence["training_set_digest"],
        lineage["definitions_digest"],
        "origin EWR",
        "INCONCLUSIVE is not a pass",
        "compared with",
    ):
        assert told in text and told in page and told in metadata["card"], told
    assert page.count("data:image/png;base64,") == 4
    assert {"Metrics", "Slices", "Calibration", "Importance of inputs"} <= set(metadata)
    names = {each["name"] for each in evidence["importance"]["inputs"]}
    _, inputs = world.model(ARRIVAL)
    assert names == {*inputs.numeric, *inputs.categorical}


def test_a_regression_has_the_same_card_without_what_is_of_classes(world: World) -> None:
    digest = world.metadata(EVALUATED, DEPARTURE)["card_digest"]
    text = (world.artifacts.get_folder(digest) / MARKDOWN).read_text()
    assert "A regression has none" in text
    evidence = world.registry.version(DEPARTURE, 1).evidence
    assert evidence["calibration_noise"] is None and evidence["calibration"] is None
    assert set(evidence["intervals"]["candidate"]) == {"r2", "mae", "rmse"}
    assert [each["value"] for each in evidence["slices"]][3:] == [
        "below 10", "10 to below 16", "from 16",
    ]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def as_it_was(world: World) -> Any:
    """Other tests of the world find the evaluation of the declared model."""
    yield
    result: dg.ExecuteInProcessResult = world.materialise(world.chain(ARRIVAL, [EVALUATED]))
    assert result.success
