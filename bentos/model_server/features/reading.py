"""From the entities of a request to the stored features of a model: one read, and its policies."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from bentos.model_server.artefact.card import Card
from bentos.model_server.artefact.encoding import picker
from bentos.model_server.features.cache import FeatureCache
from bentos.model_server.request.contract import Request, Value
from bentos.model_server.request.problems import Problem, RequestInvalid
from resources.online_store import (
    FeatureValues,
    OnlineStore,
    OnlineStoreUnavailable,
    Status,
    ViewRequest,
)

DEFAULTED = "DEFAULTED"
GIVEN = "GIVEN"


class StoredValues(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The stored features of one request.

    Attributes:
        values: In the order of `Card.stored`.
        statuses: One for each value, None if all are PRESENT.
        answers: What the store answered, by the card's views; None where it was away.
        is_defaulted: The store was away, and defaults were taken.
    """

    values: tuple[Value, ...]
    statuses: tuple[str, ...] | None
    answers: tuple[FeatureValues | None, ...] = ()
    is_defaulted: bool = False


class Reading:
    """What one model reads for a request."""

    def __init__(self, card: Card) -> None:
        self._card = card
        entities = {field.name: position for position, field in enumerate(card.entities)}
        self._views = [
            (
                view.name,
                picker([entities[name] for name in view.entities]),
                view.features,
                timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
            )
            for view in card.views
        ]
        self._stored = list(card.stored().values())
        places = [(view.name, name) for view in card.views for name in view.features]
        index = {place: position for position, place in enumerate(places)}
        wanted = [index[each.view, each.feature] for each in self._stored]
        self._pick = None if wanted == list(range(len(places))) else picker(wanted)
        self._places = wanted
        self.cache_seconds = card.serving.cache
        self.takes_defaults = card.serving.on_unavailable == "defaults"

    def requests(self, asked: tuple[Value, ...]) -> list[ViewRequest]:
        """One for each view of the card."""
        return [
            ViewRequest(
                view=name,
                key=key_of(asked),  # type: ignore[arg-type]  (no lists: none is an entity)
                features=features,
                ttl=ttl,
            )
            for name, key_of, features, ttl in self._views
        ]

    def arranged(self, answers: list[FeatureValues]) -> StoredValues:
        """What the store answered, in the model's order."""
        flat: list[Value] = []
        for found in answers:
            flat += found.values.values()  # type: ignore[arg-type]  (no lists: none is an input)
        values = tuple(flat) if self._pick is None else self._pick(tuple(flat))
        statuses = None
        if None in values:
            told = [status for found in answers for status in found.status_by_feature.values()]
            statuses = tuple([told[position] for position in self._places])
        return StoredValues(values=values, statuses=statuses, answers=tuple(answers))

    def defaulted(self, answers: list[FeatureValues | None]) -> StoredValues:
        """What the cache held, and the declared defaults for the rest."""
        known = {found.view: found for found in answers if found is not None}
        defaults = self._card.serving.defaults
        values: list[Value] = []
        statuses: list[str] = []
        for each in self._stored:
            found = known.get(each.view)
            if found is not None:
                values.append(found.values[each.feature])  # type: ignore[arg-type]
                statuses.append(found.status_by_feature[each.feature])
            else:
                values.append(defaults.get(each.column))
                statuses.append(DEFAULTED if each.column in defaults else Status.NULL)
        return StoredValues(
            values=tuple(values),
            statuses=tuple(statuses),
            answers=tuple(answers),
            is_defaulted=True,
        )

    def refuse_missing(
        self, asked: Mapping[str, Value], answers: Sequence[FeatureValues | None]
    ) -> None:
        """Refuse a request with an entity that a view does not know.

        Raises:
            RequestInvalid: Names the view and the key.
        """
        problems: list[Problem] = []
        for view, found in zip(self._card.views, answers, strict=True):
            if found is not None and Status.NOT_FOUND in found.status_by_feature.values():
                named = ", ".join(f"{name}={asked[name]!r}" for name in view.entities)
                problems.append(
                    Problem(
                        error=f"{view.name} has no features for {named}, "
                        "and this model requires them",
                        field=", ".join(f"entities.{name}" for name in view.entities),
                        value=named,
                        expected={"view": view.name, "status": "an entity that the view knows"},
                    )
                )
        if problems:
            raise RequestInvalid(problems)


class FeatureReader:
    """Reads for any model from one store, through one cache."""

    def __init__(self, store: OnlineStore, cache: FeatureCache) -> None:
        self._store = store
        self._cache = cache

    async def read(self, reading: Reading, request: Request) -> StoredValues:
        """The stored features of a request, in one round trip at most.

        Raises:
            OnlineStoreUnavailable: The store is away, and the model takes no defaults.
        """
        wanted, at = reading.requests(request.asked), request.event_timestamp
        if reading.cache_seconds:
            return await self._read_through(reading, wanted, at)
        try:
            return reading.arranged(await self._fetch(wanted, at))
        except OnlineStoreUnavailable:
            if not reading.takes_defaults:
                raise
            return reading.defaulted([None] * len(wanted))

    async def _read_through(
        self, reading: Reading, wanted: list[ViewRequest], at: datetime
    ) -> StoredValues:
        seconds = reading.cache_seconds
        found = [self._cache.get(request, at, seconds) for request in wanted]
        missing = [position for position, each in enumerate(found) if each is None]
        if missing:
            try:
                answers = await self._fetch([wanted[position] for position in missing], at)
            except OnlineStoreUnavailable:
                if not reading.takes_defaults:
                    raise
                return reading.defaulted(found)
            for position, answer in zip(missing, answers, strict=True):
                self._cache.put(wanted[position], answer, seconds)
                found[position] = answer
        return reading.arranged([each for each in found if each is not None])

    async def _fetch(self, wanted: list[ViewRequest], at: datetime) -> list[FeatureValues]:
        if self._store.is_local:
            # A file is read where the request is answered: 0.1 ms, less than a thread's wake-up.
            return self._store.read(wanted, at)
        return await self._store.aread(wanted, at)
