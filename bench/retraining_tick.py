"""What a tick of the governor's sensor takes for 100 models: `python -m bench.retraining_tick`.

Each model is in production, and its checks of drift, soundness and performance were evaluated six
times. A tick is timed while all pass, when the drift checks of all began to fail, and when all of
those were let through and have no run yet. Registry and Dagster's event log are SQLite files.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from bench.machine import machine
from mlplat_assets.catalogue import catalogue
from mlplat_assets.keys import key
from mlplat_assets.retraining.benefit_verdict import unknown
from mlplat_assets.retraining.decisions import Watched, decide
from mlplat_assets.retraining.sensor import judgements, launches
from mlplat_assets.retraining.signals import asking_checks
from mlplat_assets.retraining.upstream import SOUND
from resources.digests import digest
from resources.registry.registry import Registry, registry

MODELS, EVALUATIONS = 100, 5
RESULT = Path(__file__).parent / "results" / "retraining_tick.json"


class Says(dg.Config):
    """Whether the drift checks pass."""

    passes: bool


def watched_models() -> list[Watched]:
    """So many models beside the declared ones, each with its own checks."""
    declared = catalogue()
    team, model = declared.teams["flights"], declared.models["flights.arrival_delay"]
    named = [replace(model, name=f"model_{number}") for number in range(MODELS)]
    return [
        Watched(model=each, team=team, guards=(_check(each.name, "drift", SOUND),))
        for each in named
    ]


def _check(name: str, stage: str, check: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(key(stage, "flights", name), check)  # type: ignore[arg-type]


def crown(store: Registry, model: str) -> None:
    """Put a version of a model into production."""
    evidence = {
        "model": model, "artifact_digest": digest(model), "champion_version": None,
        "passed": True, "gates": [{"metric": "auc", "passed": True}],
    }  # fmt: skip
    store.register(
        model, artifact_digest=digest(model), evidence=evidence, evidence_digest=digest(evidence),
        lineage={}, approvers=["bob"], author="ana", run_id="bench",
    )  # fmt: skip
    store.promote(model, 1, actor="dan", approver="bob", reason="bench")


def checked(watched: list[Watched]) -> list[dg.AssetsDefinition]:
    """Stand-ins of what is watched: their checks pass, those of drift as the run is told."""

    def stand_in(checks: list[dg.AssetCheckKey]) -> dg.AssetsDefinition:
        asset = checks[0].asset_key
        specs = [dg.AssetCheckSpec(check.name, asset=asset) for check in checks]

        @dg.asset(key=asset, check_specs=specs)
        def made(config: Says) -> dg.MaterializeResult:
            results = [
                dg.AssetCheckResult(
                    check_name=check.name, passed=config.passes or check.name != "within_tolerance"
                )
                for check in checks
            ]
            return dg.MaterializeResult(check_results=results)

        return made

    found = []
    for each in watched:
        asking = asking_checks(each.model)
        found += [stand_in([asking["drift"], *each.guards])]
        found += [stand_in([asking["decay"], asking["concept_drift"]])]
    return found


def seconds(work: Callable[[], object]) -> float:
    """The median of five runs of it."""
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return round(sorted(taken)[2], 3)


def measure(folder: Path) -> dict[str, object]:
    """Ticks in the three situations, and one judgement without its look at the benefit."""
    watched = watched_models()
    store = registry(f"sqlite:///{folder / 'registry.sqlite'}")
    store.migrate()
    for each in watched:
        crown(store, each.model.full_name)
    assets = checked(watched)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:

        def evaluate(passes: bool) -> None:
            config = {asset.op.name: Says(passes=passes) for asset in assets}
            dg.materialize(assets, instance=instance, run_config=dg.RunConfig(config))

        def tick() -> int:
            launched = [*launches(store, instance, "bench")]
            asked = [*judgements(watched, store, instance, datetime.now(UTC))]
            return len(launched) + len(asked)

        for _ in range(EVALUATIONS):
            evaluate(passes=True)
        calm, asked_calm = seconds(tick), tick()
        evaluate(passes=False)
        began, asked_began = seconds(tick), tick()
        started = time.perf_counter()
        for each in watched:
            decide(each, store, instance, lambda _: unknown("not looked at"), actor="bench",
                   run_id="bench", now=datetime.now(UTC))  # fmt: skip
        judged = time.perf_counter() - started
        return {
            "models": MODELS,
            "calm": {"seconds": calm, "requests": asked_calm},
            "all_begin_to_drift": {"seconds": began, "requests": asked_began},
            "all_let_through": {"seconds": seconds(tick), "requests": tick()},
            "judgement_seconds": round(judged / MODELS, 4),
        }


def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"machine": machine(), **measure(Path(folder))}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
