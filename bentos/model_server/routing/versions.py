"""Which version answers a unit: the present traffic table, one reference to loaded versions.

A new table is compiled beside the present one, from versions that are fetched, verified and
warmed up by then; switching is setting one reference. `following` does that.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from bentos.model_server.answering.plan import Plan
from bentos.model_server.artefact.card import Card, read_card
from bentos.model_server.artefact.on_demand import OnDemandFailed, OnDemandFunction, load_functions
from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from bentos.model_server.request.contract import RequestContract
from resources.buckets import BUCKETS, bucket_of
from resources.registry.allocation import percent_of
from resources.registry.traffic_table import CHAMPION


class NotServing(RuntimeError):
    """No version is loaded."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A registered version of a model, by number and artefact digest."""

    version: int
    artifact_digest: str


@dataclass(frozen=True, kw_only=True)
class Served:
    """A version loaded, warmed up and ready to answer."""

    target: Target
    card: Card
    predictor: Predictor
    contract: RequestContract
    on_demand: tuple[OnDemandFunction, ...] = ()

    @cached_property
    def plan(self) -> Plan:
        """How it answers, compiled."""
        return Plan(
            card=self.card,
            predictor=self.predictor,
            contract=self.contract,
            on_demand=self.on_demand,
            version=self.target.version,
            artifact_digest=self.target.artifact_digest,
        )


class Choice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which version answers a unit, as which variant, by which revision of the traffic table."""

    variant: str
    served: Served
    bucket: int
    revision: int

    @property
    def version(self) -> int:
        """The version's number."""
        return self.served.target.version


class Lane(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A variant and the version that answers it."""

    variant: str
    served: Served


@dataclass(frozen=True, kw_only=True)
class Table:
    """A traffic table compiled for one look per unit.

    Attributes:
        variants: Every one that answers, the champion first.
        lanes: The variant of each of the 10,000 buckets.
        overrides: Of single units, whatever their bucket.
        problems: Versions of the table that cannot answer; their units are the champion's.
    """

    revision: int
    salt: str
    champion: Served
    variants: tuple[Lane, ...]
    lanes: tuple[Lane, ...]
    overrides: dict[str, Lane] = field(default_factory=dict)
    shadows: tuple[Served, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The outcome of the last look at the registry; `error` is None when it went well."""

    at: datetime | None = None
    error: str | None = None


@dataclass(kw_only=True)
class Routing:
    """The table that is in force; None until a version is loaded."""

    model: str
    table: Table | None = None
    checked: Checked = field(default_factory=Checked)

    def load(self, target: Target, folder: Path) -> Served:
        """A version from its artefact folder, warmed up.

        Raises:
            ArtifactUnusable: The artefact cannot predict, or belongs to another model.
        """
        predictor = Predictor.load(folder, gpu=True)
        card = read_card(predictor.card, predictor.columns)
        if card.model != self.model:
            raise ArtifactUnusable(f"artefact {folder} is of {card.model}, not of {self.model}")
        predictor.warm_up(len(card.classes))
        served = Served(
            target=target,
            card=card,
            predictor=predictor,
            contract=RequestContract(card),
            on_demand=_functions(card, folder),
        )
        served.plan.warm_up()
        return served

    def choose(self, unit_id: str) -> Choice:
        """The version that answers a unit.

        Raises:
            NotServing: None is loaded.
        """
        table = self.table
        if table is None:
            raise NotServing(f"no version of {self.model} is loaded")
        bucket = bucket_of(table.salt, unit_id)
        lane = table.overrides.get(unit_id) or table.lanes[bucket]
        return Choice(
            variant=lane.variant, served=lane.served, bucket=bucket, revision=table.revision
        )

    def activate(self, served: Served) -> None:
        """Let a version answer every unit, by revision 0: while no table is known."""
        lane = Lane(variant=CHAMPION, served=served)
        lanes = (lane,) * BUCKETS
        self.table = Table(
            revision=0, salt=self.model, champion=served, variants=(lane,), lanes=lanes
        )

    @property
    def active(self) -> Served | None:
        """The champion."""
        return self.table and self.table.champion

    @property
    def shadows(self) -> tuple[Served, ...]:
        """The versions that see what is answered."""
        return self.table.shadows if self.table else ()

    @property
    def problems(self) -> list[str]:
        """What is wrong with the table, its versions, or the way to the registry."""
        found = [*self.table.problems] if self.table else []
        return found + ([self.checked.error] if self.checked.error else [])

    def document(self) -> dict[str, object]:
        """The table in force as JSON: shares are in percent, of what truly answers."""
        table = self.table
        if table is None:
            return {"problems": self.problems}
        buckets = Counter(lane.variant for lane in table.lanes)
        return {
            "revision": table.revision,
            "variants": [
                {
                    "variant": lane.variant,
                    "version": lane.served.target.version,
                    "artifact_digest": lane.served.target.artifact_digest,
                    "share": percent_of(buckets[lane.variant]),
                }
                for lane in table.variants
            ],
            "shadows": [served.target.version for served in table.shadows],
            "overrides": len(table.overrides),
            "problems": self.problems,
        }


def _functions(card: Card, folder: Path) -> tuple[OnDemandFunction, ...]:
    """The on-demand functions of an artefact, each having answered a row of missing values."""
    try:
        functions = load_functions(card.on_demand, folder)
        for function in functions:
            function.try_missing()
    except (OnDemandFailed, OSError) as error:
        raise ArtifactUnusable(f"artefact {folder}: {error}") from error
    return functions
