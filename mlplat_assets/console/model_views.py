"""The pages about models: all of them, one, one version, one's drift."""

from datetime import date, timedelta

from starlette.requests import Request
from starlette.responses import Response

from mlplat_assets.commands.origin import origin
from mlplat_assets.commands.registered import metrics_of
from mlplat_assets.commands.stores import NotThereYet, StoreAway
from mlplat_assets.console import proof
from mlplat_assets.console.desk import Desk
from mlplat_assets.console.drift_tables import DayVerdict, compared_days, last_day
from mlplat_assets.console.heat_map import BROKEN, DAYS, LEVELS, UNKNOWN, heat_map, versions_of
from mlplat_assets.console.lake_facts import experiments, lake_facts
from mlplat_assets.console.overview import Watched, glances
from mlplat_assets.console.refusals import Refused, not_found
from mlplat_assets.console.split import split
from resources.registry.errors import TrafficInvalid, UnknownVersion
from resources.registry.survey import Surveyed
from resources.registry.waiting import Waiting

_VERSIONS = 30
# Of the graph, in its order; each model has them all.
_ASSETS = (
    "training_sets", "candidates", "evaluations", "versions", "approvals", "champions", "bentos",
    "endpoints", "predictions", "drift", "performance", "retrainings", "alerts",
)  # fmt: skip


def read_ahead(desk: Desk) -> None:
    """Read what the first page shows: of 100 models the first time takes seconds."""
    try:
        with desk.stores.registry() as registry:
            models = {*desk.declared.models, *registry.models()}
        _verdicts(desk, sorted(models))
    except (NotThereYet, StoreAway):
        pass  # each page says so itself


def overview(desk: Desk, request: Request) -> Response:
    """All models."""
    surveyed: list[Surveyed] = []
    waiting: list[Waiting] = []
    watched = Watched()
    try:
        with desk.stores.registry() as registry:
            surveyed = registry.survey()
            waiting = registry.waiting(desk.clock())
            watched = Watched(
                alerts=registry.alerts.open(),
                rollouts=registry.rollouts.newest(),
                retrainings=registry.retrainings.open(),
            )
    except NotThereYet:
        pass  # what is declared shows without it
    models = sorted({*desk.declared.models, *(each.model for each in surveyed)})
    verdicts = _verdicts(desk, models)
    found = glances(desk.declared, surveyed, waiting, verdicts, watched)
    return desk.page(request, "overview.html", models=found)


def model(desk: Desk, request: Request) -> Response:
    """One model: who answers, its versions, how it does."""
    name = request.path_params["model"]
    versions, traffic, broken, waiting, count = [], None, None, [], 0
    alerts, rollout = [], None
    try:
        with desk.stores.registry() as registry:
            count, versions = registry.count(name), registry.versions(name, limit=_VERSIONS)
            waiting = registry.waiting(desk.clock(), name)
            alerts, rollout = registry.alerts.open(name), registry.rollouts.last(name)
            try:
                traffic = registry.traffic(name)
            except TrafficInvalid as error:
                broken = str(error)
    except NotThereYet:
        pass
    desk.require_known(name, versions)
    champion = traffic.champion.version if traffic and traffic.champion else None
    return desk.page(
        request,
        "model.html",
        model=name,
        declared=desk.declared.models.get(name),
        owner=_owner(desk, name),
        versions=versions[::-1],
        count=count,
        metrics=list(dict.fromkeys(metric for each in versions for metric in metrics_of(each))),
        metrics_of=metrics_of,
        states={each.version.number: each.state for each in waiting},
        traffic=traffic,
        parts_of=split(traffic.traffic if traffic else None, champion),
        broken=broken,
        alerts=alerts,
        rollout=rollout,
        locked=desk.locked(),
        told=lake_facts(desk, name),
        experiments={each: desk.declared.experiments[each] for each in experiments(desk, name)},
        assets=_ASSETS,
    )


def version(desk: Desk, request: Request) -> Response:
    """One version: what it proved, what it comes from, who said what of it."""
    name, number = request.path_params["model"], request.path_params["number"]
    with desk.stores.registry() as registry:
        try:
            found = registry.version(name, number)
        except UnknownVersion as error:
            raise not_found(str(error)) from error
        entries = registry.audit(name, version=number)
        verdicts = registry.approvals(name, number)
        waiting = registry.waiting(desk.clock(), name)
    mine = [each for each in waiting if each.version.number == number]
    told = {label: str(cell) for label, cell in origin(found, entries).items() if cell}
    return desk.page(
        request,
        "version.html",
        model=name,
        version=found,
        waits=mine[0] if mine else None,
        held=proof.held(found),
        metrics=proof.metrics(found),
        slices=proof.slices(found),
        facts=told,
        partitions=found.lineage.get("partitions") or (),
        verdicts=verdicts,
        entries=entries,
        locked=desk.locked(),
        now=desk.clock(),
    )


def drift(desk: Desk, request: Request) -> Response:
    """One model's drift: columns by days, of one version."""
    name = request.path_params["model"]
    with desk.stores.registry() as registry:
        desk.require_known(name, registry.versions(name, limit=1))
    newest, last, rows = None, None, []
    try:
        with desk.stores.lake() as lake:
            newest = last_day(lake, name)
            if newest is not None:
                last = min(newest, _asked_day(request) or newest)
                rows = compared_days(lake, name, last - timedelta(days=DAYS - 1), last)
    except NotThereYet:
        pass  # no lake, so nothing was compared
    known = versions_of(rows)
    shown = _asked_version(request, known) if known else None
    return desk.page(
        request,
        "drift.html",
        model=name,
        map=heat_map(rows, shown) if shown is not None else None,
        versions=known,
        last=last,
        newest=newest,
        earlier=last and last - timedelta(days=DAYS),
        later=last and newest and min(last + timedelta(days=DAYS), newest),
        levels=LEVELS,
        unknown=UNKNOWN,
        broken=BROKEN,
    )


def _verdicts(desk: Desk, models: list[str]) -> dict[str, DayVerdict]:
    try:
        with desk.stores.lake() as lake:
            return desk.verdicts.read(lake, models)
    except NotThereYet:
        return {}


def _owner(desk: Desk, name: str) -> str | None:
    declared = desk.declared.models.get(name)
    return declared and desk.declared.owner(declared)


def _asked_day(request: Request) -> date | None:
    text = request.query_params.get("to")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Refused(422, f"to={text!r} is no day; write it as 2013-06-30") from error


def _asked_version(request: Request, known: list[int]) -> int:
    text = request.query_params.get("version")
    if text is None:
        return known[-1]
    if text not in map(str, known):
        raise not_found(
            f"version {text!r} was not compared on these days; {', '.join(map(str, known))} were"
        )
    return int(text)
