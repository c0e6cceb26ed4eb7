"""Tokens: what proves a name and a role. The secret is shown once; its hash is kept."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Generator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from resources.registry import audit
from resources.registry.errors import AccessRefused
from resources.registry.identity import Identity, Role, person
from resources.registry.records import Action, Event
from resources.registry.tables import tokens as table

_FORM = re.compile(r"mlplat_(\d{1,9})_([\w-]{43})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is on record of a token.

    Attributes:
        id: The audit entry that records its creation.
        name: Its holder: the name that every action with it is recorded under.
        hash: Of its secret.
        created_by: Who made it.
        expires_at: When it ends by itself, UTC; None for never.
        revoked_in: The audit entry that ended it, or None.
    """

    id: int
    name: str
    role: Role
    hash: str = field(repr=False)
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_in: int | None = None

    def stands(self, at: datetime) -> bool:
        """Whether it was neither revoked nor at its end."""
        return self.revoked_in is None and (self.expires_at is None or self.expires_at > at)


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A new token and its text, which is nowhere else."""

    token: Token
    text: str = field(repr=False)


def exist(connection: sa.Connection) -> bool:
    """Whether the registry was ever given a token; from then on it takes no action without one."""
    return connection.scalar(sa.select(table.c.id).limit(1)) is not None


def every(connection: sa.Connection) -> list[Token]:
    """All tokens in the order of their creation, ended ones too."""
    query = sa.select(table).order_by(table.c.id)
    return [_token({**row}) for row in connection.execute(query).mappings()]


def holder(connection: sa.Connection, text: str, at: datetime) -> Identity:
    """Whom a token's text vouches for.

    Raises:
        AccessRefused: It is unknown, revoked or expired.
    """
    form = _FORM.fullmatch(text.strip())
    query = sa.select(table).where(table.c.id == (int(form[1]) if form else 0))
    row = connection.execute(query).mappings().one_or_none()
    # Found by its public number, so that the secret is compared, in constant time, not looked up.
    if form is None or row is None or not hmac.compare_digest(row["hash"], _hash(form[2])):
        raise AccessRefused(
            "MLPLAT_TOKEN is no token of this registry; an admin makes one with "
            "`mlplat tokens create NAME --role ROLE`"
        )
    token = _token({**row})
    if not token.stands(at):
        ended = "was revoked" if token.revoked_in else f"expired at {token.expires_at} (UTC)"
        raise AccessRefused(
            f"the token of {token.name} {ended}; an admin makes a new one with "
            f"`mlplat tokens create {token.name} --role {token.role}`"
        )
    return Identity(name=token.name, role=token.role)


def standing(connection: sa.Connection, name: str, at: datetime) -> Token | None:
    """The token of that name that has not ended; a person has one at most."""
    found = [t for t in every(connection) if person(t.name) == person(name) and t.stands(at)]
    return found[0] if found else None


def add(
    connection: sa.Connection,
    name: str,
    role: Role,
    *,
    by: Identity,
    at: datetime,
    expires_at: datetime | None,
) -> IssuedToken:
    """Make a token and put it on record."""
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=0,
        name=name,
        role=role,
        hash=_hash(secret),
        created_by=by.name,
        created_at=at,
        expires_at=expires_at,
    )
    until = f"until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else "without an end"
    event = _event(
        Action.TOKEN_CREATED, by, f"{name} as {role}, {until}", audit.digest_of_record(token)
    )
    entry = audit.append(connection, event, at)
    token = replace(token, id=entry.id)
    connection.execute(sa.insert(table).values(asdict(token)))
    return IssuedToken(token=token, text=f"mlplat_{token.id}_{secret}")


def revoke(connection: sa.Connection, token: Token, *, by: Identity, at: datetime) -> Token:
    """End a token, on record."""
    reason = f"{token.name}, token {token.id}"
    event = _event(Action.TOKEN_REVOKED, by, reason, audit.revocation_of(token.id))
    entry = audit.append(connection, event, at)
    connection.execute(sa.update(table).where(table.c.id == token.id).values(revoked_in=entry.id))
    return replace(token, revoked_in=entry.id)


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every record's id, the entry that revoked it, and its digest. The caller closes it."""
    for token in every(connection):
        yield token.id, token.revoked_in, audit.digest_of_record(token)


def _hash(secret: str) -> str:
    # One SHA-256, unsalted, is right here and would be wrong for a password: the secret is 256
    # random bits, so there is nothing to guess, and each action pays microseconds for it.
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: dict[str, Any]) -> Token:
    typed: dict[str, Any] = {"role": Role(row["role"])}
    return Token(**row | typed)


def _event(action: Action, by: Identity, reason: str, record_digest: str) -> Event:
    return Event(
        model="",
        action=action,
        actor=by.name,
        role=by.role,
        reason=reason,
        record_digest=record_digest,
    )
