"""Every model at a glance, declared or registered. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlplat_assets.console.drift_tables import DayVerdict
from mlplat_assets.console.split import Part, split
from mlplat_assets.discovery import Catalogue
from resources.alerts.records import Alert, Severity
from resources.registry.records import Stage
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.registry.rollout_record import RolloutRecord
from resources.registry.survey import Surveyed
from resources.registry.waiting import Waiting


@dataclass(frozen=True, kw_only=True)
class Glance:
    """One model's line.

    Attributes:
        declared: Whether a file declares it still.
        owner: None of a model that is no longer declared.
        stages: How many versions are in each stage.
        waiting: The versions that wait for approvals.
        rollout: The one that is under way.
        alerts: How many are open by severity, those upstream included.
        retrainings: How many wait for approval.
    """

    model: str
    declared: bool
    owner: str | None
    champion: int | None
    since: datetime | None
    stages: Mapping[Stage, int]
    parts: Sequence[Part]
    shadows: Sequence[int]
    broken: str | None
    drift: DayVerdict | None
    waiting: Sequence[int]
    rollout: RolloutRecord | None
    alerts: Mapping[Severity, int]
    retrainings: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is open of all models.

    `rollouts` is the last one of each, ended ones too.
    """

    alerts: Sequence[Alert] = ()
    rollouts: Sequence[RolloutRecord] = ()
    retrainings: Sequence[Retraining] = ()


def glances(
    declared: Catalogue,
    surveyed: Sequence[Surveyed],
    waiting: Sequence[Waiting],
    verdicts: Mapping[str, DayVerdict],
    watched: Watched,
) -> list[Glance]:
    """All models by name, from what is declared, registered and measured of them."""
    registered = {each.model: each for each in surveyed}
    rollouts = {each.model: each for each in watched.rollouts if each.is_open}
    found = []
    for model in sorted({*declared.models, *registered}):
        held, spec = registered.get(model), declared.models.get(model)
        traffic = held.traffic if held else None
        champion = held.champion if held else None
        found.append(
            Glance(
                model=model,
                declared=spec is not None,
                owner=spec and declared.owner(spec),
                champion=champion,
                since=held.since if held else None,
                stages=held.stages if held else {},
                parts=split(traffic, champion),
                shadows=traffic.shadows if traffic else (),
                broken=held.broken if held else None,
                drift=verdicts.get(model),
                waiting=[
                    each.version.number
                    for each in waiting
                    if each.version.model == model and each.state == "waiting"
                ],
                rollout=rollouts.get(model),
                alerts=Counter(
                    alert.severity
                    for alert in watched.alerts
                    if alert.model == model or model in alert.affects
                ),
                retrainings=sum(
                    each.model == model and each.state is RetrainingState.PENDING
                    for each in watched.retrainings
                ),
            )
        )
    return found
