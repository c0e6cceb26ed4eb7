"""A year in words: each request to retrain, the days behind it and why they drifted, its end."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

# Federal holidays of the United States in the served days, those of much travel.
HOLIDAYS = {
    date(2013, 5, 27): "Memorial Day",
    date(2013, 7, 4): "4 July",
    date(2013, 9, 2): "Labor Day",
    date(2013, 11, 28): "Thanksgiving",
    date(2013, 12, 25): "25 Dec",
}
NEAR, WEEK = timedelta(days=3), timedelta(days=7)
# A day is one of storms where twice as many flights are late as on the median day of 2013.
STORMY = 0.4
# Columns of delays over one to four weeks.
SLOW = re.compile(r"_(7|28)d$")
# Columns that change with the season, by what people call it.
SEASON = {
    "weather__temp": "temperature",
    "weather__dewp": "dew point",
    "weather__humid": "humidity",
}

Found = Mapping[str, Any]


def account(found: Found) -> str:
    """A Markdown table with a row for each request to retrain, in order."""
    days, late = drifted_days(found), late_shares(found["flights"])
    rows = []
    for event in found["events"]:
        end = date.fromisoformat(event["day"])
        week = {day: names for day, names in days.items() if end - WEEK < day <= end}
        asked = _reasons(week, late) if event["trigger"] == "drift" else _first(event["asked"])
        version = f" v{event['version']}" if event["version"] else ""
        outcome = f"{event['outcome']}{version}: {_decisive(event['why'])}"
        trigger = event["trigger"].replace("_", " ")
        rows.append(f"| {end:%-d %b} | {trigger} | {asked} | {outcome} |")
    head = "| week to | trigger | what had happened | outcome |"
    return "\n".join([head, "|---" * 4 + "|", *rows, ""])


def drifted_days(found: Found) -> dict[date, list[str]]:
    """The days with the verdict DRIFT, and the columns of each."""
    days = {row["day"] for row in found["days"] if row["verdict"] == "DRIFT"}
    columns = defaultdict(list)
    for row in found["drifted"]:
        if row["day"] in days:
            columns[date.fromisoformat(row["day"])].append(row["column"])
    return dict(sorted(columns.items()))


def late_shares(flights: Sequence[Found]) -> dict[date, float]:
    """The share of late flights by day."""
    return {date.fromisoformat(row["day"]): row["late"] for row in flights}


def why(day: date, columns: Sequence[str], late: Mapping[date, float]) -> str:
    """What was special about a day that drifted: a storm, the season, a holiday; else its columns.

    Delays of the last 24 hours are inputs, so a day may drift by the storm of the day before.
    """
    reasons = []
    worst = max((late.get(each, 0.0), each) for each in (day, day - timedelta(days=1)))
    if worst[0] >= STORMY:
        reasons.append(f"storm, {worst[0]:.0%} late on {worst[1]:%-d %b}")
    elif any(SLOW.search(name) for name in columns):
        usual = sum(late.values()) / len(late)
        reasons.append("quiet weeks" if _before(day, late) < usual else "weeks of delays")
    reasons += [told for name, told in SEASON.items() if name in columns]
    reasons += [name for holiday, name in HOLIDAYS.items() if abs(day - holiday) <= NEAR]
    return ", ".join(reasons or columns)


def _reasons(week: Mapping[date, Sequence[str]], late: Mapping[date, float]) -> str:
    """Each reason of a week once, with its days."""
    days: dict[str, list[date]] = defaultdict(list)
    for day, columns in week.items():
        days[why(day, columns, late)].append(day)
    return "; ".join(f"{_span(each)}: {reason}" for reason, each in days.items())


def _span(days: Sequence[date]) -> str:
    return f"{days[0]:%-d %b}" if len(days) == 1 else f"{len(days)} days from {days[0]:%-d %b}"


def _before(day: date, late: Mapping[date, float]) -> float:
    """The mean share of the 28 days before."""
    before = [late[each] for n in range(1, 29) if (each := day - timedelta(days=n)) in late]
    return sum(before) / max(len(before), 1)


def _first(told: str) -> str:
    """What a check says, less its verdict, which the trigger is."""
    return told.split("; ")[0].split(": ", 1)[-1]


def _decisive(told: str) -> str:
    """The part of the gates' words that compares with the champion; all of other words."""
    compared = [part for part in told.split("; ") if "champion" in part]
    return (compared or [told])[0].partition(": within the margin")[0]
