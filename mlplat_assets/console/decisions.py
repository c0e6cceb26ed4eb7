"""What people decide here: each is a form, the session's token, and an entry of the audit log."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlplat_assets.console.desk import Desk
from mlplat_assets.console.forms import Fields, fields_of, require_secret
from mlplat_assets.console.refusals import Refused
from resources.registry.errors import AccessRefused, PromotionRefused, UnknownVersion
from resources.registry.registry import Registry

Path = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One thing that can be decided.

    Attributes:
        path: Where its form is sent, a Starlette path.
        decide: Does it, and says what was done.
        then: The page that is shown next.
    """

    path: str
    decide: Callable[[Registry, Path, Fields], str]
    then: Callable[[Path], str]


async def decided(desk: Desk, decision: Decision, request: Request) -> Response:
    """Do what the form asks, as the one whose session it is of.

    Raises:
        Refused: The form is not theirs, or the registry says no.
    """
    fields = await fields_of(request)
    session = require_secret(fields, desk.session(request))
    path = request.path_params
    told = await run_in_threadpool(_decide, desk, decision, session.token, path, fields)
    session.notices.append(told)
    return RedirectResponse(decision.then(path), 303)


def _decide(desk: Desk, decision: Decision, token: str, path: Path, fields: Fields) -> str:
    try:
        with desk.stores.registry(token) as registry:
            return decision.decide(registry, path, fields)
    except AccessRefused as error:
        raise Refused(403, str(error)) from error
    except UnknownVersion as error:
        raise Refused(404, str(error)) from error
    except PromotionRefused as error:
        raise Refused(409, str(error)) from error
    except ValueError as error:
        raise Refused(422, str(error)) from error


def approve(registry: Registry, path: Path, fields: Fields) -> str:
    """Approve a version's artefact and evidence as they are."""
    given = registry.approve(path["model"], path["number"], reason=fields.get("reason", ""))
    return f"{given.approver} approved {given.model} version {given.number}."


def reject(registry: Registry, path: Path, fields: Fields) -> str:
    """Reject a version."""
    given = registry.reject(path["model"], path["number"], reason=fields.get("reason", ""))
    return f"{given.approver} rejected {given.model} version {given.number}."


def revoke(registry: Registry, path: Path, fields: Fields) -> str:
    """Take back a verdict: one's own, or as an admin anybody's."""
    try:
        taken = registry.revoke_approval(
            path["model"],
            path["number"],
            approver=fields.get("approver", ""),
            reason=fields.get("reason", ""),
        )
    except UnknownVersion:
        raise
    except LookupError as error:
        raise Refused(409, str(error)) from error
    return f"The verdict of {taken.approver} on {taken.model} version {taken.number} is revoked."


def _version_page(path: Path) -> str:
    return f"/models/{path['model']}/versions/{path['number']}"


_VERSION = "/models/{model:model}/versions/{number:int}"

DECISIONS = (
    Decision(path=f"{_VERSION}/approve", decide=approve, then=_version_page),
    Decision(path=f"{_VERSION}/reject", decide=reject, then=_version_page),
    Decision(path=f"{_VERSION}/revoke", decide=revoke, then=_version_page),
)
