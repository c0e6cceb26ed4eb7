"""Where a model's predictions, failures and labels are in the lake, and bringing them there."""

from dataclasses import dataclass
from pathlib import Path

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import table
from mlplat_assets.model_spec import ModelSpec, Task
from mlplat_assets.monitoring.journal_intake import Intake
from mlplat_assets.monitoring.journal_records import (
    FAILURES,
    SHADOWS,
    Failed,
    Predicted,
    Shadowed,
)
from mlplat_assets.references import resolve_label
from resources.lake import Lake


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The lake tables that a rollout of one model is judged by.

    `label` is the table of outcomes, its unit and its column.
    """

    predictions: str
    shadows: str
    failures: str
    label: tuple[str, str, str]
    task: Task


def tables_of(model: Declared[ModelSpec], catalogue: Catalogue) -> Tables:
    """The tables of a model."""
    label = resolve_label(model, catalogue)
    return Tables(
        predictions=table("predictions", model.team, model.name),
        shadows=table("shadow_predictions", model.team, model.name),
        failures=table("failures", model.team, model.name),
        label=(
            table("labels", label.table.team, label.table.name),
            label.table.spec.unit,
            label.column,
        ),
        task=model.spec.task,
    )


def take_in(lake: Lake, journal: Path, model: str, tables: Tables) -> int:
    """Append what the journals hold since the last time; how many rows are new.

    Raises:
        JournalCorrupted: A line is no record.
    """
    intakes = (
        Intake(folder=journal / model, record=Predicted, table=tables.predictions),
        Intake(folder=journal / f"{model}{SHADOWS}", record=Shadowed, table=tables.shadows),
        Intake(folder=journal / f"{model}{FAILURES}", record=Failed, table=tables.failures),
    )
    return sum(intake.run(lake) for intake in intakes)


def journal_bytes(journal: Path, model: str) -> int:
    """How much the model's journals hold: whether there is anything new to look at."""
    folders = (journal / f"{model}{kind}" for kind in ("", SHADOWS, FAILURES))
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*.ndjson"))
