"""What the demo shows at its end."""

from datetime import date

from rich.console import Console
from rich.table import Table

from mlplat_assets.demo.loop import Loop
from mlplat_assets.demo.plan import MODEL
from mlplat_assets.keys import key
from resources.registry.records import Action


def summary(loop: Loop, screen: Console) -> None:
    """One table: data, models, serving, drift, retraining, decision, audit, where to look next."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, lines in (
        ("data", _data(loop)),
        ("model", _model(loop)),
        ("serving", _serving(loop)),
        ("skew", _skew(loop)),
        ("drift", _drift(loop)),
        ("retraining", _retraining(loop)),
        ("decision", _decision(loop)),
        ("in hindsight", _hindsight(loop)),
        ("audit trail", _audit(loop)),
        ("look next", _next(loop)),
    ):
        facts.add_row(name, "\n".join(lines))
    screen.rule(f"{MODEL}: from raw data to a retrained model")
    screen.print(facts)


def _data(loop: Loop) -> list[str]:
    declared = loop.catalogue
    stages = {
        "raw": declared.sources.values(),
        "features": declared.views.values(),
        "labels": declared.labels.values(),
    }
    counts = {
        stage: loop.graph.partitions([key(stage, d.team, d.name) for d in found])  # type: ignore[arg-type]
        for stage, found in stages.items()
    }
    parts = ", ".join(f"{count:,} {stage}" for stage, count in counts.items())
    made = loop.registry.version(MODEL, 1).lineage
    return [
        f"{sum(counts.values()):,} daily partitions ({parts})",
        f"training set {made['training_set_digest'][:19]}… from lake snapshot "
        f"{made['lake_snapshot']}, as of {made['as_of'][:10]}",
    ]


def _model(loop: Loop) -> list[str]:
    first = loop.registry.version(MODEL, 1)
    rows, metrics = first.evidence["holdout"]["rows"], first.evidence["metrics"]
    baseline = first.evidence["baseline_metrics"]
    handed = loop.graph.instance.fetch_materializations(loop.asset("training_sets"), limit=5)
    counts = [
        event.asset_materialization.metadata["dagster/row_count"].value
        for event in handed.records
        if event.asset_materialization
    ]
    return [
        f"{counts[-1]:,} training rows; holdout {first.evidence['holdout']['first']} to "
        f"{first.evidence['holdout']['last']}, {rows:,} rows",
        f"test AUC {metrics['auc']:.4f} network, {baseline['auc']:.4f} gradient-boosting baseline",
        f"version {first.number}, artefact {first.artifact_digest[:19]}…",
        f"Bento {loop.bento()}",
    ]


def _serving(loop: Loop) -> list[str]:
    return [
        f"{days}: {len(seen.predictions):,} requests, p50 {seen.percentile(0.5):.2f} ms, "
        f"p99 {seen.percentile(0.99):.2f} ms, {seen.missing:,} with an unknown entity"
        for days, seen in loop.traffic.items()
    ]


def _skew(loop: Loop) -> list[str]:
    report = loop.audit()
    compared = sum(feature.compared for feature in report.features)
    matches = sum(feature.matches for feature in report.features)
    return [
        f"{report.predictions:,} predictions replayed against the lake: {matches:,} of "
        f"{compared:,} feature values equal to the last bit"
    ]


def _drift(loop: Loop) -> list[str]:
    found = loop.lake.read(
        """select partition_day, verdict, any_value("rows") as n,
                  coalesce(string_agg("column", ', ') filter (drifted), '') as columns
           from drift.flights__arrival_delay group by 1, 2 order by 1"""
    ).to_pylist()
    lines = []
    for days in loop.traffic:
        inside = [row for row in found if days.first <= row["partition_day"] <= days.last]
        bad = [row for row in inside if row["verdict"] == "DRIFT"]
        lines.append(f"{days}: {len(inside)} days compared, {len(bad)} drifted")
        lines += [f"  {_day(row['partition_day'])} {row['columns']}" for row in bad]
    return lines


def _retraining(loop: Loop) -> list[str]:
    run, request = loop.retraining(), loop.request()
    if run is None or request is None:
        return ["none was launched"]
    asked = request.asked
    benefit = request.evidence.get("benefit") or {}
    return [
        f"request {request.request} for {asked.trigger}: {asked.told}",
        f"would it help: {benefit.get('verdict')}, {benefit.get('told')}",
        f"launched by {loop.graph.tick_of(run)}, run {run.run_id}",
    ]


def _decision(loop: Loop) -> list[str]:
    entry = loop.verdict()
    if entry is None:
        return ["none yet"]
    if entry.action is Action.REFUSED:
        return [f"refused: {entry.reason}"]
    assert entry.version is not None  # a registered version has a number
    evidence = loop.registry.version(MODEL, entry.version).evidence
    mine, champion = evidence["metrics"]["auc"], evidence["champion_metrics"]["auc"]
    held = evidence["holdout"]
    return [
        f"promoted: challenger AUC {mine:.4f}, champion {champion:.4f}, baseline "
        f"{evidence['baseline_metrics']['auc']:.4f}",
        f"all on the same {held['rows']:,} flights of {held['first']} to {held['last']}",
    ]


def _hindsight(loop: Loop) -> list[str]:
    found = loop.lake.read(
        """select partition_day, "rows" as n, auc from performance.flights__arrival_delay
           order by 1"""
    ).to_pylist()
    lines = []
    for days in loop.traffic:
        inside = [row for row in found if days.first <= row["partition_day"] <= days.last]
        labelled = sum(row["n"] for row in inside)
        mean = sum(row["auc"] * row["n"] for row in inside) / labelled
        lines.append(f"{days}: mean daily AUC {mean:.3f} on {labelled:,} landed flights")
    return lines


def _audit(loop: Loop) -> list[str]:
    loop.registry.verify_audit()
    lines = []
    for entry in loop.registry.audit(MODEL):
        # An approval that another process recorded for its giver is the giver's.
        vouched = entry.approver and entry.action is not Action.APPROVED
        approver = f", approved by {entry.approver}" if vouched else ""
        version = f"version {entry.version} " if entry.version else ""
        reason = f": {entry.reason}" if entry.reason else ""
        actor = entry.actor if vouched or not entry.approver else entry.approver
        lines.append(f"{entry.id} {version}{entry.action.value} by {actor}{approver}{reason}")
    return [*lines, "the hash chain verifies"]


def _next(loop: Loop) -> list[str]:
    last = list(loop.traffic.values())[-1].predictions[-1]
    return [
        f"mlplat explain {last}",
        "make dev                 the asset graph at http://127.0.0.1:3001",
        f"mlplat models show {MODEL}",
        f"{loop.settings.home / 'demo.log'}",
    ]


def _day(day: date) -> str:
    return f"{day:%d %b}:"
