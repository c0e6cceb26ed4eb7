"""What is wrong with a declared experiment, found when it is read."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from mlplat_assets.discovery import Catalogue, DeclarationError, Declared
from mlplat_assets.experiment_spec import LABELLED, MEASURES, Experiment, Input, Metric, PrePeriod
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import resolve_features, resolve_label
from mlplat_assets.spec import NUMERIC

# Where, what is wrong, and what to do.
Problem = tuple[str, str, str]

# As the traffic table names variants; the one of the production version is no arm of it.
_VARIANT = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_BUCKETS_OF_PERCENT = 100


def check_experiment(experiment: Declared[Experiment], declared: Catalogue) -> None:
    """Refuse an experiment that could never be decided, or that names what is not there.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    model = declared.models.get(experiment.spec.model)
    if model is None:
        known = ", ".join(sorted(declared.models)) or "none"
        raise DeclarationError(
            experiment.file,
            "model",
            f"{experiment.spec.model!r} is not declared",
            f"Write team.name of one of: {known}.",
        )
    for problem in _problems(experiment.spec, model, declared):
        raise DeclarationError(experiment.file, *problem)


def metrics_of(spec: Experiment) -> list[tuple[str, Metric]]:
    """Every metric of an experiment with the field that declares it, the primary one first."""
    guards = [(f"guardrails[{n}].metric", each.metric) for n, each in enumerate(spec.guardrails)]
    others = [(f"secondary[{n}]", each) for n, each in enumerate(spec.secondary)]
    return [("primary", spec.primary), *guards, *others]


def _problems(spec: Experiment, model: Declared[ModelSpec], all_: Catalogue) -> Iterable[Problem]:
    yield from _of_plan(spec)
    yield from _of_days(spec)
    yield from _of_arms(spec)
    label = resolve_label(model, all_).table.spec
    if label.unit in model.spec.serving.journal.redact:
        fact = f"the journal of {model.full_name} keeps no {label.unit!r}"
        yield "model", fact, "Take it out of serving.journal.redact: outcomes are joined by it."
    columns = {column.name: column.dtype for column in label.columns}
    seen: set[str] = set()
    for where, metric in metrics_of(spec):
        yield from _of_metric(where, metric, model, columns)
        if metric.measure in seen:
            yield f"{where}.measure", f"{metric.measure!r} is a metric already", "Name it once."
        seen.add(metric.measure)
    for place, guardrail in enumerate(spec.guardrails):
        if not _is_above_zero(guardrail.margin):
            yield (
                f"guardrails[{place}].margin",
                f"{guardrail.margin} can never be shown to hold",
                "Give how much worse is acceptable, above 0, in the metric's units.",
            )
    yield from _of_covariate(spec.covariate, model, all_)


def _of_days(spec: Experiment) -> Iterable[Problem]:
    for where in ("first_day", "last_day"):
        found = getattr(spec, where)
        if not isinstance(found, date) or isinstance(found, datetime):
            yield where, f"{found!r} is no day", "Write date(2013, 1, 31)."
            return
    if spec.last_day < spec.first_day:
        yield "last_day", f"{spec.last_day} is before {spec.first_day}", "Swap or correct them."


def _of_plan(spec: Experiment) -> Iterable[Problem]:
    if not spec.hypothesis.strip():
        yield "hypothesis", "is empty", "Write what is expected, and why, in a sentence."
    if not _is_above_zero(spec.effect):
        yield "effect", f"{spec.effect} is nothing to find", "Give a difference above 0."
    if not 0 < spec.alpha <= 0.2:
        yield "alpha", f"{spec.alpha} is no chance of a false find", "Give one above 0, up to 0.2."
    if not 0.5 <= spec.power < 1:
        yield "power", f"{spec.power} is no power to plan with", "Give one from 0.5 to below 1."
    buckets = spec.holdout * _BUCKETS_OF_PERCENT
    if not 0 <= spec.holdout < 100 or abs(buckets - round(buckets)) > 1e-6:
        yield "holdout", f"{spec.holdout} is no share", "Give percent below 100, by 0.01."


def _of_arms(spec: Experiment) -> Iterable[Problem]:
    if not spec.arms:
        yield "arms", "is empty", "Name the variants that are compared with the control."
    for name in (*spec.arms, spec.control):
        if not _VARIANT.fullmatch(name):
            yield (
                "arms",
                f"{name!r} is no variant",
                "Write a name of `mlplat traffic show`: a-z, 0-9, _ and -, a letter first.",
            )
        if (*spec.arms, spec.control).count(name) > 1:
            yield "arms", f"{name!r} is compared with itself", "Name each arm once."


def _of_metric(
    where: str, metric: Metric, model: Declared[ModelSpec], columns: Mapping[str, str]
) -> Iterable[Problem]:
    where, table = f"{where}.measure", model.spec.label.partition(":")[0]
    kind, _, column = metric.measure.partition(":")
    if kind == "label":
        usable = [name for name, dtype in columns.items() if dtype in (*NUMERIC, "bool")]
        if column not in usable:
            fact = f"{column!r} is no number or flag of label {table}"
            yield where, fact, f"Use one of {', '.join(usable)}."
    elif metric.measure not in MEASURES:
        known = f"{', '.join(MEASURES)}, or label:column"
        yield where, f"{metric.measure!r} is unknown", f"Use one of {known}."
    elif metric.measure in LABELLED and metric.measure not in _of_task(model.spec):
        known = ", ".join(_of_task(model.spec))
        fact = f"a {model.spec.task} model has no {metric.measure}"
        yield where, fact, f"Use one of {known}."
    right = MEASURES.get(metric.measure) or metric.better
    if metric.better not in ("higher", "lower") or metric.better != right:
        fact = f"{metric.better!r} is not the better end of {metric.measure}"
        yield where.replace(".measure", ".better"), fact, f"Write {right!r}."


def _of_task(spec: ModelSpec) -> tuple[str, ...]:
    return {
        "regression": ("absolute_error", "squared_error"),
        "binary": ("absolute_error", "squared_error", "log_loss", "correct"),
        "multiclass": ("log_loss", "correct"),
    }[spec.task]


def _of_covariate(
    covariate: PrePeriod | Input | None, model: Declared[ModelSpec], declared: Catalogue
) -> Iterable[Problem]:
    if isinstance(covariate, PrePeriod) and covariate.days < 1:
        yield "covariate.days", f"{covariate.days} is no period", "Give the days before, 1 or more."
    if isinstance(covariate, Input):
        features = {f.column: f.feature.dtype for f in resolve_features(model, declared)}
        fields = {field.name: field.dtype for field in model.spec.context}
        redacted = model.spec.serving.journal.redact
        usable = [
            name
            for name, dtype in {**features, **fields}.items()
            if dtype in NUMERIC and name not in redacted
        ]
        if covariate.column not in usable:
            fact = f"{covariate.column!r} is no numeric input that the journal keeps"
            yield "covariate.column", fact, f"Use one of {', '.join(usable)}."


def _is_above_zero(number: float) -> bool:
    return math.isfinite(number) and number > 0
