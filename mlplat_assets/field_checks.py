"""What is wrong with the fields, tags and spans of a declaration, whatever it declares."""

from collections.abc import Mapping
from datetime import timedelta
from typing import get_args

from mlplat_assets.discovery import Catalogue, DeclarationError, Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.spec import NUMERIC, DType, FeatureView, Field
from mlplat_assets.sql_words import SQL_WORDS

# What a key can be: a value that is equal to itself however it is written down.
KEYS: tuple[DType, ...] = ("string", "int", "bool", "float")
# What a request of a model can carry; the card has no other types.
CONTEXT: tuple[DType, ...] = ("float", "int", "bool", "string")
RESERVED = ("event_timestamp", "created_timestamp", "partition_day")


def check_fields_of_all(declared: Catalogue) -> None:
    """Refuse the first declaration, by kind and name, with a field, tag or span that is wrong.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    for source in declared.sources.values():
        check_fields(source, columns=source.spec.columns)
    for view in declared.views.values():
        check_view(view)
    for derived in declared.on_demand.values():
        check_fields(derived, request=derived.spec.request, features=derived.spec.features)
        check_tags(derived, derived.spec.tags)
    for service in declared.services.values():
        check_tags(service, service.spec.tags)
    for model in declared.models.values():
        check_fields(model, context=model.spec.context)
        check_types(model, "context", model.spec.context, CONTEXT)


def check_fields(declared: Declared, **fields: tuple[Field, ...]) -> None:
    """Refuse fields that no value could satisfy, by the attribute that holds them.

    Raises:
        DeclarationError: Naming the file, the field and the remedy.
    """
    seen: set[str] = set()
    for where, found in fields.items():
        for field in found:
            problem = _of_name(field.name) or _of_field(field)
            if field.name in seen:
                problem = "name", f"{field.name!r} is declared twice", "Rename one of them."
            seen.add(field.name)
            if problem is not None:
                what, fact, remedy = problem
                raise DeclarationError(declared.file, f"{where}.{field.name}.{what}", fact, remedy)


def check_view(view: Declared[FeatureView]) -> None:
    """Refuse a feature view whose columns, spans or tags cannot be meant.

    Raises:
        DeclarationError: Naming the file, the attribute and the remedy.
    """
    spec = view.spec
    check_fields(view, entities=spec.entities, features=spec.features)
    check_types(view, "entities", spec.entities, KEYS)
    check_tags(view, spec.tags)
    if spec.online and not spec.entities:
        raise DeclarationError(
            view.file, "online", "a view without entities has no key", "Write online=False."
        )
    if spec.landing_delay and spec.aggregates is not None and spec.aggregates.stream:
        raise DeclarationError(
            view.file,
            "landing_delay",
            f"is {spec.landing_delay}, but a streamed row is served as soon as it is there",
            "Leave one of landing_delay and aggregates.stream out.",
        )
    for field in (*spec.entities, *spec.features):
        if field.name in RESERVED:
            raise DeclarationError(
                view.file, f"features.{field.name}", "is a column of every view", "Rename it."
            )
    for where, span in (("ttl", spec.ttl), ("landing_delay", spec.landing_delay)):
        if span is not None and span < timedelta(0):
            raise DeclarationError(view.file, where, f"{span} is negative", "Give a span or none.")
    if spec.freshness is not None and spec.freshness <= timedelta(0):
        raise DeclarationError(
            view.file,
            "freshness",
            f"{spec.freshness} is no age that an event could have",
            "Give a span above zero, or leave it out.",
        )


def check_types(
    declared: Declared, where: str, fields: tuple[Field, ...], dtypes: tuple[DType, ...]
) -> None:
    """Refuse fields of other types than these.

    Raises:
        DeclarationError: Naming the file and the field.
    """
    for field in fields:
        if field.dtype not in dtypes:
            raise DeclarationError(
                declared.file,
                f"{where}.{field.name}.dtype",
                f"{field.dtype!r} cannot be used here",
                f"Use one of {', '.join(dtypes)}.",
            )


def check_tags(declared: Declared, tags: Mapping[str, str]) -> None:
    """Refuse tags that are not texts by name.

    Raises:
        DeclarationError: Naming the file and the tag.
    """
    for name, value in tags.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise DeclarationError(
                declared.file, "tags", f"{name!r}: {value!r} is no text", "Quote name and value."
            )


def check_approval(model: Declared[ModelSpec]) -> None:
    """Refuse approvers who could never approve a version.

    Raises:
        DeclarationError: Naming the file, the attribute and the remedy.
    """
    people = {name.strip().casefold() for name in model.spec.approvers}
    terms = model.spec.approval
    if not people:
        problem = "approvers", "is empty", "Name at least one person who may approve production."
    elif not 1 <= terms.required <= len(people):
        fact = f"is {terms.required}, of {len(people)} approvers"
        problem = "approval.required", fact, "Ask for at least one of them, and no more."
    elif terms.valid < timedelta(seconds=1):
        problem = "approval.valid", f"is {terms.valid}", "Give a span, such as timedelta(days=14)."
    else:
        return
    where, fact, remedy = problem
    raise DeclarationError(model.file, where, fact, remedy)


def _of_name(name: str) -> tuple[str, str, str] | None:
    """What is wrong with a name: it is written into SQL, and is an attribute of requests."""
    if not (name.isidentifier() and name.isascii()):
        return "name", f"{name!r} is no name of a column", "Use letters, digits and underscores."
    if name.lower() in SQL_WORDS:
        return "name", f"{name!r} is a word of SQL", "Rename it, for example with a unit or noun."
    return None


def _of_field(field: Field) -> tuple[str, str, str] | None:
    """What is wrong with one field: the attribute, the fact, the remedy."""
    low, high, rate = field.minimum, field.maximum, field.max_null_rate
    if field.dtype not in get_args(DType):
        known = ", ".join(get_args(DType))
        return "dtype", f"{field.dtype!r} is unknown", f"Use one of {known}."
    if (low is not None or high is not None) and field.dtype not in NUMERIC:
        return (
            "minimum",
            f"{field.dtype} has no range",
            "Leave minimum and maximum out.",
        )
    if low is not None and high is not None and low > high:
        return "minimum", f"{low} is above the maximum {high}", "Swap or correct them."
    if field.allowed and field.dtype != "string":
        return "allowed", f"{field.dtype} has no list of values", "Leave it out."
    if rate is not None and not 0 <= rate <= 1:
        return "max_null_rate", f"{rate} is no share", "Give a number from 0 to 1."
    return None
