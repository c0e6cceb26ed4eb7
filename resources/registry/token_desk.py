"""Making and ending tokens."""

from datetime import datetime

from resources.registry import audit, tokens
from resources.registry.database import Database
from resources.registry.desk import Desk, Request, require_stated
from resources.registry.identity import Identity, Role
from resources.registry.tables import utc
from resources.registry.tokens import IssuedToken, Token


class TokenDesk:
    """Tokens of people and of processes; each has one at a time. An admin makes and ends them."""

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def all(self) -> list[Token]:
        """Every token in the order of creation, ended ones too; none of their texts."""
        with self._database.reading() as connection:
            return tokens.every(connection)

    def holder(self, text: str) -> Identity:
        """Whom a token vouches for now.

        Raises:
            AccessRefused: It is unknown, revoked or expired.
        """
        with self._database.reading() as connection:
            at = audit.moment(connection, self._desk.clock())
            return tokens.holder(connection, text, at)

    def create(
        self, name: str, role: Role, *, actor: str = "", expires_at: datetime | None = None
    ) -> IssuedToken:
        """Make a token. Its text is in the answer and nowhere else.

        The registry's first one is an admin's and does not expire; whoever makes it needs none.

        Args:
            name: The holder's: what approvals and the audit log call them.
            role: What it allows.
            actor: Who makes it, while the registry has no tokens.
            expires_at: When it ends by itself; None for never.

        Raises:
            AccessRefused: The token in use is no admin's.
            ValueError: The name is taken or no name, the end lies in the past, or the first token
                is not an admin's without an end.
        """
        _require_name(name)
        asked = Request(what="making a token", role=Role.ADMIN, actor=actor, without_tokens=True)
        with self._desk.granted(asked) as granted:
            if granted.by.role is None and (role is not Role.ADMIN or expires_at is not None):
                raise ValueError(
                    f"the registry has no tokens; the first must be an admin's and not expire, or "
                    f"nobody could make more: `mlplat tokens create {name} --role admin`"
                )
            if expires_at is not None and utc(expires_at) <= granted.at:
                raise ValueError(f"{expires_at} is past; name a later end")
            if tokens.standing(granted.connection, name, granted.at):
                raise ValueError(
                    f"{name} has a token; end it first with `mlplat tokens revoke {name}`"
                )
            return tokens.add(
                granted.connection,
                name,
                role,
                by=granted.by,
                at=granted.at,
                expires_at=expires_at and utc(expires_at),
            )

    def revoke(self, name: str) -> Token:
        """End the token of a name at once.

        Raises:
            AccessRefused: The token in use is no admin's.
            LookupError: No token of that name stands.
            ValueError: It is the last admin's that does not expire.
        """
        asked = Request(what="revoking a token", role=Role.ADMIN, actor=name)
        with self._desk.granted(asked) as granted:
            found = tokens.standing(granted.connection, name, granted.at)
            if found is None:
                raise LookupError(f"no token of {name!r} stands; see `mlplat tokens list`")
            lasting = [
                token
                for token in tokens.every(granted.connection)
                if token.role is Role.ADMIN
                and token.expires_at is None
                and token.stands(granted.at)
            ]
            if lasting == [found]:
                raise ValueError(
                    f"{name} holds the last admin's token that does not expire, and without one "
                    "nobody could make tokens any more; make another first"
                )
            return tokens.revoke(granted.connection, found, by=granted.by, at=granted.at)


def _require_name(name: str) -> None:
    require_stated(name=name)
    if name != name.strip() or "," in name or not name.isprintable():
        raise ValueError(f"{name!r} is no name; write one line without commas or spaces around it")
