"""Durations as people write them in declarations: `15 minutes`, `6 hours`, `7 days`."""

import re
from datetime import timedelta
from pathlib import Path

from mlplat_assets.discovery import DeclarationError

_DURATION = re.compile(r"^(\d+) (minute|hour|day|week)s?$")


def duration(file: Path, where: str, text: object) -> timedelta:
    """The duration that a declaration writes; zero is one.

    Raises:
        DeclarationError: The text is no whole number of minutes, hours, days or weeks.
    """
    match = _DURATION.match(str(text))
    if match is None:
        raise DeclarationError(
            file, where, f"{text!r} is no duration", "Write it like '6 hours' or '7 days'."
        )
    return timedelta(**{f"{match[2]}s": int(match[1])})


def positive_duration(file: Path, where: str, text: object) -> timedelta:
    """The duration that a declaration writes, which must be longer than nothing.

    Raises:
        DeclarationError: The text is no duration, or zero.
    """
    parsed = duration(file, where, text)
    if not parsed:
        raise DeclarationError(file, where, f"{text!r} is zero", "Write a longer one.")
    return parsed
