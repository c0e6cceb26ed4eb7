"""The weeks of a year in service: flights ask, labels land, the governor looks, versions change."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import dagster as dg
import pyarrow as pa

from bench.replayed_year.late_labels import land, put_aside
from mlplat_assets.catalogue import catalogue
from mlplat_assets.definitions import assemble
from mlplat_assets.demo.loop import Loop
from mlplat_assets.demo.plan import MODEL, YEAR, Days
from mlplat_assets.demo.workplace import SERVICE_SECONDS, answers, service, wait_until
from mlplat_assets.discovery import Catalogue
from mlplat_assets.retraining.asset import watched
from mlplat_assets.retraining.decisions import Watched
from mlplat_assets.retraining.sensor import judgements, launches
from mlplat_assets.retraining.upstream import Upstream
from resources.registry.records import Action
from resources.registry.retraining_records import Retraining, RetrainingState
from resources.settings import Settings

# The three months before teach version 1.
SERVED = Days(first=date(2013, 4, 1), last=YEAR.last)
WEEK = timedelta(days=7)
# Of the last flights of a week labels come in the next one: its first two days are told again.
LATE = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A request to retrain, judged at the end of a week, and what came of it.

    Attributes:
        day: The last day of that week.
        trigger: What asked: `drift`, `decay` or `concept_drift`.
        columns: The drifted columns that asked.
        asked: What happened, in the words of the check.
        serving: The version that it is about.
        outcome: `skipped` by the governor, `promoted` or `refused` by the gates.
        why: Of that, in the governor's or the gates' words.
        version: The version promoted.
        benefit: What the look at the benefit said, if it was looked at.
    """

    day: date
    trigger: str
    columns: tuple[str, ...]
    asked: str
    serving: int
    outcome: Literal["skipped", "promoted", "refused"]
    why: str
    version: int | None = None
    benefit: str = ""


class Year:
    """The loop of the demo over a year, and the governor that looks at it once a week."""

    def __init__(self, settings: Settings) -> None:
        """Open the stores of a home, empty or not."""
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        found = declared()
        definitions = assemble(found)
        self.loop = Loop(settings, found, definitions)
        self.events: list[Event] = []
        self._labels = pa.table({})
        assets = [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
        self._governed = watched(found.models[MODEL], found, Upstream(assets))

    def go_live(self) -> None:
        """Raw data to version 1 in production."""
        loop = self.loop
        loop.build_features(YEAR)
        loop.build_labels(YEAR)
        self._labels = put_aside(loop.lake, SERVED)
        loop.train()
        loop.promote(1, "first model of the year")
        loop.graph.materialise([loop.asset(at) for at in ("champions", "bentos", "endpoints")])

    def play(self) -> Iterator[list[str]]:
        """Every week in service, with the real service answering; what is to be told of each.

        Raises:
            RuntimeError: A retraining broke; a refused one did not.
        """
        loop = self.loop
        with service(loop.bento(), loop.settings) as process:
            wait_until("the service", lambda: answers(loop.settings), [process], SERVICE_SECONDS)
            for week in weeks():
                loop.serve(week, lambda _: None)
                land(loop.lake, self._labels, week)
                loop.watch(week)
                told = Days(first=max(SERVED.first, week.first - LATE), last=week.last)
                loop.graph.materialise([loop.asset("performance")], told)
                requests = len(loop.traffic[week].predictions)
                events = list(self._looked_at(week.last))
                self.events += events
                said = f"{week}  {requests:,} requests, {self._drifted(week)} days drifted"
                yield [said, *(f"  {one.trigger}: {one.outcome}: {one.why}" for one in events)]

    def record(self) -> dict[str, Any]:
        """What a timeline shows: what drifted by day, performance by day, and what was decided."""
        return {
            "first": SERVED.first,
            "last": SERVED.last,
            "days": self._read(
                """select distinct partition_day as day, version, verdict
                   from drift.flights__arrival_delay order by 1, 2"""
            ),
            "drifted": self._read(
                """select partition_day as day, "column", round(psi, 4) as psi,
                          round(threshold, 4) as threshold
                   from drift.flights__arrival_delay where drifted order by 1, 2"""
            ),
            "performance": self._read(
                """select partition_day as day, version, "rows", round(auc, 5) as auc
                   from performance.flights__arrival_delay
                   where variant = 'champion' order by day, version"""
            ),
            "flights": self._read(
                """select event_timestamp::date as day, count(*) as "rows",
                          round(avg(is_late), 5) as late
                   from labels.flights__arrival_delay
                   where event_timestamp::date between ? and ? group by 1 order by 1""",
                SERVED,
            ),
            "events": [asdict(event) for event in self.events],
        }

    def _looked_at(self, day: date) -> Iterator[Event]:
        """What `retraining_due` and the runs that it asks for make of the week."""
        loop, governed = self.loop, [self._governed]
        known = {each.request for each in loop.registry.retrainings.all(MODEL)}
        for request in _asked(loop, governed):
            loop.graph.job.execute_in_process(
                instance=loop.graph.instance,
                asset_selection=list(request.asset_selection or ()),
                tags=dict(request.tags),
                raise_on_error=False,  # a gate that refuses fails its run
            )
        for each in loop.registry.retrainings.all(MODEL):
            if each.request not in known:
                event = self._event(each, day)
                yield event
                if event.version is not None:
                    loop.promote(event.version, event.asked)

    def _event(self, request: Retraining, day: date) -> Event:
        asked, benefit = request.asked, request.evidence.get("benefit") or {}
        outcome, why, version = self._outcome(request)
        return Event(
            day=day,
            trigger=asked.trigger,
            columns=asked.columns,
            asked=asked.told,
            serving=asked.reference or 0,
            outcome=outcome,
            why=why,
            version=version,
            benefit=benefit.get("told", ""),
        )

    def _outcome(
        self, request: Retraining
    ) -> tuple[Literal["skipped", "promoted", "refused"], str, int | None]:
        if request.state is RetrainingState.SKIPPED:
            return "skipped", f"{request.outcome}: {request.reason}", None
        registry = self.loop.registry
        for entry in registry.audit_since(request.request):
            if entry.run_id != request.run_id or not request.run_id:
                continue
            if entry.action is Action.REFUSED:
                return "refused", entry.reason or "", None
            if entry.action is Action.REGISTERED and entry.version:
                gates = registry.version(MODEL, entry.version).evidence["gates"]
                return "promoted", "; ".join(gate["reason"] for gate in gates), entry.version
        raise RuntimeError(f"retraining {request.request} is {request.state}: {request.reason}")

    def _drifted(self, days: Days) -> int:
        found = self._read(
            """select distinct partition_day from drift.flights__arrival_delay
               where verdict = 'DRIFT' and partition_day between ? and ?""",
            days,
        )
        return len(found)

    def _read(self, query: str, days: Days | None = None) -> list[Mapping[str, Any]]:
        return self.loop.lake.read(query, [days.first, days.last] if days else []).to_pylist()


def declared() -> Catalogue:
    """The repository's catalogue, with one model that may be retrained once a week.

    The governor's clock is the wall's, on which the year passes within an hour: the declared
    cooldown of a day and the budget of ten in 30 days would hold what they hold in no real week.
    """
    found = catalogue()
    model = found.models[MODEL]
    retrain = replace(model.spec.retrain, cooldown=timedelta(0), budget=1000)
    spec = replace(model.spec, retrain=retrain)
    return replace(found, models={MODEL: replace(model, spec=spec)}, experiments={})


def weeks() -> Iterator[Days]:
    """The weeks in service; the last one is shorter."""
    first = SERVED.first
    while first <= SERVED.last:
        yield Days(first=first, last=min(first + WEEK - timedelta(days=1), SERVED.last))
        first += WEEK


def _asked(loop: Loop, governed: list[Watched]) -> Iterator[dg.RunRequest]:
    """The sensor's run requests of one look: judge, launch, put the launch and its end on record.

    Each is to be executed before the next is asked for.
    """
    registry, instance = loop.registry, loop.graph.instance
    yield from judgements(governed, registry, instance, datetime.now(UTC))
    for _ in range(3):
        yield from launches(registry, instance, loop.settings.actor)
