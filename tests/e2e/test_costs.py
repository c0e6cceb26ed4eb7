"""Every training step is on the bill: the made, the refused and the failed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import Stage
from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.models.lineage.accounts import STEPS
from tests.small_world import ARRIVAL, DEPARTURE, World, in_environment

pytestmark = pytest.mark.xdist_group("world")

Run = Callable[..., Result]


def rows(world: World) -> list[dict[str, Any]]:
    return world.lake.read(f"select * from {STEPS} order by ended_at").to_pylist()


def with_spec(world: World, **changes: Any) -> Catalogue:
    """The catalogue with another departure model."""
    model = world.catalogue.models[DEPARTURE]
    spec: ModelSpec = replace(model.spec, **changes)
    return replace(
        world.catalogue, models={**world.catalogue.models, DEPARTURE: replace(model, spec=spec)}
    )


@pytest.fixture(scope="module", autouse=True)
def bill(copy: World) -> list[dict[str, Any]]:
    """The rows after a training that failed and an evaluation that was refused, at a price."""
    priced = replace(copy, settings=replace(copy.settings, cpu_hour_price=3.6))
    with in_environment(copy.settings):
        before = rows(copy)
        failing = with_spec(copy, hyperparameters={"epochs": -1})
        refusing = with_spec(copy, gates=(Gate(metric="mae", floor=0.001),))
        attempts: list[tuple[Stage, Catalogue]] = [
            ("candidates", failing),
            ("evaluations", refusing),
        ]
        for stage, catalogue in attempts:
            priced.materialise(
                copy.chain(DEPARTURE, [stage]), catalogue=catalogue, raise_on_error=False
            )
        return rows(copy)[len(before) :]


def test_a_version_costs_what_its_three_steps_took(copy: World) -> None:
    for name in (ARRIVAL, DEPARTURE):
        mine = [r for r in rows(copy) if r["model"] == name and r["outcome"] == "made"]
        assert [r["stage"] for r in mine] == ["training_sets", "candidates", "evaluations"]
        cost = copy.registry.version(name, 1).lineage["cost"]
        for kind in ("wall_seconds", "cpu_seconds", "gpu_seconds"):
            assert cost[kind] == pytest.approx(sum(r[kind] for r in mine))
        assert cost["peak_memory_bytes"] == max(r["peak_memory_bytes"] for r in mine)
        assert cost["amount"] is None and cost["cpu_seconds"] > 1


def test_a_step_carries_its_cost_and_the_lake_what_it_made(copy: World) -> None:
    made = {r["stage"]: r["made"] for r in rows(copy) if r["model"] == ARRIVAL}
    named: dict[Stage, str] = {
        "training_sets": "manifest_digest",
        "candidates": "artifact_digest",
        "evaluations": "evidence_digest",
    }
    for stage, digest in named.items():
        metadata = copy.metadata(stage, ARRIVAL)
        assert metadata[digest] == made[stage]
        assert metadata["cost"]["wall_seconds"] > 0


def test_a_training_that_fails_and_one_that_is_refused_are_on_the_bill(
    bill: list[dict[str, Any]],
) -> None:
    assert [(r["stage"], r["outcome"]) for r in bill] == [
        ("candidates", "failed"),
        ("evaluations", "refused"),
    ]
    assert bill[0]["made"] is None and bill[1]["made"].startswith("sha256:")
    for row in bill:
        # 3.6 an hour is a thousandth a second.
        assert row["amount"] == pytest.approx(row["cpu_seconds"] / 1000)
        assert row["cpu_seconds"] > 0 and row["team"] == "flights"


def test_totals_are_the_sums_of_the_rows_by_team_and_model(run: Run, copy: World) -> None:
    found = json.loads(run("costs", "--json").output)
    for one in found["models"]:
        mine = [r for r in rows(copy) if r["model"] == one["model"]]
        assert one["cpu_seconds"] == pytest.approx(sum(r["cpu_seconds"] for r in mine))
        assert one["failed"] == sum(r["outcome"] == "failed" for r in mine)
        assert one["refused"] == sum(r["outcome"] == "refused" for r in mine)
        assert one["trained"] == 1
    (team,) = found["teams"]
    assert team["cpu_seconds"] == pytest.approx(sum(r["cpu_seconds"] for r in rows(copy)))
    assert (team["trained"], team["refused"], team["failed"]) == (2, 1, 1)
    shown = " ".join(run("costs").output.split())
    assert "flights all models 2 1 1" in shown and "EUR" in shown


def test_a_team_and_a_first_day_bound_what_is_counted(run: Run) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    today = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert json.loads(run("costs", "--json", "--since", tomorrow).output)["models"] == []
    assert len(json.loads(run("costs", "--json", "--since", today).output)["models"]) == 2
    assert "No training was measured" in run("costs", "--team", "nobody").output
    refused = run("costs", "--since", "May")
    assert refused.exit_code == 1 and "write it like 2013-05-03" in refused.output
