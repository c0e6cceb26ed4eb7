"""What `mlplat doctor` finds at one place, and the looks that its probes share."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlplat_assets.commands.output import counted

State = Literal["ok", "absent", "broken"]
SECONDS = 5
DEMO = "`mlplat demo` creates it."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a probe found.

    `absent` is what has not been made or started yet, `broken` what is configured and does not
    work. `variable` is the environment variable that decides `where`.
    """

    where: str
    state: State
    fact: str
    remedy: str = ""
    variable: str = ""


def finding_at(where: str, variable: str) -> Callable[..., Finding]:
    """A finding about a place, to which state, fact and remedy are added."""

    def found(state: State, fact: str, remedy: str = "") -> Finding:
        return Finding(where=where, state=state, fact=fact, remedy=remedy, variable=variable)

    return found


def folder_finding(path: Path, variable: str, held: Callable[[], str]) -> Finding:
    """A folder that is there and can be written, or can be made."""
    found = finding_at(str(path), variable)
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        remedy = f"Give this user the right to write there, or set {variable}."
        return found("broken", f"{nearest} is not a folder that can be written", remedy)
    if nearest != path:
        return found("absent", "not created yet", DEMO)
    return found("ok", held())


def sqlite_finding(path: Path, count: str, unit: str, found: Callable[..., Finding]) -> Finding:
    """A SQLite file, opened read-only so that looking does not create it."""
    if not path.exists():
        return found("absent", "not created yet", DEMO)
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=SECONDS
        )
        try:
            held = connection.execute(count).fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return found(
            "broken", str(error), f"See whether {path} is the right file; restore it if damaged."
        )
    return found("ok", counted(held, unit))


def get(url: str) -> tuple[int, str]:
    """Status and body of a GET; 0 and the reason when nothing listens, -1 when it is not HTTP."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=SECONDS) as response:
            return response.status, response.read(64 * 1024).decode(errors="replace")
    except HTTPError as error:
        return error.code, f"answers {error.code} {error.reason}"
    except HTTPException as error:
        return -1, f"does not answer as HTTP: {type(error).__name__}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return 0, getattr(reason, "strerror", None) or str(reason)
