"""What asks for a retraining now: drift, decay, age, the clock, a person. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from mlplat_assets.retrain_spec import Retrain
from resources.digests import digest
from resources.registry.retraining_records import Asked

Kind = Literal["by_hand", "concept_drift", "decay", "drift", "stale", "schedule"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Failing:
    """A check that fails now.

    Attributes:
        evaluation: The record of its newest evaluation.
        began: The record of the first failure since it last passed.
        began_at: When that was, UTC.
        at: When the newest evaluation was, UTC.
        told: What the check says.
        version: The version that it is about; None where it does not say.
        columns: The columns that it names.
    """

    evaluation: int
    began: int
    began_at: datetime
    at: datetime
    told: str
    version: int | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The version in production: its number, and when it was registered and promoted, UTC."""

    version: int
    registered_at: datetime
    promoted_at: datetime


def triggers(
    model: str,
    retrain: Retrain,
    serving: Serving | None,
    failing: Mapping[Kind, Failing],
    tick: datetime | None,
    now: datetime,
) -> list[Asked]:
    """What asks for a retraining of a model now, the most telling first.

    A check asks as long as it fails, in one episode: from the first failure after it last passed.
    It is about the version in production, so one that was evaluated before that was promoted, or
    that names another version, asks for nothing.

    Args:
        model: `team.name`.
        retrain: What the model declares.
        serving: The version in production; without one only a person asks.
        failing: The model's checks that fail.
        tick: The last tick of the declared cron until now, UTC.
        now: UTC.
    """
    if serving is None:
        return []
    found = []
    checks = failing if retrain.on_drift else {}
    for kind in KINDS:
        check = checks.get(kind)
        if check is not None and _is_about(check, serving):
            since = f"{check.began_at:%Y-%m-%d %H:%M} UTC"
            told = f"{check.told}; the check fails since {since}"
            found.append(
                asked(model, kind, f"evaluation {check.began}", told, serving, check.columns)
            )
    age = now - serving.registered_at
    if retrain.max_age is not None and age > retrain.max_age:
        told = f"version {serving.version} is {age.days} days old, at most {retrain.max_age.days}"
        found.append(asked(model, "stale", f"age {age // retrain.max_age}", told, serving))
    if tick is not None and tick > serving.registered_at:
        told = f"cron {retrain.cron} at {tick:%Y-%m-%d %H:%M} UTC"
        found.append(asked(model, "schedule", tick.isoformat(), told, serving))
    return found


def asked(
    model: str,
    kind: Kind,
    episode: str,
    told: str,
    serving: Serving | None,
    columns: Sequence[str] = (),
) -> Asked:
    """A trigger with its fingerprint: model, kind, drifted columns and the version that serves."""
    reference = serving and serving.version
    named = tuple(sorted(columns))
    return Asked(
        model=model,
        trigger=kind,
        columns=named,
        reference=reference,
        episode=episode,
        told=told,
        fingerprint=digest([model, kind, list(named), reference]),
    )


def _is_about(check: Failing, serving: Serving) -> bool:
    named = check.version in (None, serving.version)
    return named and check.at >= serving.promoted_at
