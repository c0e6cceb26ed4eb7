"""The model card of an evaluation, after Mitchell et al. 2019 ("Model Cards for Model Reporting").

From the evidence and the artefact's own card.json alone, so that it says what was recorded.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.evaluations.card_pages import (
    Approvals,
    Block,
    Document,
    Grid,
    Plot,
    Points,
    markdown,
    page,
)
from resources.artifacts import ArtifactStore

MARKDOWN, PAGE = "card.md", "card.html"
SHOWN_INPUTS = 20


def model_card(
    model: Declared[ModelSpec],
    owner: str,
    evidence: Mapping[str, Any],
    artefact: Mapping[str, Any],
    plots: Mapping[str, bytes],
) -> Document:
    """The card; `artefact` is its card.json, `plots` are PNGs by the section they belong to."""
    sections: dict[str, Sequence[Block]] = {
        "Model details": [_details(model, owner, evidence, artefact)],
        "Intended use": _use(model),
        "Data": _data(evidence, artefact),
        "Metrics": [*_metrics(evidence)],
        "Slices": [*_slices(evidence["slices"])],
        "Fairness": [*_fairness(evidence["fairness"])],
        "Calibration": [_calibration(evidence)],
        "Importance of inputs": _importance(evidence["importance"]),
        "Latency and size": [_footprint(evidence["footprint"])],
        "Gates and verdicts": [*_verdicts(evidence)],
        "Limits": [Points(texts=evidence["limits"] or ["None was found by the evaluation."])],
        "Approvals": [Approvals()],
    }
    for section, png in plots.items():
        sections[section] = [*sections[section], Plot(title=section, png=png)]
    return Document(title=f"Model card: {model.full_name}", sections=sections)


def store_card(document: Document, artifacts: ArtifactStore) -> str:
    """Keep both forms of a card under one digest."""
    with tempfile.TemporaryDirectory(prefix="mlplat-") as scratch:
        folder = Path(scratch)
        (folder / MARKDOWN).write_text(markdown(document), encoding="utf-8")
        (folder / PAGE).write_text(page(document), encoding="utf-8")
        return artifacts.put_folder(folder)


def _details(
    model: Declared[ModelSpec],
    owner: str,
    evidence: Mapping[str, Any],
    artefact: Mapping[str, Any],
) -> Grid:
    lineage = artefact["lineage"]
    dirty = " with uncommitted changes" if lineage.get("code_dirty") else ""
    champion = evidence["champion_version"]
    return _facts(
        {
            "model": model.full_name,
            "task": f"{model.spec.task}, of {model.spec.label}",
            "owner": owner,
            "made by": lineage.get("author"),
            "trainer": lineage.get("trainer"),
            "hyperparameters": _pairs(lineage.get("hyperparameters", {})),
            "seed": lineage.get("seed"),
            "artefact": evidence["artifact_digest"],
            "code commit": f"{lineage.get('code_commit')}{dirty}",
            "environment": lineage.get("environment_digest"),
            "compared with": f"version {champion}" if champion else "no champion yet",
            "evaluated at": evidence["evaluated_at"],
        }
    )


def _use(model: Declared[ModelSpec]) -> list[Block]:
    said = model.docstring or "The declaration says nothing."
    inputs = [*model.spec.features, *model.spec.entity_features]
    inputs += [f"{field.name} ({field.description})" for field in model.spec.context]
    return [*said.split("\n\n"), f"Inputs: {', '.join(inputs)}."]


def _data(evidence: Mapping[str, Any], artefact: Mapping[str, Any]) -> list[Block]:
    lineage, training = artefact["lineage"], artefact["training"]
    spans = Grid(
        header=("part", "first day", "last day", "rows"),
        rows=[
            (name, span["first"], span["last"], f"{training['rows'][name]:,}")
            for name, span in training["periods"].items()
        ],
    )
    digests = _facts(
        {
            "training set": evidence["training_set_digest"],
            "lake snapshot": lineage.get("lake_snapshot"),
            "definitions": lineage.get("definitions_digest"),
            **{f"view {name}": given for name, given in lineage.get("views", {}).items()},
            **{f"on demand {name}": given for name, given in lineage.get("on_demand", {}).items()},
        }
    )
    return [spans, digests]


def _metrics(evidence: Mapping[str, Any]) -> list[Block]:
    intervals, differences = evidence["intervals"], evidence["differences"]
    header = ["metric"]
    for who in intervals:
        header += [who] if who == "candidate" else [who, f"candidate minus {who}"]
    rows = []
    for name in intervals["candidate"]:
        row = [name]
        for who, own in intervals.items():
            row.append(_interval(own[name]))
            if who != "candidate":
                row.append(_interval(differences[who][name], "+"))
        rows.append(row)
    method, held = evidence["method"], evidence["holdout"]
    how = (
        f"95% intervals on the same {held['rows']:,} rows of {held['first']} to {held['last']} for "
        f"every predictor. What is drawn anew is the {method['unit']}: {method['units']:,} of "
        f"them. AUC by {method['auc']}; accuracy by {method['accuracy']}; all else by "
        f"{method['others']}, {method['resamples']} resamples, seed {method['seed']}."
    )
    return [Grid(header=tuple(header), rows=rows), how, *_apart(evidence.get("answers_apart"))]


def _apart(found: Mapping[str, Any] | None) -> list[Block]:
    if found is None:
        return []
    shift, psi = _interval(found["shift"], "+"), _interval(found["psi"])
    told = f"In an hour, answers are {shift} of the champion's standard deviations off, PSI {psi}"
    return [f"{told}: the median and 95% of the hours, which a rollout expects."]


def _slices(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    if not found:
        return ["None is declared."]
    metric = found[0]["metric"]
    rows = []
    for each in found:
        own = each["metrics"]
        rows.append(
            (
                f"{each['column']} {each['value']}",
                f"{each['rows']:,}",
                *(_interval(own.get(who)) for who in ("candidate", "champion")),
                _interval(each["difference"], "+"),
                each["verdict"] or ("reported" if own else "too small or one class"),
            )
        )
    header = ("slice", "rows", f"candidate {metric}", "champion", "difference", "verdict")
    return [Grid(header=header, rows=rows)]


def _fairness(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    blocks: list[Block] = []
    for each in found:
        rows = [
            (group["value"], f"{group['rows']:,}", _interval(group["share"]))
            for group in each["groups"]
        ]
        blocks += [
            f"{each['reason']}. Decided positive from probability {each['threshold']:.4g} on: "
            f"{each['verdict']}.",
            Grid(header=(each["column"], "rows that count", "share decided positive"), rows=rows),
        ]
    return blocks or ["None is declared."]


def _calibration(evidence: Mapping[str, Any]) -> str:
    found = evidence["intervals"]["candidate"].get("ece")
    if found is None:
        return "A regression has none; predicted and actual values are under Metrics."
    return (
        f"Expected calibration error {_interval(found)} over ten bins of equal mass; a perfectly "
        f"calibrated model would show about {evidence['calibration_noise']:.4f} on as many rows. "
        "The reliability curve is under Metrics."
    )


def _importance(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Block]:
    def grid(name: str, part: Sequence[Mapping[str, Any]]) -> Grid:
        rows = [(each["name"], _interval({**each, "estimate": each["loss"]}, "+")) for each in part]
        return Grid(header=(name, "loss when permuted, least and greatest"), rows=rows)

    inputs = found["inputs"][:SHOWN_INPUTS]
    return [
        "What the primary metric loses when a column is shuffled among the rows, by the served "
        f"predictor; the first {len(inputs)} of {len(found['inputs'])} inputs.",
        grid("feature view", found["views"]),
        grid("input", inputs),
    ]


def _footprint(found: Mapping[str, float]) -> Grid:
    return _facts(
        {
            "one row, p50": f"{found['latency_p50_ms']:.3g} ms",
            "one row, p99": f"{found['latency_p99_ms']:.3g} ms",
            "rows a second, 1,000 at once": f"{found['rows_per_second']:,.0f}",
            "files": f"{found['megabytes']:.3g} MB",
        }
    )


def _verdicts(evidence: Mapping[str, Any]) -> list[Block]:
    rows = [(f"gate {each['metric']}", each) for each in evidence["gates"]]
    rows += [(f"slice {each['column']} {each['value']}", each) for each in evidence["slices"]]
    rows += [(f"fairness {each['column']}", each) for each in evidence["fairness"]]
    rows += [(f"budget {each['name']}", each) for each in evidence["budget"]]
    judged = [(name, each["verdict"], each["reason"]) for name, each in rows if each["verdict"]]
    whole = Verdict.PASS if evidence["passed"] else "not passed"
    return [
        Grid(header=("held", "verdict", "why"), rows=judged),
        f"Whole: {whole}. INCONCLUSIVE is not a pass.",
    ]


def _facts(named: Mapping[str, object]) -> Grid:
    rows = [(name, "-" if value is None else str(value)) for name, value in named.items()]
    return Grid(header=("", ""), rows=rows)


def _pairs(named: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _interval(found: Mapping[str, float] | None, sign: str = "") -> str:
    if found is None:
        return "-"
    estimate, low, high = (f"{found[end]:{sign}.4f}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"
