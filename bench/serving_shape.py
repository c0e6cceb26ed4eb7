"""The shape of a request of the serving bench. Standard library only: Ray's environment has it."""

from collections.abc import Mapping
from typing import Any

ENTITIES = {
    "carrier": [f"C{number}" for number in range(12)],
    "origin": ["EWR", "JFK", "LGA"],
    "dest": [f"D{number:02}" for number in range(30)],
}
# The least and the most of each field of context.
CONTEXT = {
    "distance": (80.0, 5000.0),
    "scheduled_minutes": (30.0, 720.0),
    "local_hour": (0.0, 23.0),
    "weekday": (1.0, 7.0),
}
# By view, its entities and how many features it has.
VIEWS: dict[str, tuple[tuple[str, ...], int]] = {
    "bench.weather": (("origin",), 5),
    "bench.airport": (("dest",), 5),
    "bench.carrier": (("carrier",), 5),
    "bench.route": (("origin", "dest"), 5),
    "bench.carrier_origin": (("carrier", "origin"), 5),
    "bench.carrier_dest": (("carrier", "dest"), 4),
    "bench.carrier_route": (("carrier", "origin", "dest"), 4),
}
# View and name of every stored feature, by its column.
COLUMNS = {
    f"{view.partition('.')[2]}__feature_{number}": (view, f"feature_{number}")
    for view, (_, features) in VIEWS.items()
    for number in range(features)
}
_CODES = {
    name: {value: float(code) for code, value in enumerate(known, start=1)}
    for name, known in ENTITIES.items()
}


def vector(request: Mapping[str, Any]) -> list[float]:
    """The 40 numbers of a request with full features, in the order of the peers' graph."""
    entities, context, features = request["entities"], request["context"], request["features"]
    codes = [known[entities[name]] for name, known in _CODES.items()]
    return [*(context[n] for n in CONTEXT), *(features[n] for n in COLUMNS), *codes]
