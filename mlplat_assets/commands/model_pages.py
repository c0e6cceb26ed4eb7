"""Pages of `mlplat models`: a model, a version, the log."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.origin import origin
from mlplat_assets.commands.output import (
    Cell,
    add,
    cell_text,
    duration,
    facts,
    heading,
    moment,
    short,
    stage_text,
    table,
)
from mlplat_assets.commands.registered import (
    approval_table,
    by_whom,
    gates_of,
    metrics_of,
    require_registered,
    unknown_model,
)
from mlplat_assets.commands.stores import NotThereYet, opened_registry
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import METRICS, Gate, ModelSpec
from resources.registry.records import Action, AuditEntry, Stage, Version
from resources.settings import REPOSITORY, Settings

_SHOWN = 20
# Entries about a model as a whole; without a version they are no candidate's.
_OF_A_MODEL = (
    Action.TRAFFIC_CHANGED,
    Action.ALERT_ACKNOWLEDGED,
    Action.ALERT_SILENCED,
    Action.ALERT_UNSILENCED,
)
_REFUSALS = (Action.REFUSED, Action.DENIED, Action.REJECTED, Action.BREAK_GLASS)


def show_model(settings: Settings, console: Console, name: str) -> None:
    """What a model declares, and its versions."""
    declared = catalogue()
    count, versions = _newest(settings, name)
    if name not in declared.models and not versions:
        raise unknown_model(name, declared.models)
    console.print(Text(name, style="bold"))
    if name in declared.models:
        console.print(facts(_declaration(declared.models[name], declared)))
    if not versions:
        console.print("\nNo version is registered yet.", style="dim")
        return
    metrics = list(dict.fromkeys(gate["metric"] for v in versions for gate in gates_of(v)))
    made = table(
        "VERSION", "STAGE", "REGISTERED UTC", *(name.upper() for name in metrics), "CODE",
        "TRAINING SET", "AUTHOR", right=("VERSION", *(name.upper() for name in metrics)),
    )  # fmt: skip
    for v in reversed(versions):
        add(
            made,
            v.number,
            stage_text(v.stage),
            moment(v.created_at),
            *(metrics_of(v).get(metric) for metric in metrics),
            short(v.lineage.get("code_commit"), 8),
            short(v.lineage.get("training_set_digest")),
            v.author,
        )
    console.print(heading("Versions"))
    console.print(made)
    if count > len(versions):
        console.print(f"\nThe newest {len(versions)} of {count:,}.", style="dim")


def _newest(settings: Settings, name: str) -> tuple[int, list[Version]]:
    """How many versions a model has, and the newest of them."""
    try:
        with opened_registry(settings) as registry:
            return registry.count(name), registry.versions(name, limit=_SHOWN)
    except NotThereYet:
        return 0, []


def show_version(settings: Settings, console: Console, name: str, number: int) -> None:
    """One version: where it comes from, what it proved, what happened to it."""
    with opened_registry(settings) as registry:
        require_registered(registry, name)
        version = registry.version(name, number)
        entries = registry.audit(name, version=number)
        verdicts = registry.approvals(name, number)
    console.print(Text(f"{name} version {number}", style="bold"))
    console.print(facts(origin(version, entries)))
    if partitions := version.lineage.get("partitions"):
        made = table("LAKE TABLE", "FIRST DAY", "LAST DAY", "DAYS", "DATA VERSION", right=("DAYS",))
        for part in partitions:
            add(made, *(part.get(key) for key in ("table", "first", "last", "days", "digest")))
        console.print(heading("Trained on"))
        console.print(made)
    console.print(heading("Gates"))
    console.print(_gate_table(version))
    console.print(heading("Metrics on the holdout"))
    console.print(_metric_table(version))
    if verdicts:
        console.print(heading("Approvals"))
        console.print(approval_table(verdicts))
    console.print(heading("History"))
    console.print(log_table(entries))


def log_table(entries: Sequence[AuditEntry], with_model: bool = False) -> Table:
    """Audit entries, oldest first."""
    made = table("#", "AT UTC", "WHAT", "ACTOR, ✓ APPROVER", "REASON", right=("#",))
    for entry in entries:
        what = _what(entry)
        add(
            made,
            entry.id,
            moment(entry.at),
            Text(f"{entry.model}\n") + what if with_model and entry.model else what,
            _who(entry),
            entry.reason,
        )
    return made


def _who(entry: AuditEntry) -> Text:
    """The actor, with the role of the token where there was one, and whose approval it is."""
    actor = by_whom(entry.actor, entry.role) if entry.role else Text(entry.actor)
    if entry.approver is None:
        return actor
    mark, style = ("✗", "red") if entry.action is Action.REJECTED else ("✓", "green")
    return actor + Text(f"\n{mark} {entry.approver}", style=style)


def _what(entry: AuditEntry) -> Text:
    """`version 2 promoted`, or `candidate refused` of one that was never registered."""
    if entry.action is Action.ROLLED_BACK:
        return Text(f"rolled back to version {entry.version}", style="green")
    if not entry.model or (entry.action in _OF_A_MODEL and not entry.version):
        return Text(entry.action.replace("_", " "))
    subject = f"version {entry.version}" if entry.version else "candidate"
    style = "red" if entry.action in _REFUSALS else ""
    if entry.to_stage is Stage.PRODUCTION:
        style = "green"
    return Text(f"{subject} {entry.action.replace('_', ' ')}", style=style)


def _declaration(model: Declared[ModelSpec], declared: Catalogue) -> dict[str, Cell]:
    spec = model.spec
    return {
        "task": f"{spec.task}, of {spec.label}",
        "owner": declared.owner(model),
        "approvers": _approvers(spec),
        "features": ", ".join(spec.features),
        "gates": "; ".join(_gate_text(gate, spec) for gate in spec.gates),
        "retrains": _retrains(spec),
        "declared in": str(model.file).removeprefix(f"{REPOSITORY}/"),
    }


def _approvers(spec: ModelSpec) -> str:
    needed = spec.approval.required
    asked = f"{needed} of " if needed > 1 else ""
    return f"{asked}{', '.join(spec.approvers)}; each for {duration(spec.approval.valid)}"


def _retrains(spec: ModelSpec) -> str:
    retrain = spec.retrain
    on_drift = "when a check of drift or performance begins to fail" if retrain.on_drift else ""
    by_cron = f"at cron {retrain.cron} (UTC)" if retrain.cron else ""
    oldest = duration(spec.monitoring.version_age)
    by_age = f"when older than {oldest}" if oldest else ""
    told = ", ".join(filter(None, (on_drift, by_cron, by_age))) or "when a person asks"
    held = f"at most {retrain.budget} in 30 days, {duration(retrain.cooldown) or 'nothing'} apart"
    return f"{told}; {held}{'; with approval' if retrain.approval else ''}"


def _gate_text(gate: Gate, spec: ModelSpec) -> str:
    bound = "at least" if METRICS[spec.task][gate.metric] == "higher" else "at most"
    parts = [] if gate.floor is None else [f"{bound} {gate.floor:g}"]
    if gate.margin is not None:
        slack = f" by more than {gate.margin:g}" if gate.margin else ""
        parts.append(f"not behind the champion{slack}")
    return f"{gate.metric} {', '.join(parts)}"


def _gate_table(version: Version) -> Table:
    made = table(
        "METRIC", "VALUE", "BOUND", "CHAMPION", "VERDICT", right=("VALUE", "BOUND", "CHAMPION")
    )
    for gate in gates_of(version):
        passed = gate.get("passed") is True
        verdict = Text("✓ " if passed else "✗ ", style="green" if passed else "bold red")
        add(
            made,
            gate.get("metric"),
            gate.get("value"),
            gate.get("floor"),
            gate.get("champion"),
            verdict + cell_text(gate.get("reason")),
        )
    return made


def _metric_table(version: Version) -> Table:
    evidence = version.evidence
    champion = evidence.get("champion_version")
    compared = {
        f"VERSION {version.number}": metrics_of(version),
        f"VERSION {champion} THEN" if champion else "NO CHAMPION THEN": evidence.get(
            "champion_metrics"
        ),
        "BASELINE": evidence.get("baseline_metrics"),
    }
    made = table("METRIC", *compared, right=compared)
    for metric in metrics_of(version):
        add(made, metric, *((values or {}).get(metric) for values in compared.values()))
    return made
