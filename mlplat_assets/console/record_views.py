"""The pages about records: what waits for approval, what was decided, what was predicted."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlplat_assets.commands.stores import NotThereYet
from mlplat_assets.console.desk import Desk
from mlplat_assets.console.refusals import Refused, not_found
from mlplat_assets.monitoring.explanation import explain

_ENTRIES = 50


def approvals(desk: Desk, request: Request) -> Response:
    """The open versions of all models, by what they wait for."""
    try:
        with desk.stores.registry() as registry:
            found = registry.waiting(desk.clock())
            retrainings = registry.retrainings.open()
    except NotThereYet:
        found, retrainings = [], []
    return desk.page(
        request,
        "approvals.html",
        waiting=[each for each in found if each.state == "waiting"],
        others=[each for each in found if each.state != "waiting"],
        retrainings=retrainings,
        now=desk.clock(),
        locked=desk.locked(),
    )


def audit(desk: Desk, request: Request) -> Response:
    """The audit log, newest first, and whether it is whole."""
    name, before = request.query_params.get("model") or None, _asked_entry(request)
    with desk.stores.registry() as registry:
        checked = desk.audit_check.of(registry)
        # One more than is shown tells whether there are older ones.
        entries = registry.audit(name, newest=_ENTRIES + 1, before=before)[::-1]
        models = registry.models()
    return desk.page(
        request,
        "audit.html",
        checked=checked,
        entries=entries[:_ENTRIES],
        older=len(entries) > _ENTRIES,
        before=before,
        asked=name,
        models=models,
    )


def predictions(desk: Desk, request: Request) -> Response:
    """The form that asks for a prediction by its id."""
    wanted = request.query_params.get("id", "").strip()
    if wanted:
        return RedirectResponse(request.url_for("prediction", prediction=wanted).path, 303)
    return desk.page(request, "predictions.html")


def prediction(desk: Desk, request: Request) -> Response:
    """One prediction and everything that determined it."""
    wanted = request.path_params["prediction"]
    with desk.stores.registry() as registry, desk.stores.opened_lake() as lake:
        try:
            found = explain(wanted, lake, registry, desk.stores.settings.journal)
        except LookupError as error:
            raise not_found(str(error)) from error
    return desk.page(request, "prediction.html", found=found)


def _asked_entry(request: Request) -> int | None:
    text = request.query_params.get("before")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused(422, f"before={text!r} is no number of an entry")
    return int(text)
