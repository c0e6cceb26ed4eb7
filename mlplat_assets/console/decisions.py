"""What people decide here: each is a form, the session's token, and an entry of the audit log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlplat_assets.console.desk import Desk
from mlplat_assets.console.forms import Fields, fields_of, require_secret
from mlplat_assets.console.refusals import Refused, not_found
from resources.registry.errors import AccessRefused, PromotionRefused, RolloutMoved, UnknownVersion
from resources.registry.registry import Registry
from resources.registry.rollout_record import RolloutRecord

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
    except (PromotionRefused, RolloutMoved) as error:
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
    with _found():
        taken = registry.revoke_approval(
            path["model"],
            path["number"],
            approver=fields.get("approver", ""),
            reason=fields.get("reason", ""),
        )
    return f"The verdict of {taken.approver} on {taken.model} version {taken.number} is revoked."


def acknowledge(registry: Registry, path: Path, fields: Fields) -> str:
    """Take an alert up."""
    with _found():
        alert = registry.alerts.acknowledge(path["alert"], reason=fields.get("reason", ""))
    return f"You have taken up alert {alert.id}, {alert.kind} of {alert.model}."


def approve_retraining(registry: Registry, path: Path, fields: Fields) -> str:
    """Let a waiting retraining be launched."""
    with _found():
        told = registry.retrainings.approve(path["request"], reason=fields.get("reason", ""))
    return f"Retraining {told.request} of {told.model} is approved; a sensor launches it."


def reject_retraining(registry: Registry, path: Path, fields: Fields) -> str:
    """Let a waiting retraining not be launched."""
    with _found():
        told = registry.retrainings.reject(path["request"], reason=fields.get("reason", ""))
    return f"Retraining {told.request} of {told.model} is rejected."


def freeze(registry: Registry, path: Path, fields: Fields) -> str:
    """Let a rollout not go on; guardrails still take it back."""
    told = registry.rollouts.freeze(_seen(registry, path), True, reason=fields.get("reason", ""))
    return f"The rollout of {told.model} version {told.version} is frozen."


def resume(registry: Registry, path: Path, fields: Fields) -> str:
    """Let a frozen rollout go on."""
    told = registry.rollouts.freeze(_seen(registry, path), False, reason=fields.get("reason", ""))
    return f"The rollout of {told.model} version {told.version} goes on."


@contextmanager
def _found() -> Iterator[None]:
    """What the gateways do not find, as a refusal.

    Raises:
        Refused: Status 404.
    """
    try:
        yield
    except (KeyError, IndexError):
        raise  # a defect of ours
    except LookupError as error:
        raise not_found(str(error)) from error


def _seen(registry: Registry, path: Path) -> RolloutRecord:
    """The rollout as the page showed it.

    Raises:
        Refused: It was moved since.
    """
    record = registry.rollouts.last(path["model"])
    if record is None or record.id != path["step"]:
        raise Refused(409, f"the rollout of {path['model']} was moved since; look at it again")
    return record


def _alerts_page(path: Path) -> str:
    return "/alerts"


def _approvals_page(path: Path) -> str:
    return "/approvals"


def _model_page(path: Path) -> str:
    return f"/models/{path['model']}"


def _version_page(path: Path) -> str:
    return f"/models/{path['model']}/versions/{path['number']}"


_VERSION = "/models/{model:model}/versions/{number:int}"
_RETRAINING = "/retrainings/{request:int}"
_ROLLOUT = "/models/{model:model}/rollout/{step:int}"

DECISIONS = (
    Decision(path=f"{_VERSION}/approve", decide=approve, then=_version_page),
    Decision(path=f"{_VERSION}/reject", decide=reject, then=_version_page),
    Decision(path=f"{_VERSION}/revoke", decide=revoke, then=_version_page),
    Decision(path="/alerts/{alert:int}/acknowledge", decide=acknowledge, then=_alerts_page),
    Decision(path=f"{_RETRAINING}/approve", decide=approve_retraining, then=_approvals_page),
    Decision(path=f"{_RETRAINING}/reject", decide=reject_retraining, then=_approvals_page),
    Decision(path=f"{_ROLLOUT}/freeze", decide=freeze, then=_model_page),
    Decision(path=f"{_ROLLOUT}/resume", decide=resume, then=_model_page),
)
