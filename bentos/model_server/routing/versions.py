"""Which version answers: the registry's production version, swapped in without a dropped request.

The version that answers is one reference. A new version is fetched, verified and warmed up
beside it, then the reference changes; until then, and whenever the registry is away, the last
known version serves on.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from logging import getLogger
from pathlib import Path

import msgspec

from bentos.model_server.answering.plan import Plan
from bentos.model_server.artefact.card import Card, read_card
from bentos.model_server.artefact.on_demand import OnDemandFailed, OnDemandFunction, load_functions
from bentos.model_server.artefact.predictor import ArtifactUnusable, Predictor
from bentos.model_server.request.contract import RequestContract
from resources.buckets import bucket_of

_KEPT = 2
_log = getLogger("bentoml.mlplat.routing")


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


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The outcome of the last look at the registry; `error` is None when it went well."""

    at: datetime | None = None
    error: str | None = None


@dataclass(kw_only=True)
class Routing:
    """The version that answers, and how it follows the registry.

    `champion` gives the production version (None: there is none) and `fetch` a verified local
    folder of an artefact; both may raise.
    """

    model: str
    champion: Callable[[], Target | None]
    fetch: Callable[[str], Path]
    clock: Callable[[], datetime]
    active: Served | None = None
    checked: Checked = field(default_factory=Checked)
    shadows: tuple[Served, ...] = ()
    _loaded: dict[Target, Served] = field(default_factory=dict)

    def load(self, target: Target, folder: Path) -> Served:
        """A version from its artefact folder, warmed up.

        Raises:
            ArtifactUnusable: The artefact cannot predict, or belongs to another model.
        """
        predictor = Predictor.load(folder)
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

    def choose(self, unit_id: str) -> "Choice":
        """The version that answers a unit.

        Raises:
            NotServing: None is loaded.
        """
        if self.active is None:
            raise NotServing(f"no version of {self.model} is loaded")
        bucket = bucket_of(self.model, unit_id)
        return Choice(variant="champion", served=self.active, bucket=bucket, revision=0)

    def activate(self, served: Served) -> None:
        """Answer with this version from now on; the one before stays loaded for a rollback."""
        self._loaded.pop(served.target, None)
        self._loaded[served.target] = served
        self.active = served
        while len(self._loaded) > _KEPT:
            del self._loaded[next(iter(self._loaded))]

    def refresh(self) -> bool:
        """Look at the registry once and swap if its production version is another one.

        Raises whatever the registry or the artifact store raises; nothing has changed then.
        """
        target = self.champion()
        if target is None or (self.active is not None and self.active.target == target):
            return False
        served = self._loaded.get(target)
        if served is None:
            served = self.load(target, self.fetch(target.artifact_digest))
        self.activate(served)
        _log.info("%s version %d answers now", self.model, target.version)
        return True

    def follow(self, stop: threading.Event, interval_seconds: float) -> None:
        """Refresh again and again until told to stop, whatever goes wrong meanwhile."""
        with ThreadPoolExecutor(1, "mlplat-routing") as executor:
            while not stop.wait(interval_seconds):
                self.check(executor)

    def check(self, executor: Executor) -> None:
        """Refresh once; what it raises becomes `checked.error` and is logged when it changes."""
        failure = executor.submit(self.refresh).exception()
        error = None if failure is None else f"{type(failure).__name__}: {failure}"[:500]
        if error is not None and error != self.checked.error:
            _log.warning("%s: the last known version serves on: %s", self.model, error)
        self.checked = Checked(at=self.clock(), error=error)


def _functions(card: Card, folder: Path) -> tuple[OnDemandFunction, ...]:
    """The on-demand functions of an artefact, each having answered a row of missing values."""
    try:
        functions = load_functions(card.on_demand, folder)
        for function in functions:
            function.try_missing()
    except (OnDemandFailed, OSError) as error:
        raise ArtifactUnusable(f"artefact {folder}: {error}") from error
    return functions
