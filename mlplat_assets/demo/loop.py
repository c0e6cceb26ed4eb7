"""The steps of the demo, each as a user would cause it."""

import subprocess
from collections.abc import Callable

import dagster as dg

from mlplat_assets.demo.graph import Graph
from mlplat_assets.demo.plan import APPROVER, MODEL, Days
from mlplat_assets.demo.replay import Traffic, replay, requests
from mlplat_assets.demo.workplace import wait_until
from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import Stage, key
from mlplat_assets.models.inputs import model_inputs
from mlplat_assets.monitoring.skew import SkewReport, audit
from resources.lake import lake_from
from resources.online_store import online_store
from resources.registry.records import Action, AuditEntry
from resources.registry.registry import registry
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.settings import Settings

_FOLLOW_SECONDS = 180.0


class Loop:
    """The state of one demo: the stores, the graph, and the traffic seen so far."""

    def __init__(
        self, settings: Settings, declared: Catalogue, definitions: dg.Definitions
    ) -> None:
        """Open the stores; the definitions are those of what is declared."""
        self.settings = settings
        self.catalogue = declared
        self.model = self.catalogue.models[MODEL]
        self.inputs = model_inputs(self.model, self.catalogue)
        self.lake = lake_from(settings)
        self.registry = registry(settings.registry_url, token=settings.token)
        self.registry.migrate()
        self.graph = Graph(definitions)
        self.traffic: dict[Days, Traffic] = {}

    def asset(self, stage: Stage) -> dg.AssetKey:
        """The model's asset at a stage."""
        return key(stage, self.model.team, self.model.name)

    def build_features(self, days: Days) -> None:
        """Backfill raw tables, staging and feature views of all the days in one run."""
        declared = self.catalogue
        tables = [key("raw", d.team, d.name) for d in declared.sources.values()]
        tables += [key("features", d.team, d.name) for d in declared.views.values()]
        self.graph.materialise([*tables, key("staging", "flights", "decisions")], days)

    def build_labels(self, days: Days) -> None:
        """Materialise the label partitions of the days, for every label table."""
        labels = [key("labels", d.team, d.name) for d in self.catalogue.labels.values()]
        self.graph.materialise(labels, days)

    def train(self) -> None:
        """Training set to registered version, in one run with its blocking checks."""
        stages: tuple[Stage, ...] = ("training_sets", "candidates", "evaluations", "versions")
        self.graph.materialise([self.asset(stage) for stage in stages])

    def promote(self, number: int, reason: str) -> None:
        """Approve a version for production, as `mlplat models promote` does."""
        self.registry.promote(
            MODEL, number, actor=self.settings.actor, approver=APPROVER, reason=reason
        )

    def bento(self) -> str:
        """The tag of the newest Bento."""
        return self.graph.metadata(self.asset("bentos"))["bento"]

    def bento_is_built(self) -> bool:
        """Whether the daemon has built the champion's Bento."""
        champion = self.registry.champion(MODEL)
        event = self.graph.instance.get_latest_materialization_event(self.asset("bentos"))
        if champion is None or event is None:
            return False
        return self.graph.metadata(self.asset("bentos"))["version"] == champion.number

    def requests(self, days: Days) -> int:
        """How many requests the days have."""
        return sum(len(bodies) for _, bodies in requests(self.lake, self.model, self.inputs, days))

    def serve(self, days: Days, advance: Callable[[int], None]) -> None:
        """Send the days' flights to the service, features arriving as time passes."""
        store = online_store(self.settings.online_url, self.settings.online_timeout)
        self.traffic[days] = replay(
            self.lake,
            store,
            self.model,
            self.inputs,
            days,
            self.settings.serving_url,
            advance,
        )

    def watch(self, days: Days) -> None:
        """Take the days' predictions into the lake and compare them with the training profile."""
        self.graph.materialise([self.asset("predictions"), self.asset("drift")], days)

    def measure(self) -> None:
        """Join predictions with the labels that have come since."""
        spans = list(self.traffic)
        days = Days(first=spans[0].first, last=spans[-1].last)
        self.graph.materialise([self.asset("performance")], days)

    def audit(self) -> SkewReport:
        """Every prediction replayed against the lake as it is now."""
        made = sum(len(seen.predictions) for seen in self.traffic.values())
        return audit(self.lake, self.model, self.catalogue, made)

    def retraining(self) -> dg.DagsterRun | None:
        """The run that the governor let through."""
        return self.graph.retraining_run()

    def request(self) -> Retraining | None:
        """The newest request to retrain that was not skipped, as it stands; else a skipped one."""
        held = self.registry.retrainings.all(MODEL)
        going = [each for each in held if each.state is not RetrainingState.SKIPPED]
        return (going or held or [None])[-1]

    def verdict(self) -> AuditEntry | None:
        """The registry's entry about the challenger: registered, or refused."""
        about = [
            entry
            for entry in self.registry.audit(MODEL)
            if entry.action is Action.REFUSED
            or (entry.action is Action.REGISTERED and entry.version != 1)
        ]
        return about[-1] if about else None

    def challenger_is_judged(self) -> bool:
        """Whether the retrained model was registered or refused.

        Raises:
            RuntimeError: The retraining run failed before it came to a verdict.
        """
        if self.verdict() is not None:
            return True
        run, request = self.retraining(), self.request()
        if run is not None and self.graph.ended_badly(run):
            raise RuntimeError(f"the retraining run {run.run_id} failed; see `make dev`")
        if request is not None and request.state is RetrainingState.SKIPPED:
            raise RuntimeError(f"the governor skipped the retraining: {request.reason}")
        return False

    def decide(self, processes: list[subprocess.Popen]) -> None:
        """Promote a challenger that passed, and wait until the service answers with it."""
        entry = self.verdict()
        if entry is None or entry.version is None or entry.action is Action.REFUSED:
            return
        evidence = self.registry.version(MODEL, entry.version).evidence
        compared = evidence["metrics"]["auc"], evidence["champion_metrics"]["auc"]
        reason = "winter drift; AUC {:.3f} against champion {:.3f}".format(*compared)
        self.promote(entry.version, reason)
        wait_until("the new Bento", self.bento_is_built, processes, _FOLLOW_SECONDS)
