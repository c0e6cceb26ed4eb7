"""Days and rows as commands write them."""

from collections.abc import Iterable
from datetime import date, timedelta

_DAY = timedelta(days=1)
_SPANS = 4


def day_spans(days: Iterable[date]) -> str:
    """Days as `2013-05-03, 2013-06-01 to 2013-06-22`; of many spans the first, and how many more.

    An empty string for no days.
    """
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day - spans[-1][1] == _DAY:
            spans[-1][1] = day
        else:
            spans.append([day, day])
    told = [f"{first}" if first == last else f"{first} to {last}" for first, last in spans]
    if len(told) <= _SPANS:
        return ", ".join(told)
    return f"{', '.join(told[:_SPANS])} and {len(told) - _SPANS} more spans"
