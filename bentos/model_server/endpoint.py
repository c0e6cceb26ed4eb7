"""One prediction: validate, fetch features, predict, journal, answer."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import Any

from bentos.model_server.answering.completion import Completion
from bentos.model_server.answering.deadlines import patient, within
from bentos.model_server.answering.failures import Failures
from bentos.model_server.answering.pending import Addressed, Caller, Outcome, Pending
from bentos.model_server.answering.plan import Plan
from bentos.model_server.answering.records import Recorder
from bentos.model_server.answering.refusals import REFUSALS, Answer, refusal_of
from bentos.model_server.artefact.card import Card
from bentos.model_server.features.cache import FeatureCache
from bentos.model_server.features.reading import FeatureReader, StoredValues
from bentos.model_server.journal.segments import Journal
from bentos.model_server.meter import Meter
from bentos.model_server.request.contract import Request, parse_body
from bentos.model_server.request.field_check import is_unicode
from bentos.model_server.routing.shadows import Shadows
from bentos.model_server.routing.versions import Choice, NotServing, Routing, Served
from bentos.model_server.runtime.batcher import Batcher
from resources.online_store import OnlineStore


class Endpoint:
    """Answers requests for one model with whichever version a unit is routed to.

    Used from one event loop. `meter` counts what happens.
    """

    def __init__(
        self,
        *,
        routing: Routing,
        store: OnlineStore,
        journal: Journal,
        bento: str,
        clock: Callable[[], datetime],
        meter: Meter | None = None,
        shadows: Shadows | None = None,
        failures: Failures | None = None,
    ) -> None:
        self.routing = routing
        self.meter = meter or Meter()
        self._clock = clock
        self._bento = bento
        self._failures = failures
        self._features = FeatureReader(store, FeatureCache(perf_counter))
        self._completion = Completion(
            journal=journal,
            recorder=Recorder(bento),
            clock=clock,
            meter=self.meter,
            shadows=shadows,
        )
        self._batcher = Batcher[Pending](
            accept=self._completion.wanted, finish=self._completion.finish
        )
        self.meter.gauges["queue"] = self._batcher.depth
        self._guess: Plan | None = None

    async def answer_body(self, body: bytes, caller: Caller | None = None) -> Answer:
        """The answer to a request body."""
        started = perf_counter()
        choice = request = None
        try:
            choice, request = self.understood(body)
            self.meter.stage("decode", perf_counter() - started)
            answer = await self.predicted(choice, request, caller or patient(), started)
        except REFUSALS as error:
            return self.refused(error, choice, started, request)
        self.meter.answered(200, choice.variant, choice.version, perf_counter() - started)
        return Answer(status=HTTPStatus.OK, body=answer)

    async def answer(self, payload: object) -> Answer:
        """The answer to an already parsed request."""
        started = perf_counter()
        choice = request = None
        try:
            choice, request = self._validated(payload)
            answer = await self.predicted(choice, request, patient(), started)
        except REFUSALS as error:
            return self.refused(error, choice, started, request)
        self.meter.answered(200, choice.variant, choice.version, perf_counter() - started)
        return Answer(status=HTTPStatus.OK, body=answer)

    def understood(self, body: bytes) -> tuple[Choice, Request]:
        """Who answers a request, and the request as that version takes it.

        Raises:
            RequestMalformed, RequestInvalid, NotServing
        """
        # Which version answers is known once the unit is: so it is read as the last one's request.
        guess = self._guess
        request = None if guess is None else guess.decoder.decode(body, self._clock)
        if request is None:
            return self._validated(parse_body(body))
        choice = self.routing.choose(request.unit_id)
        plan = choice.served.plan
        if plan is guess:
            return choice, request
        self._guess = plan
        request = plan.decoder.decode(body, self._clock)
        if request is None:
            request = plan.contract.validate(parse_body(body), self._clock)
        return choice, request

    async def predicted(
        self, choice: Choice, request: Request, caller: Caller, started: float
    ) -> bytes:
        """The body of the answer to a valid request, which is in the journal by then.

        Raises:
            Any of REFUSALS.
        """
        plan = choice.served.plan
        stored = None if request.given is not None else await self._stored(plan, request, caller)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._submit(choice, request, stored, caller, started, future)
        if plan.is_quick:
            return await future
        return await within(future, caller)

    def answer_to(
        self, body: bytes, caller: Caller, outcome: Addressed
    ) -> Coroutine[Any, Any, None] | None:
        """Have a request body answered; what is returned is left to do, in a task."""
        try:
            choice, request = self.understood(body)
            outcome.choice, outcome.request = choice, request
            self.meter.stage("decode", perf_counter() - outcome.started)
            if request.given is None or not choice.served.plan.is_quick:
                return self._answer_later(choice, request, caller, outcome)
            self._submit(choice, request, None, caller, outcome.started, outcome)
        except REFUSALS as error:
            outcome.set_exception(error)
        return None

    async def _answer_later(
        self, choice: Choice, request: Request, caller: Caller, outcome: Addressed
    ) -> None:
        plan = choice.served.plan
        try:
            if not plan.is_quick:
                outcome.set_result(await self.predicted(choice, request, caller, outcome.started))
                return
            stored = await self._stored(plan, request, caller)
            self._submit(choice, request, stored, caller, outcome.started, outcome)
        except REFUSALS as error:
            outcome.set_exception(error)
        except BaseException:
            outcome.abandon()
            raise

    def _submit(
        self,
        choice: Choice,
        request: Request,
        stored: StoredValues | None,
        caller: Caller,
        started: float,
        outcome: Outcome,
    ) -> None:
        """Put a request with its features into the next batch."""
        plan = choice.served.plan
        values = stored.values if stored is not None else request.given
        assert values is not None  # what was not read was given
        computed = plan.compute(request, values)
        text, counts = plan.statuses.of(plan.statuses_of(stored, values, computed))
        for status, n in counts:
            self.meter.status(status, n)
        row = request.asked + values + computed
        self._batcher.submit(
            Pending(plan, choice, request, stored, text, row, started, caller, outcome)
        )

    def description(self) -> dict[str, object]:
        """The model, the version that answers, the request it expects, the registry's state."""
        served = self._served()
        checked = self.routing.checked
        return {
            "model": self.routing.model,
            "version": served.target.version,
            "artifact_digest": served.target.artifact_digest,
            "bento": self._bento,
            "variant": "champion",
            "task": served.card.task,
            "on_missing": served.card.serving.on_missing,
            "request": served.contract.schema(),
            "routing": self.routing.document(),
            "registry": {
                "checked_at": checked.at.isoformat() if checked.at else None,
                "error": checked.error,
            },
        }

    def card(self) -> Card:
        """The card of the version that answers."""
        return self._served().card

    def is_ready(self) -> bool:
        """Whether requests will be answered: a version is loaded and can be recorded."""
        active = self.routing.active
        if active is None:
            return False
        return not active.card.serving.journal.required or self._completion.health.problem is None

    def close(self) -> None:
        """End what runs beside the event loop."""
        self._batcher.close()

    def _served(self) -> Served:
        served = self.routing.active
        if served is None:
            raise NotServing(f"no version of {self.routing.model} is loaded")
        return served

    def _validated(self, payload: object) -> tuple[Choice, Request]:
        unit_id = payload.get("unit_id") if isinstance(payload, dict) else None
        known = unit_id if isinstance(unit_id, str) and is_unicode(unit_id) else ""
        choice = self.routing.choose(known)
        self._guess = choice.served.plan
        return choice, self._guess.contract.validate(payload, self._clock)

    async def _stored(self, plan: Plan, request: Request, caller: Caller) -> StoredValues:
        started = perf_counter()
        reading = self._features.read(plan.reading, request)
        # The store has a time limit of its own; a caller's costs 7 microseconds.
        stored = await (within(reading, caller) if caller.is_hurried else reading)
        self.meter.stage("features", perf_counter() - started)
        if plan.card.serving.on_missing == "refuse":
            plan.reading.refuse_missing(plan.asked(request), stored.answers)
        return stored

    def refused(
        self, error: Exception, choice: Choice | None, started: float, request: Request | None
    ) -> Answer:
        """The answer for one of REFUSALS, which is counted, and is on record once understood."""
        answer = refusal_of(error)
        if choice and request and self._failures:
            self._failures.record(error, choice, request)
        variant, version = (choice.variant, choice.version) if choice else ("", 0)
        self.meter.answered(answer.status, variant, version, perf_counter() - started)
        return answer
