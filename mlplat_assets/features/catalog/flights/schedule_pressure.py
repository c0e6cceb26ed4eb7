"""How tight a flight's schedule is, on an airport as busy and as late as it is now."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlplat_assets.spec import Field, OnDemandView

if TYPE_CHECKING:
    import numpy as np


def compute(columns: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
    """Per flight; what rests on a missing value is missing."""
    import numpy as np

    minutes, hour = columns["scheduled_minutes"], columns["local_hour"]
    departures = columns["origin_recent__departures_3h"]
    # At 460 miles an hour in the air, and half an hour for taxiing, climb and approach.
    needed = 30 + columns["distance"] * 60 / 460
    traffic = np.where(departures < 80, "usual", "dense").astype(object)
    traffic[departures < 40] = "quiet"
    traffic[np.isnan(departures)] = None
    return {
        "scheduled_speed": columns["distance"] * 60 / minutes,
        "slack_minutes": np.round(minutes - needed),
        "is_evening_peak": (hour >= 16) & (hour < 20),
        "traffic": traffic,
        "delay_trend": columns["origin_recent__departure_delay_mean_1h"]
        - columns["origin_recent__departure_delay_mean_3h"],
    }


ON_DEMAND = OnDemandView(
    description="How tight a flight's schedule is, on an airport as busy and late as it is now.",
    request=(
        Field(name="distance", dtype="int", description="Miles"),
        Field(name="scheduled_minutes", dtype="int", description="Gate to gate"),
        Field(name="local_hour", dtype="int", description="Hour of departure"),
    ),
    inputs=(
        "flights.origin_recent:departures_3h",
        "flights.origin_recent:departure_delay_mean_1h",
        "flights.origin_recent:departure_delay_mean_3h",
    ),
    features=(
        Field(name="scheduled_speed", dtype="float", description="Miles an hour, gate to gate"),
        Field(name="slack_minutes", dtype="int", description="Scheduled beyond what it takes"),
        Field(name="is_evening_peak", dtype="bool", description="Leaves from 16:00 to 19:59"),
        Field(name="traffic", dtype="string", description="quiet, usual or dense, of 3 hours"),
        Field(name="delay_trend", dtype="float", description="Minutes, last hour against 3 hours"),
    ),
    compute=compute,
)
