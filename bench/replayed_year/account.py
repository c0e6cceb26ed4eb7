"""A year in words: each request to retrain, the days behind it and why they drifted, its end."""

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
    date(2013, 12, 25): "Christmas",
}
NEAR = timedelta(days=3)
# A day is one of storms where twice as many flights are late as on the median day of 2013.
STORMY = 0.4
# Columns that change with the season, by what people call it.
SEASON = {
    "weather__temp": "temperature",
    "weather__dewp": "dew point",
    "weather__humid": "humidity",
}

Found = Mapping[str, Any]


def account(found: Found) -> str:
    """A Markdown table with a row for each request to retrain, in order."""
    days, late = drifted_days(found["drift"]), late_shares(found["flights"])
    rows = []
    for event in found["events"]:
        end = date.fromisoformat(event["day"])
        week = {day: names for day, names in days.items() if end - NEAR * 2 <= day <= end}
        told = "; ".join(f"{day:%-d %b}: {why(day, names, late)}" for day, names in week.items())
        asked = told if event["trigger"] == "drift" else event["asked"].split(";")[0]
        version = f" v{event['version']}" if event["version"] else ""
        outcome = f"{event['outcome']}{version}: {_decisive(event['why'])}"
        rows.append(f"| {end:%-d %b} | {event['trigger']} | {asked} | {outcome} |")
    head = "| week to | trigger | what had happened | outcome |"
    return "\n".join([head, "|---" * 4 + "|", *rows, ""])


def drifted_days(drift: Sequence[Found]) -> dict[date, list[str]]:
    """The days with the verdict DRIFT, and the columns of each."""
    found = defaultdict(list)
    for row in drift:
        if row["verdict"] == "DRIFT" and row["drifted"]:
            found[date.fromisoformat(row["day"])].append(row["column"])
    return dict(sorted(found.items()))


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
        reasons.append(f"{worst[0]:.0%} late on {worst[1]:%-d %b}")
    reasons += [told for name, told in SEASON.items() if name in columns]
    reasons += [name for holiday, name in HOLIDAYS.items() if abs(day - holiday) <= NEAR]
    return ", ".join(reasons or columns)


def _decisive(told: str) -> str:
    """The part of the gates' words that compares with the champion; all of other words."""
    compared = [part for part in told.split("; ") if "champion" in part]
    return (compared or [told])[0]
