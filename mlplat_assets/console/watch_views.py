"""The pages about what is watched: alerts now and before, and experiments."""

from starlette.requests import Request
from starlette.responses import Response

from mlplat_assets.commands.stores import NotThereYet
from mlplat_assets.console.desk import Desk
from mlplat_assets.console.experiment_tables import experiment_results
from resources.alerts.records import Alert, State

_PAST = 50


def alerts(desk: Desk, request: Request) -> Response:
    """The open alerts with who took them up, the silences, and the newest that are over."""
    now, standing, past = list[Alert](), [], list[Alert]()
    try:
        with desk.stores.registry() as registry:
            now, standing = registry.alerts.open(), registry.alerts.silences()
            past = registry.alerts.newest(_PAST)
    except NotThereYet:
        pass  # nothing was ever wrong
    return desk.page(
        request,
        "alerts.html",
        alerts=now,
        silences=standing,
        silenced={a.id for a in now if any(silence.covers(a) for silence in standing)},
        past=[alert for alert in past if alert.state is State.RESOLVED],
        locked=desk.locked(),
        models=desk.declared.models,  # an alert can be of a view upstream, which has no page
    )


def experiments(desk: Desk, request: Request) -> Response:
    """Every experiment with its verdict so far, and the declared ones that have none."""
    try:
        with desk.stores.lake() as lake:
            results = experiment_results(lake)
    except NotThereYet:
        results = []
    declared = desk.declared.experiments
    known = {each.name for each in results}
    undone = [name for name in sorted(declared) if name not in known]
    return desk.page(request, "experiments.html", results=results, declared=declared, undone=undone)
