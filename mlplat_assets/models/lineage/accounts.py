"""What every training step took and cost, in the lake: made, refused or failed.

One row of `lineage.training_steps` per attempt of a training set, a candidate or an evaluation. A
process that is killed leaves no row; the attempt that takes its place does.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.keys import Stage
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.lineage.usage import Meter, Usage, metered
from resources.lake import Lake, create_table
from resources.settings import Settings

STEPS = "lineage.training_steps"
# What a step made, by the metadata that names it.
_MADE: Mapping[Stage, str] = {
    "training_sets": "manifest_digest",
    "searches": "study",
    "candidates": "artifact_digest",
    "evaluations": "evidence_digest",
}
_SHAPE = pa.schema(
    [
        ("model", pa.string()),
        ("team", pa.string()),
        ("stage", pa.string()),
        ("run_id", pa.string()),
        ("ended_at", pa.timestamp("us")),
        ("outcome", pa.string()),
        ("made", pa.string()),
        ("wall_seconds", pa.float64()),
        ("cpu_seconds", pa.float64()),
        ("gpu_seconds", pa.float64()),
        ("peak_memory_bytes", pa.int64()),
        ("amount", pa.float64()),
        ("currency", pa.string()),
    ]
)

Make = Callable[..., dg.MaterializeResult]


def accounted(model: Declared[ModelSpec], stage: Stage) -> Callable[[Make], Make]:
    """Measure an asset's function, put its cost on its metadata and in the lake, also if it fails.

    The function need not take the lake or the settings: Dagster is told that this one does.
    """

    def decorate(make: Make) -> Make:
        own = inspect.signature(make)
        added = {"lake": dg.ResourceParam[Lake], "settings": dg.ResourceParam[Settings]}
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
            for name, kind in added.items()
            if name not in own.parameters
        ]

        @functools.wraps(make)
        def measured(context: dg.AssetExecutionContext, **resources: Any) -> dg.MaterializeResult:
            taken = {name: r for name, r in resources.items() if name in own.parameters}
            step = _Step(model, stage, context, resources["lake"], resources["settings"])
            with step.recorded_if_it_fails() as meter, metered(meter):
                result = make(context, **taken)
            metadata = dict(result.metadata or {})
            outcome = "refused" if metadata.get("passed") is False else "made"
            spent = step.record(meter.usage, outcome, str(metadata[_MADE[stage]]))
            return result._replace(metadata={**metadata, "cost": dg.MetadataValue.json(spent)})

        measured.__signature__ = own.replace(parameters=[*own.parameters.values(), *extra])  # type: ignore[attr-defined]
        measured.__annotations__ = {**make.__annotations__, **added}
        return measured

    return decorate


class _Step:
    """One attempt of one step, to be recorded when it has ended."""

    def __init__(
        self,
        model: Declared[ModelSpec],
        stage: Stage,
        context: dg.AssetExecutionContext,
        lake: Lake,
        settings: Settings,
    ) -> None:
        self._model, self._stage, self._context = model, stage, context
        self._lake, self._settings = lake, settings

    def record(self, usage: Usage, outcome: str, made: str | None) -> dict[str, Any]:
        """Append the row; returns what was used and what it costs."""
        amount = usage.amount(self._settings)
        spent = asdict(usage) | {"amount": amount, "currency": self._settings.currency}
        row = {
            "model": self._model.full_name,
            "team": self._model.team,
            "stage": self._stage,
            "run_id": self._context.run.run_id,
            "ended_at": datetime.now(UTC).replace(tzinfo=None),
            "outcome": outcome,
            "made": made,
            **spent,
        }
        with self._lake.write() as connection:
            connection.register("ended", pa.Table.from_pylist([row], schema=_SHAPE))
            create_table(connection, STEPS, "select * from ended limit 0")
            connection.execute(f"insert into {STEPS} by name select * from ended")
        return spent

    @contextmanager
    def recorded_if_it_fails(self) -> Iterator[Meter]:
        """Append the row of a step that fails; a lake that is away must not hide why."""
        meter = Meter()
        try:
            yield meter
        except BaseException:
            try:
                self.record(meter.usage, "failed", None)
            except duckdb.Error as error:
                self._context.log.error(f"{meter.usage} of this step is not recorded: {error}")
            raise


def spent_in(lake: Lake, model: str, runs: Mapping[Stage, str | None]) -> dict[str, Any] | None:
    """What a model's stages took, each in its run; None where none was recorded."""
    if not lake.has(STEPS):
        return None
    found = lake.read(
        f"""select sum(wall_seconds) as wall_seconds, sum(cpu_seconds) as cpu_seconds,
                   sum(gpu_seconds) as gpu_seconds, max(peak_memory_bytes) as peak_memory_bytes,
                   sum(amount) as amount, max(currency) as currency
            from {STEPS} join (select unnest(?::varchar[]) as stage, unnest(?::varchar[]) as run_id)
            using (stage, run_id) where model = ?""",
        [list(runs), list(runs.values()), model],
    ).to_pylist()[0]
    return found if found["wall_seconds"] is not None else None


def totals(
    lake: Lake, by: Sequence[str], *, team: str | None = None, since: date | None = None
) -> list[dict[str, Any]]:
    """What all steps took together, by `team` or by `team` and `model`, and by currency.

    `trained` counts the candidates made, `refused` the evaluations that a gate failed, `failed` the
    steps that ended in an error. `since` is the first UTC day.
    """
    if not lake.has(STEPS):
        return []
    named = ", ".join(by)
    return lake.read(
        f"""select {named}, currency,
                   count(*) filter (stage = 'candidates' and outcome = 'made') as trained,
                   count(*) filter (outcome = 'refused') as refused,
                   count(*) filter (outcome = 'failed') as failed,
                   sum(wall_seconds) as wall_seconds, sum(cpu_seconds) as cpu_seconds,
                   sum(gpu_seconds) as gpu_seconds, max(peak_memory_bytes) as peak_memory_bytes,
                   sum(amount) as amount
            from {STEPS}
            where (?::varchar is null or team = ?) and (?::date is null or ended_at >= ?::date)
            group by all order by all""",
        [team, team, since, since],
    ).to_pylist()
