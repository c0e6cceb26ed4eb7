"""Who is logged in: sessions in this process's memory, known to a browser by a random name."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from resources.registry.identity import Role

LASTS = timedelta(hours=1)
_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login.

    Attributes:
        id: What the cookie holds; nothing is derived from it.
        token: The registry token that was entered. It stays here: every write shows it to the
            registry, which decides anew.
        name: Its holder when it was entered, and `role` what it allowed then.
        csrf: What every form of the session holds.
        expires_at: UTC.
        notices: Told on the next page, once.
    """

    id: str = field(repr=False)
    token: str = field(repr=False)
    name: str
    role: Role
    csrf: str = field(repr=False)
    expires_at: datetime
    notices: list[str] = field(default_factory=list)

    def holds(self, csrf: str) -> bool:
        """Whether a form is of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """The logins that have not ended. They end with the process as well."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._known: dict[str, Session] = {}
        self._lock = Lock()

    def begin(self, token: str, name: str, role: Role) -> Session:
        """A new login. Of too many, the oldest ends."""
        session = Session(
            id=secrets.token_urlsafe(32),
            token=token,
            name=name,
            role=role,
            csrf=secrets.token_urlsafe(32),
            expires_at=self._clock() + LASTS,
        )
        with self._lock:
            now = self._clock()
            self._known = {k: s for k, s in self._known.items() if s.expires_at > now}
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """The login of a cookie; None of one that is unknown or has ended."""
        session = self._known.get(session_id)
        return session if session is not None and session.expires_at > self._clock() else None

    def end(self, session: Session) -> None:
        """Forget a login and its token."""
        with self._lock:
            self._known.pop(session.id, None)
