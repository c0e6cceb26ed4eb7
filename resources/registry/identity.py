"""Who acts: a name, a role, and whether a token vouches for them."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What the holder of a token may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what needs another."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The one who acts.

    Attributes:
        name: The token's holder, or what the caller said while the registry has no tokens.
        role: Of the token; None when there was none, so that the name is only a claim.
    """

    name: str
    role: Role | None


def person(name: str) -> str:
    """A name as people are told apart by it: without spaces around it, case or letter forms."""
    return unicodedata.normalize("NFKC", name).strip().casefold()
