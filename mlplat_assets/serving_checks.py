"""What is wrong with how a model declares that it is served, found when it is read."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import get_args

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import (
    AnyFeature,
    LabelColumn,
    ModelFeature,
    OnDemandFeature,
    stored_features,
)
from mlplat_assets.serving_spec import Journal, Policy, Serving
from mlplat_assets.spec import DType

# Where, what is wrong, and what to do.
Problem = tuple[str, str, str]
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "float": (float, int),
    "float32": (float, int),
    "int": (int,),
    "bool": (bool,),
    "string": (str,),
}


def check_serving(
    model: Declared[ModelSpec], features: Sequence[AnyFeature], label: LabelColumn
) -> None:
    """Refuse policies of fields, views and columns that the model does not have.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    stored = list(stored_features(features))
    fields = _fields(model.spec, stored, features, label)
    for where, fact, remedy in _problems(model.spec.serving, stored, fields):
        raise DeclarationError(model.file, f"serving.{where}", fact, remedy)


def _fields(
    spec: ModelSpec,
    stored: Sequence[ModelFeature],
    features: Sequence[AnyFeature],
    label: LabelColumn,
) -> list[str]:
    """Names of the entities and the context of a request."""
    wanted = {key.name for feature in stored for key in feature.view.spec.entities}
    wanted |= set(spec.entity_features)
    for feature in features:
        if isinstance(feature, OnDemandFeature):
            wanted |= {field.name for field in feature.view.spec.request}
    entities = [name for name in label.table.spec.entities if name in wanted]
    return [*entities, *(field.name for field in spec.context)]


def _problems(
    serving: Serving, stored: Sequence[ModelFeature], fields: Sequence[str]
) -> Iterable[Problem]:
    for name, choices in (
        ("on_missing", ("predict", "refuse")),
        ("on_unavailable", ("refuse", "defaults")),
        ("unknown_fields", ("reject", "ignore")),
    ):
        yield from _of_choice(name, getattr(serving, name), choices)
    for name, policy in serving.out_of_range.items():
        yield from _of_name("out_of_range", name, fields, "a field of a request")
        yield from _of_choice(f"out_of_range[{name!r}]", policy, get_args(Policy))
    yield from _of_defaults(serving, stored)
    yield from _of_cache(serving.cache, stored)
    yield from _of_journal(serving.journal, fields)


def _of_defaults(serving: Serving, stored: Sequence[ModelFeature]) -> Iterable[Problem]:
    if serving.defaults and serving.on_unavailable != "defaults":
        yield "defaults", "are never taken", "Set on_unavailable='defaults', or leave them out."
    types: dict[str, DType] = {each.column: each.feature.dtype for each in stored}
    for column, value in serving.defaults.items():
        if column not in types:
            yield from _of_name("defaults", column, list(types), "a stored feature of the model")
            continue
        fits = isinstance(value, _PYTHON.get(types[column], ()))
        is_flag = isinstance(value, bool) and types[column] != "bool"
        if not fits or is_flag or (isinstance(value, float) and not math.isfinite(value)):
            yield (
                f"defaults[{column!r}]",
                f"{value!r} is no {types[column]}",
                "Give a value as the store would hold it.",
            )


def _of_cache(cache: Mapping[str, timedelta], stored: Sequence[ModelFeature]) -> Iterable[Problem]:
    ttls = {each.view.full_name: each.view.spec.ttl for each in stored}
    for view, span in cache.items():
        where = f"cache[{view!r}]"
        if view not in ttls:
            yield from _of_name("cache", view, list(ttls), "a view that the model reads")
            continue
        if span <= timedelta(0):
            yield where, f"{span} is no time", "Give a span above zero, or leave the view out."
        ttl = ttls[view]
        if ttl is not None and span > ttl:
            yield where, f"{span} is beyond the view's ttl of {ttl}", "Give at most the ttl."


def _of_journal(journal: Journal, fields: Sequence[str]) -> Iterable[Problem]:
    if not 0 <= journal.share <= 1:
        yield "journal.share", f"{journal.share} is no share", "Give one from 0 to 1."
    for name in journal.redact:
        yield from _of_name("journal.redact", name, fields, "a field of a request")


def _of_name(where: str, name: str, known: Sequence[str], what: str) -> Iterable[Problem]:
    if name not in known:
        yield where, f"{name!r} is not {what}", f"Use one of {', '.join(known)}."


def _of_choice(where: str, value: object, choices: Sequence[str]) -> Iterable[Problem]:
    if value not in choices:
        yield where, f"{value!r} is unknown", f"Use {' or '.join(choices)}."
