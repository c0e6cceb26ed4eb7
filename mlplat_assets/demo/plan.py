"""What the demo does and when, in the data's own year."""

from dataclasses import dataclass
from datetime import date

MODEL = "flights.arrival_delay"
# Who decides in the demo. Neither is the author of a version.
APPROVER = "dana@flights.example.com"


@dataclass(frozen=True, kw_only=True)
class Days:
    """A span of UTC days, both inclusive."""

    first: date
    last: date

    def __str__(self) -> str:
        """`2013-11-04 to 2013-11-14`."""
        return f"{self.first} to {self.last}"


YEAR = Days(first=date(2013, 1, 1), last=date(2013, 12, 31))
# Labels arrive late: at first those of the months before the model goes live.
HISTORY = Days(first=date(2013, 1, 1), last=date(2013, 10, 31))
CALM = Days(first=date(2013, 11, 4), last=date(2013, 11, 13))
# The storms of 8 to 10 and 14 December 2013 lie in it.
WINTER = Days(first=date(2013, 12, 3), last=date(2013, 12, 14))
LATE_LABELS = Days(first=date(2013, 11, 1), last=date(2013, 12, 14))
