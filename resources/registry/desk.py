"""Where every change of the registry is asked for: by whom, with what role, and on record."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from resources.registry import audit, tokens
from resources.registry.database import Database
from resources.registry.errors import AccessRefused, PromotionRefused, TransitionRefused
from resources.registry.identity import Identity, Role, person
from resources.registry.records import Action, Event


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asks for, before anything is known about it.

    Attributes:
        what: The action in words, for the audit log when it is refused.
        role: What the token must allow, once the registry has tokens.
        actor: Who says to ask; a token's holder takes its place.
        without_tokens: Whether an admin's action may be done while the registry has no tokens.
    """

    what: str
    role: Role
    actor: str
    model: str = ""
    number: int | None = None
    without_tokens: bool = False


@dataclass(frozen=True, kw_only=True)
class Granted:
    """A transaction of its own, the one who acts in it, and the moment it counts for (UTC)."""

    connection: sa.Connection
    by: Identity
    at: datetime

    def holds_name(self, name: str | None) -> str:
        """The name that acts for itself: of the token, or while there are none the one given.

        Raises:
            AccessRefused: A token speaks for another name than its holder's.
            ValueError: There is neither a token nor a name.
        """
        if self.by.role is None:
            require_stated(approver=name or "")
            return name or ""
        if name is not None and person(name) != person(self.by.name):
            raise AccessRefused(
                f"the token is of {self.by.name}, who cannot speak for {name!r}; "
                f"{name} needs a token of their own"
            )
        return self.by.name


class Desk:
    """Opens the registry's writing transactions, and logs what it refuses.

    Without any token in the registry everybody may do everything that needs no admin, under the
    name they give. From the first token on, only tokens act.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], token: str | None
    ) -> None:
        self._database = database
        self.clock = clock
        self._token = token

    @contextmanager
    def granted(self, request: Request) -> Iterator[Granted]:
        """A transaction for the request; what it refuses leaves an audit entry and no more.

        A move that the state machine does not have is a slip, and leaves no entry.

        Raises:
            AccessRefused: There is no valid token, or its role does not allow the request.
        """
        refusal: PromotionRefused | AccessRefused | None = None
        with self._database.writing() as connection:
            at = audit.moment(connection, self.clock())
            by = self._identity(connection, request.actor, at)
            try:
                # What is refused is undone by itself, so that the entry that says so stays.
                with connection.begin_nested():
                    _require_role(by, request)
                    yield Granted(connection=connection, by=by, at=at)
            except TransitionRefused:
                raise
            except (PromotionRefused, AccessRefused) as refused:
                refusal = refused
                audit.append(connection, _denied(request, by, refused), at)
        if refusal is not None:
            raise refusal

    def _identity(self, connection: sa.Connection, actor: str, at: datetime) -> Identity:
        if self._token is not None:
            return tokens.holder(connection, self._token, at)
        if tokens.exist(connection):
            raise AccessRefused(
                "this registry takes no action without a token: set MLPLAT_TOKEN; an admin makes "
                "one with `mlplat tokens create NAME --role ROLE`"
            )
        require_stated(actor=actor)
        return Identity(name=actor, role=None)


def require_stated(**names: str) -> None:
    """Refuse a blank name or reason.

    Raises:
        ValueError: Naming it.
    """
    for name, value in names.items():
        if not value.strip():
            raise ValueError(f"{name} is blank; the audit log needs it")


def require_model(model: str) -> None:
    """Refuse what is not `team.name`.

    Raises:
        ValueError: Naming it.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", model):
        raise ValueError(f"{model!r} names no model; write team.name, as in flights.arrival_delay")


def _require_role(by: Identity, request: Request) -> None:
    if by.role is None and request.role is Role.ADMIN and not request.without_tokens:
        raise AccessRefused(
            f"{request.what} needs an admin's token, and this registry has none; make the "
            "first with `mlplat tokens create NAME --role admin`"
        )
    if by.role is not None and not by.role.covers(request.role):
        raise AccessRefused(
            f"{by.name} is {by.role}, and {request.what} needs {request.role}; ask an admin"
        )


def _denied(request: Request, by: Identity, refused: Exception) -> Event:
    return Event(
        model=request.model,
        version=request.number,
        action=Action.DENIED,
        actor=by.name,
        role=by.role,
        reason=f"{request.what}: {refused}",
    )
