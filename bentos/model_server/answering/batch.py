"""Many requests in one: all of them are answered, or none."""

import asyncio
from time import perf_counter
from typing import Annotated

import msgspec

from bentos.model_server.answering.pending import Caller
from bentos.model_server.answering.refusals import REFUSALS, Answer, refusal_of
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.request.contract import Request
from bentos.model_server.request.problems import RequestMalformed
from bentos.model_server.routing.versions import Choice

ROWS = 1000


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    requests: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=ROWS)]


_decode = msgspec.json.Decoder(_Body).decode


async def answer_batch(endpoint: Endpoint, body: bytes, caller: Caller) -> Answer:
    """The answers to `{"requests": [...]}` in its order, or the first refusal, with its index."""
    started = perf_counter()
    understood: list[tuple[Choice, Request]] = []
    try:
        whole = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        answer = refusal_of(RequestMalformed(f'the body must be {{"requests": [...]}}: {error}'))
        endpoint.meter.answered(answer.status, "", 0, perf_counter() - started)
        return answer
    for index, raw in enumerate(whole.requests):
        try:
            understood.append(endpoint.understood(bytes(raw)))
        except REFUSALS as error:
            answer = refusal_of(error, index)
            endpoint.meter.answered(answer.status, "", 0, perf_counter() - started)
            return answer
    endpoint.meter.stage("decode", perf_counter() - started)
    return await _all_of(endpoint, understood, caller, started)


async def _all_of(
    endpoint: Endpoint, understood: list[tuple[Choice, Request]], caller: Caller, started: float
) -> Answer:
    waits = [endpoint.predicted(choice, request, caller, started) for choice, request in understood]
    answers = await asyncio.gather(*waits, return_exceptions=True)
    bodies: list[bytes] = []
    for index, (found, (choice, request)) in enumerate(zip(answers, understood, strict=True)):
        if isinstance(found, REFUSALS):
            endpoint.refused(found, choice, started, request)
            return refusal_of(found, index)
        if isinstance(found, BaseException):
            raise found
        bodies.append(found)
    seconds = perf_counter() - started
    for choice, _ in understood:
        endpoint.meter.answered(200, choice.variant, choice.served.target.version, seconds)
    return Answer(status=200, body=b'{"predictions":[' + b",".join(bodies) + b"]}")
