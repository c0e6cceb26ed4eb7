"""What was looked at before, as the sensor's cursor keeps it between looks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from mlplat_assets.alerts.days import name_of
from mlplat_assets.alerts.findings import Examination

# Runs are asked for a little further back than the last look: clocks of machines differ.
OVERLAP = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Where the next look begins.

    Attributes:
        runs: When runs were last asked for, UTC; None: never.
        snapshot: The lake's snapshot then; one that is still the newest has nothing new.
        days: The newest day that drift and performance told something of, by `kind/team.name`.
    """

    runs: datetime | None = None
    snapshot: int | None = None
    days: dict[str, str] = field(default_factory=dict)

    def runs_since(self, now: datetime) -> datetime:
        """From when on runs are asked for; at first the day before."""
        return (self.runs or now.astimezone(UTC) - timedelta(days=1)) - OVERLAP

    def after(self, by_day: Iterable[Examination], snapshot: int | None, now: datetime) -> "Seen":
        """The same after a look."""
        days = dict(self.days)
        for each in by_day:
            days[name_of(each)] = max(days.get(name_of(each), ""), each.window)
        return Seen(runs=now.astimezone(UTC), snapshot=snapshot, days=days)

    def text(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()


def seen(text: str | None) -> Seen:
    """What `text` wrote; nothing for None."""
    return msgspec.json.decode(text, type=Seen) if text else Seen()
