"""Why a request is not answered, before any route sees it."""

import json
from dataclasses import dataclass
from typing import final

HeaderPairs = tuple[tuple[bytes, bytes], ...]


@final
@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An HTTP status, what was wrong, and headers that say what to do."""

    status: int
    error: str
    headers: HeaderPairs = ()

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return json.dumps({"error": self.error}).encode()
