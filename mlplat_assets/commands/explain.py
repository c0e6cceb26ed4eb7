"""`mlplat explain`: one prediction, and everything that determined it."""

import json
from dataclasses import asdict
from datetime import date

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import (
    Cell,
    add,
    commit,
    facts,
    heading,
    moment,
    stage_text,
    table,
)
from mlplat_assets.commands.registered import approval_table
from mlplat_assets.commands.stores import opened_lake, opened_registry
from mlplat_assets.monitoring.explanation import Explanation, explain
from resources.settings import Settings


def explain_prediction(
    settings: Settings, console: Console, prediction_id: str, *, as_json: bool
) -> None:
    """Print the explanation of a prediction, for people or as one JSON document."""
    with opened_registry(settings) as registry, opened_lake(settings) as lake:
        found = explain(prediction_id, lake, registry, settings.journal)
    if as_json:
        # Not through the console, which would break long lines.
        console.file.write(json.dumps(asdict(found), default=_iso, indent=2) + "\n")
        return
    print_explanation(console, found)


def _answer(found: Explanation) -> str:
    """The number that was predicted, or the class and the probability of it."""
    if not found.probabilities:
        return f"{found.prediction:.4g}"
    name = max(found.probabilities, key=lambda known: found.probabilities[known])
    return f"{name} (probability {found.prediction:.4g} of {len(found.probabilities)} classes)"


def print_explanation(console: Console, found: Explanation) -> None:
    """The explanation for people."""
    console.print(Text(f"Prediction {found.prediction_id}", style="bold"))
    console.print(
        Text(_answer(found), style="bold green")
        + Text(f" by {found.model} version {found.version}, served ")
        + Text(f"{found.served_at:%Y-%m-%d %H:%M:%S} UTC in {found.latency_ms:.3g} ms")
    )
    console.print(heading("Version"))
    console.print(facts(_version(found)))
    if found.approvals:
        console.print(heading("Approvals"))
        console.print(approval_table(found.approvals))
    console.print(heading("Feature rows"))
    rows = table(
        "VIEW", "EVENT TIME UTC", "PARTITION", "DATA VERSION THEN", "SNAPSHOT", right=("SNAPSHOT",)
    )
    for view in found.views:
        digest = view.digest and Text(view.digest) + Text(
            " (changed since)" if view.changed_since else "", style="yellow"
        )
        partition = view.partition and view.partition.isoformat()
        add(rows, view.view, moment(view.event_timestamp), partition, digest, view.snapshot)
    console.print(rows)
    console.print(heading("Inputs"))
    _print_inputs(console, found)


def _version(found: Explanation) -> dict[str, Cell]:
    dirty = {"code_commit": found.code_commit, "code_dirty": found.code_dirty}
    chosen = None if found.bucket is None else f"bucket {found.bucket:,}"
    if chosen and found.revision is not None:
        chosen += f" by revision {found.revision} of the traffic table"
    known = {"chosen": chosen, "client": found.client, "trace": found.trace_id}
    known["stream"] = found.stream
    return {
        "model": f"{found.model} version {found.version}, as {found.variant}",
        **{name: cell for name, cell in known.items() if cell is not None},
        "stage then": stage_text(found.stage),
        "approver": found.approver,
        "author": found.author,
        "run": found.run_id,
        "artefact": found.artifact_digest,
        "Bento": found.bento,
        "training set": found.training_set_digest,
        "lake snapshot": found.lake_snapshot,
        "code commit": commit(dirty),
    }


def _print_inputs(console: Console, found: Explanation) -> None:
    about = {"event time": f"{moment(found.event_timestamp)} UTC", "unit": found.unit_id}
    if "store" in found.flags:
        about["online store"] = f"{found.flags['store']}: declared defaults were taken"
    console.print(facts(about))
    console.print()
    made = table("INPUT", "VALUE", "FROM", right=("VALUE",))
    for source, values in (
        ("entity key", found.entities),
        ("request", found.context),
        ("request, as a feature", found.given),
    ):
        for name, value in values.items():
            flag = found.flags.get(name)
            add(made, name, value, Text(source) + Text(f"  {flag}" if flag else "", style="yellow"))
    origins = [(view, view.view) for view in found.views]
    origins += [(each, f"{each.view}, on demand by {each.digest}") for each in found.computed]
    for source, origin in origins:
        for name, value in source.values.items():
            status = source.statuses[name]
            missing = "" if status == "PRESENT" else f"  {status}"
            add(made, name, value, Text(origin) + Text(missing, style="yellow"))
    console.print(made)


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
