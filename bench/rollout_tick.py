"""What a tick of the rollouts' sensor takes for 100 models: `python -m bench.rollout_tick`.

Each model has an open canary at 5% and a day of journal segments, one an hour, of each kind. A tick
is timed as the daemon evaluates it: the first of all, while nothing is new, and after all journals
grew; medians of five. Registry and Dagster's runs are SQLite files.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import msgspec

from bench.machine import machine
from bench.retraining_tick import crown
from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue
from mlplat_assets.monitoring.journal_records import FAILURES, SHADOWS
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.asset import rollout
from mlplat_assets.rollouts.due import Seen
from mlplat_assets.rollouts.sensor import rollouts_due
from resources.digests import digest
from resources.registry.registry import Registry, registry
from resources.settings import Settings, from_environment

MODELS, SEGMENTS, STEPS = 100, 24, (5.0, 25.0, 100.0)
RESULT = Path(__file__).parent / "results" / "rollout_tick.json"


def declared() -> Catalogue:
    """So many models that declare a rollout, in the place of the declared ones."""
    found = catalogue()
    model = found.models["flights.arrival_delay"]
    spec = replace(model.spec, rollout=Rollout(steps=STEPS))
    named = [replace(model, name=f"model_{number}", spec=spec) for number in range(MODELS)]
    return replace(found, models={each.full_name: each for each in named})


def open_canary(store: Registry, model: str) -> None:
    """A champion, and a version beside it that answers 5% of the units."""
    crown(store, model)
    artifact = digest([model, "second"])
    evidence = {
        "model": model, "artifact_digest": artifact, "champion_version": 1,
        "passed": True, "gates": [{"metric": "auc", "passed": True}],
    }  # fmt: skip
    store.register(
        model, artifact_digest=artifact, evidence=evidence, evidence_digest=digest(evidence),
        lineage={}, approvers=["bob"], author="ana", run_id="bench",
    )  # fmt: skip
    shadow = store.rollouts.begin(model, 2, STEPS, actor="bob", reason="bench")
    store.rollouts.advance(shadow, actor="bob", reason="bench")


def journal(settings: Settings, model: str) -> None:
    """One more line in each of a day's segments, of predictions, shadows and failures."""
    for kind in ("", SHADOWS, FAILURES):
        folder = settings.journal / f"{model}{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        for hour in range(SEGMENTS):
            name = f"20130601T{hour:02}0000000000Z-1-abcdef01.ndjson"
            with (folder / name).open("a") as segment:
                segment.write("{}\n")


def earlier(cursor: str | None) -> str:
    """The cursor, as if its looks had been asked for a minute before: more than rests between."""
    seen = msgspec.json.decode(cursor or "{}", type=dict[str, Seen])
    moved = {
        model: msgspec.structs.replace(each, at=each.at - timedelta(minutes=1))
        for model, each in seen.items()
    }
    return msgspec.json.encode(moved).decode()


def ticks(
    found: Catalogue, store: Registry, settings: Settings, instance: dg.DagsterInstance
) -> Callable[[str | None], tuple[str | None, int]]:
    """The sensor of the catalogue: from a cursor to the next one and how many runs it asks for."""
    (sensor,) = rollouts_due(found)
    resources = {"registry": store, "settings": settings}
    assets = [rollout(each, found) for each in found.models.values()]
    unused = {"lake": dg.ResourceDefinition.none_resource()}
    graph = dg.Definitions(assets=assets, sensors=[sensor], resources={**resources, **unused})

    def tick(cursor: str | None) -> tuple[str | None, int]:
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, resources=resources, definitions=graph
        )
        ticked = sensor.evaluate_tick(context)
        return ticked.cursor, len(ticked.run_requests or [])

    return tick


def measure(folder: Path) -> dict[str, object]:
    """Ticks in the three situations."""
    found = declared()
    settings = from_environment({"MLPLAT_HOME": str(folder)})
    store = registry(settings.registry_url)
    store.migrate()
    for name in found.models:
        open_canary(store, name)
        journal(settings, name)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        tick = ticks(found, store, settings, instance)

        def timed(cursor: str | None) -> dict[str, object]:
            _, asked = tick(cursor)
            wall, cpu = [], []
            for _ in range(5):
                began = time.perf_counter(), time.process_time()
                tick(cursor)
                wall.append(time.perf_counter() - began[0])
                cpu.append(time.process_time() - began[1])
            return {
                "seconds": round(sorted(wall)[2], 3),
                "cpu_seconds": round(sorted(cpu)[2], 3),
                "requests": asked,
            }

        first = timed(None)
        seen = earlier(tick(None)[0])
        calm = timed(seen)
        for name in found.models:
            journal(settings, name)
        grown = timed(seen)
        return {
            "models": MODELS,
            "segments_each": 3 * SEGMENTS,
            "first": first,
            "nothing_new": calm,
            "all_journals_grew": grown,
        }


def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"machine": machine(), **measure(Path(folder))}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
