"""Each measure of an experiment as an SQL expression over a prediction `p` and its label `l`."""

from mlplat_assets.experiment_spec import Input
from mlplat_assets.model_spec import Task

# As scikit-learn clips a sure mistake: the rounding of float64.
_EPS = "2.220446049250313e-16"


def measured(measure: str, task: Task, label: str) -> str:
    """The number of one prediction, null while its label is unknown.

    Args:
        measure: As in `experiment_spec.Metric`, checked when the declaration was read.
        task: The model's.
        label: The label's column, a checked name.
    """
    kind, _, column = measure.partition(":")
    if kind == "label":
        return f"l.{column}::double"
    if measure in ("prediction", "latency_ms"):
        return f"p.{measure}::double"
    truth = f"l.{label}"
    if task == "multiclass":
        return _of_classes(measure, truth)
    return {
        "absolute_error": f"abs(p.prediction - {truth}::double)",
        "squared_error": f"(p.prediction - {truth}::double) ** 2",
        # `greatest` would take the bound for an unknown label.
        "log_loss": f"case {truth}::int when 1 then -ln(greatest({_EPS}, p.prediction)) "
        f"when 0 then -ln(greatest({_EPS}, 1 - p.prediction)) end",
        "correct": f"((p.prediction >= 0.5)::int = {truth}::int)::int::double",
    }[measure]


def _of_classes(measure: str, truth: str) -> str:
    """Of the probabilities by class, where a class that the version does not know had 0."""
    given = f"coalesce((p.probabilities::json ->> {truth}::varchar)::double, 0)"
    if measure == "log_loss":
        found = f"-ln(greatest({_EPS}, {given}))"
    else:  # the journal's prediction is the probability of the class that was answered
        found = f"({given} >= p.prediction)::int::double"
    return f"case when {truth} is not null then {found} end"


def input_value(covariate: Input) -> str:
    """A numeric input as the service had it; null where it was missing."""
    path = f"'{covariate.column}'"
    found = ", ".join(f"p.{part}::json ->> {path}" for part in ("context", "features"))
    return f"coalesce({found})::double"
