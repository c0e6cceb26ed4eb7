"""`mlplat traffic audit`: every recorded prediction against the table that routed it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, counted, heading, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import NotThereYet, opened_lake, opened_registry
from mlplat_assets.monitoring.assignment import AssignmentReport, compare, recorded
from resources.lake import Lake
from resources.settings import Settings


def audit(settings: Settings, console: Console, name: str) -> bool:
    """Print the audit of a model's assignments; whether all of them agree."""
    with opened_registry(settings) as registry, _lake_if_any(settings) as lake:
        require_registered(registry, name)
        rows = recorded(lake, settings.journal / name, name)
        report = compare(rows, lambda revision: registry.traffic_at(name, revision))
    _print(console, name, report)
    return not report.differences


@contextmanager
def _lake_if_any(settings: Settings) -> Iterator[Lake | None]:
    """The lake; None before anything was written to it, when all predictions are journalled."""
    try:
        with opened_lake(settings) as lake:
            yield lake
    except NotThereYet:
        yield None


def _print(console: Console, name: str, report: AssignmentReport) -> None:
    agreed = report.agreed.total()
    is_whole = not report.differences
    console.print(
        Text("✓ " if is_whole else "✗ ", style="green" if is_whole else "bold red")
        + Text(name, style="bold")
        + Text(f": {counted(report.compared, 'prediction')} recomputed, {agreed:,} agree")
        + Text(f" ({agreed / report.compared:.4%})." if report.compared else ".")
    )
    if report.unrecorded:
        told = counted(report.unrecorded, "prediction")
        console.print(f"  {told} without bucket, revision or unit id: not compared.", style="dim")
    made = table("VARIANT", "PREDICTIONS", right=("PREDICTIONS",))
    for variant, number in sorted(report.agreed.items()):
        add(made, variant, f"{number:,}")
    if report.agreed:
        console.print(made)
    if is_whole:
        return
    console.print(heading("Differences"))
    made = table("WHAT", "PREDICTIONS", right=("PREDICTIONS",))
    for what, number in report.differences.most_common():
        add(made, what, f"{number:,}")
    console.print(made)
    console.print(heading("Examples"))
    made = table("PREDICTION", "UNIT", "REVISION", "BUCKET", "VARIANT", "VERSION", "WHAT")
    for each in report.examples:
        row = each.assigned
        add(made, row.prediction_id, row.unit_id, row.revision, row.bucket, row.variant,
            row.version, each.what)  # fmt: skip
    console.print(made)
