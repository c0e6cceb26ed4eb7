"""Feature values that were read a short while ago and may be used again.

A value is used for the seconds that the model's card gives its view, and never beyond the view's
ttl; the least recently used one goes first.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from resources.online_rows import microseconds
from resources.online_store import FeatureValues, Status, ViewRequest

CAPACITY = 50_000
_MICROSECOND = timedelta(microseconds=1)
_Key = tuple[str, tuple[object, ...], tuple[str, ...]]


class FeatureCache:
    """The values of one process. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._held: OrderedDict[_Key, tuple[float, FeatureValues]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(
        self, request: ViewRequest, at: datetime, seconds: Mapping[str, float]
    ) -> FeatureValues | None:
        """The values of a request, if they may be used again for a decision at this time."""
        bound = seconds.get(request.view)
        if bound is None:
            return None
        key = _key(request)
        held = self._held.get(key)
        if held is None:
            return None
        read_at, found = held
        if self._clock() - read_at > bound:
            del self._held[key]
            return None
        if request.ttl and found.event is not None:
            oldest = microseconds(at) - request.ttl // _MICROSECOND
            if found.event < oldest:
                return None
        self._held.move_to_end(key)
        return found

    def put(self, request: ViewRequest, found: FeatureValues, seconds: Mapping[str, float]) -> None:
        """Keep what was read, if the view's values may be used again.

        What was too old for one decision is not: its values are gone, and another decision may be
        for an earlier time.
        """
        if (
            request.view not in seconds
            or Status.OUTSIDE_MAX_AGE in found.status_by_feature.values()
        ):
            return
        key = _key(request)
        self._held[key] = (self._clock(), found)
        self._held.move_to_end(key)
        while len(self._held) > self._capacity:
            self._held.popitem(last=False)


def _key(request: ViewRequest) -> _Key:
    # The types too: 1, 1.0 and True are equal, and keys of different entities.
    typed = tuple((type(part), part) for part in request.key)
    return request.view, typed, request.features
