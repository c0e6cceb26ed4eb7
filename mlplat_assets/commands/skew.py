"""`mlplat features audit`: whether what was served is what the lake has."""

import difflib
import json
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.output import add, counted, heading, moment, table
from mlplat_assets.commands.stores import opened_lake
from mlplat_assets.monitoring.skew import SkewReport, audit
from resources.settings import Settings


def audit_model(
    settings: Settings, console: Console, name: str, *, sample: int, as_json: bool
) -> None:
    """Print the audit of a model's logged predictions, for people or as one JSON document.

    Raises:
        LookupError: There is no such model, or it logged no prediction.
    """
    declared = catalogue()
    if name not in declared.models:
        close = difflib.get_close_matches(name, declared.models, n=1)
        remedy = f"did you mean {close[0]}?" if close else "`mlplat models list` shows them"
        raise LookupError(f"{name!r} is no model; {remedy}")
    with opened_lake(settings) as lake:
        report = audit(lake, declared.models[name], declared, sample)
    if as_json:
        # Not through the console, which would break long lines.
        console.file.write(json.dumps(asdict(report), default=str, indent=2) + "\n")
        return
    _print(console, report)


def _print(console: Console, report: SkewReport) -> None:
    compared = sum(one.compared for one in report.features)
    matches = sum(one.matches for one in report.features)
    console.print(
        Text(report.model, style="bold")
        + Text(f"  {counted(report.predictions, 'prediction')} replayed against snapshot ")
        + Text(f"{report.lake_snapshot}: ")
        + Text(
            f"{matches:,} of {compared:,} values match exactly ({_percent(matches, compared)})",
            style="green" if report.exact else "bold red",
        )
    )
    made = table("FEATURE", "COMPARED", "EXACT", "RATE", "WHY NOT",
                 right=("COMPARED", "EXACT", "RATE"))  # fmt: skip
    for one in report.features:
        why = ", ".join(f"{number} {reason}" for reason, number in one.reasons.items())
        rate = Text(_percent(one.matches, one.compared), style="bold red" if why else "")
        add(made, one.feature, one.compared, one.matches, rate, why)
    console.print(made)
    if report.exact:
        return
    examples = table("FEATURE", "PREDICTION", "AT UTC", "SERVED", "OF UTC", "LAKE", "OF UTC", "WHY")
    for one in report.features:
        for each in one.examples:
            add(
                examples, one.feature, each.prediction_id[:8], moment(each.event_timestamp),
                _shown(each.served), moment(each.served_time), _shown(each.lake),
                moment(each.lake_time), each.reason.value,
            )  # fmt: skip
    console.print(heading("Examples"))
    console.print(examples)


def _percent(part: int, whole: int) -> str:
    """A share of 100 that reads 100% only when nothing is missing."""
    if part == whole:
        return "100%"
    return f"{min(part / whole * 100, 99.99):.2f}%"


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)
