"""What is wrong with what a model declares about its evaluation, found when it is read."""

from collections.abc import Iterable, Sequence
from typing import get_args, get_type_hints

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import Fairness, ModelSpec, Slice
from mlplat_assets.references import AnyFeature, LabelColumn
from mlplat_assets.spec import NUMERIC, DType

# Where, what is wrong, and what to do.
Problem = tuple[str, str, str]


def check_evaluation(
    model: Declared[ModelSpec], features: Sequence[AnyFeature], label: LabelColumn
) -> None:
    """Refuse gates that hold nothing, slices and groups that no row has, bounds that none meets.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    columns = _columns(model.spec, features, label)
    for problem in _problems(model.spec, columns):
        raise DeclarationError(model.file, *problem)


def _columns(
    spec: ModelSpec, features: Sequence[AnyFeature], label: LabelColumn
) -> dict[str, DType]:
    """Name and type of every column of the holdout that a slice may name."""
    described = {field.name: field for field in label.table.spec.columns}
    fields = [described[name] for name in label.table.spec.entities if name in described]
    found: dict[str, DType] = {field.name: field.dtype for field in (*fields, *spec.context)}
    found.update({feature.column: feature.feature.dtype for feature in features})
    return found


def _problems(spec: ModelSpec, columns: dict[str, DType]) -> Iterable[Problem]:
    for gate in spec.gates:
        if gate.floor is None and gate.margin is None:
            yield "gates", f"{gate.metric!r} bounds nothing", "Give it a floor or a margin."
    for place, each in enumerate(spec.slices):
        yield from _of_slice(f"slices[{place}]", each, columns)
    for place, each in enumerate(spec.fairness):
        yield from _of_fairness(f"fairness[{place}]", each, spec, columns)
    for name in ("latency_ms", "megabytes"):
        bound = getattr(spec.budget, name)
        if bound is not None and not bound > 0:
            yield f"budget.{name}", f"{bound} is met by nothing", "Give a number above 0."


def _of_slice(where: str, wanted: Slice, columns: dict[str, DType]) -> Iterable[Problem]:
    yield from _of_part(where, wanted, columns)
    numeric = columns.get(wanted.column) in NUMERIC
    if wanted.column in columns and numeric != bool(wanted.edges):
        yield (
            f"{where}.edges",
            f"{wanted.column!r} is {columns[wanted.column]} and edges are {wanted.edges}",
            "Cut a number by edges such as (10, 16); leave them out for anything else.",
        )
    if any(low >= high for low, high in zip(wanted.edges, wanted.edges[1:], strict=False)):
        yield f"{where}.edges", f"{wanted.edges} do not ascend", "Sort them, each once."


def _of_fairness(
    where: str, wanted: Fairness, spec: ModelSpec, columns: dict[str, DType]
) -> Iterable[Problem]:
    yield from _of_part(where, wanted, columns)
    if spec.task != "binary":
        yield where, f"a {spec.task} model decides nothing by a threshold", "Leave it out."
    known = get_args(get_type_hints(Fairness)["metric"])
    if wanted.metric not in known:
        yield f"{where}.metric", f"{wanted.metric!r} is unknown", f"Use {' or '.join(known)}."
    if not 0 < wanted.limit <= 1:
        yield f"{where}.limit", f"{wanted.limit} is no gap of shares", "Give one above 0, up to 1."
    if wanted.threshold is not None and not 0 < wanted.threshold < 1:
        yield (
            f"{where}.threshold",
            f"{wanted.threshold} is no probability that decides",
            "Give one between 0 and 1, or leave it out.",
        )


def _of_part(where: str, wanted: Slice | Fairness, columns: dict[str, DType]) -> Iterable[Problem]:
    if wanted.column not in columns:
        yield (
            f"{where}.column",
            f"{wanted.column!r} is no entity, context or feature of the model",
            f"Use one of {', '.join(columns)}.",
        )
    if wanted.minimum_rows < 1:
        yield f"{where}.minimum_rows", f"{wanted.minimum_rows} is no number of rows", "Give one."
