"""One prediction: validate, fetch features, predict, journal, answer."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec
import numpy as np

from bentos.model_server.artefact.card import EVENT_TIMESTAMP
from bentos.model_server.artefact.on_demand import OnDemandFailed
from bentos.model_server.journal.segments import Journal, JournalUnavailable
from bentos.model_server.request.contract import (
    Problem,
    Request,
    RequestInvalid,
    RequestMalformed,
    parse_body,
)
from bentos.model_server.routing.versions import NotServing, Routing, Served
from resources.online_store import (
    FeatureValues,
    OnlineStore,
    OnlineStoreUnavailable,
    Status,
    Value,
    ViewRequest,
)

_VARIANT = "champion"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer with a JSON body."""

    status: int
    body: bytes


class PredictionUnusable(RuntimeError):
    """The model gave something that is not a finite number."""


class Endpoint:
    """Answers requests for one model with whichever version is active when they arrive."""

    def __init__(
        self,
        *,
        routing: Routing,
        store: OnlineStore,
        journal: Journal,
        bento: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.routing = routing
        self._store = store
        self._journal = journal
        self._bento = bento
        self._clock = clock

    def answer_body(self, body: bytes) -> Answer:
        """The answer to a request body."""
        started = time.perf_counter()
        try:
            return self._answer(parse_body(body), started)
        except RequestMalformed as error:
            return _refusal(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def answer(self, payload: object) -> Answer:
        """The answer to an already parsed request."""
        return self._answer(payload, time.perf_counter())

    def description(self) -> dict[str, object]:
        """The model, the version that answers, the request it expects, the registry's state."""
        served = self._served()
        checked = self.routing.checked
        return {
            "model": self.routing.model,
            "version": served.target.version,
            "artifact_digest": served.target.artifact_digest,
            "bento": self._bento,
            "variant": _VARIANT,
            "task": served.card.task,
            "on_missing": served.card.serving.on_missing,
            "request": served.contract.schema(),
            "routing": self.routing.document(),
            "registry": {
                "checked_at": checked.at.isoformat() if checked.at else None,
                "error": checked.error,
            },
        }

    def _served(self) -> Served:
        served = self.routing.active
        if served is None:
            raise NotServing(f"no version of {self.routing.model} is loaded")
        return served

    def _answer(self, payload: object, started: float) -> Answer:
        try:
            served = self._served()
            request = served.contract.validate(payload, self._clock)
            answers = self._store.read(_reads(served, request), request.event_timestamp)
            if served.card.serving.on_missing == "refuse":
                _refuse_missing(served, request, answers)
            return self._predict(served, request, answers, started)
        except RequestMalformed as error:
            return _refusal(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except RequestInvalid as error:
            problems = [problem.document() for problem in error.problems]
            document = problems[0] | {"problems": problems}
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, document)
        except (OnlineStoreUnavailable, JournalUnavailable, NotServing) as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(error)})
        except (OnDemandFailed, PredictionUnusable) as error:
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})

    def _predict(
        self, served: Served, request: Request, answers: list[FeatureValues], started: float
    ) -> Answer:
        features, statuses = _columns(served, answers)
        if served.on_demand:
            computed = _computed(served, request, answers)
            features |= computed
            statuses |= {
                column: Status.NULL if value is None else Status.PRESENT
                for column, value in computed.items()
            }
        inputs: dict[str, Value] = {**request.entities, **request.context, **features}
        columns = {name: [inputs[name]] for name in served.predictor.columns}
        found = served.predictor.predict(columns)[0]
        if not np.isfinite(found).all():
            raise PredictionUnusable(f"{served.card.model} predicted {found}; see its inputs")
        document: dict[str, object] = {
            "prediction_id": uuid.uuid4().hex,
            **_answered(served, found),
            "model": served.card.model,
            "version": served.target.version,
            "variant": _VARIANT,
            "feature_status": statuses,
        }
        self._journal.append(
            document
            | {
                # Of classes, the probability of the one that was answered: what drift looks at.
                "prediction": float(found.max()),
                "artifact_digest": served.target.artifact_digest,
                "bento": self._bento,
                "served_at": self._clock().isoformat(),
                "event_timestamp": request.event_timestamp.isoformat(),
                "unit_id": request.unit_id,
                "entities": request.entities,
                "context": request.context,
                "features": features,
                "feature_times": {
                    found.view: found.event_timestamp.isoformat() if found.event_timestamp else None
                    for found in answers
                },
                "feature_partitions": {found.view: found.partition for found in answers},
                "latency_ms": round((time.perf_counter() - started) * 1000, 3),
            }
        )
        return Answer(status=HTTPStatus.OK, body=msgspec.json.encode(document))


def _answered(served: Served, found: np.ndarray) -> dict[str, object]:
    """The number that was predicted, or the most probable class and the probability of each."""
    classes = served.card.classes
    if not classes:
        return {"prediction": float(found)}
    probabilities = dict(zip(classes, found.tolist(), strict=True))
    return {"prediction": classes[int(found.argmax())], "probabilities": probabilities}


def _reads(served: Served, request: Request) -> list[ViewRequest]:
    return [
        ViewRequest(
            view=view.name,
            key=tuple(request.entities[name] for name in view.entities),
            features=view.features,
            ttl=timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
        )
        for view in served.card.views
    ]


def _columns(
    served: Served, answers: list[FeatureValues]
) -> tuple[dict[str, Value], dict[str, Status]]:
    """Value and status of every view feature, by input column."""
    by_view = {found.view: found for found in answers}
    features: dict[str, Value] = {}
    statuses: dict[str, Status] = {}
    for feature in served.card.features:
        found = by_view[feature.view]
        features[feature.column] = found.values[feature.feature]
        statuses[feature.column] = found.status_by_feature[feature.feature]
    return features, statuses


def _computed(served: Served, request: Request, answers: list[FeatureValues]) -> dict[str, Value]:
    """The values of the model's on-demand features, by input column."""
    by_view = {found.view: found for found in answers}
    known: dict[str, Value | datetime] = {**request.entities, **request.context}
    known[EVENT_TIMESTAMP] = request.event_timestamp
    made: dict[str, Value] = {}
    for function in served.on_demand:
        for stored in function.entry.inputs:
            known[stored.column] = by_view[stored.view].values[stored.feature]
        values = function({name: [known[name]] for name in function.takes})
        made |= {column: values[column][0] for column in function.entry.columns}
    return made


def _refuse_missing(served: Served, request: Request, answers: list[FeatureValues]) -> None:
    problems: list[Problem] = []
    for view, found in zip(served.card.views, answers, strict=True):
        if Status.NOT_FOUND in found.status_by_feature.values():
            key = {name: request.entities[name] for name in view.entities}
            named = ", ".join(f"{name}={value!r}" for name, value in key.items())
            problems.append(
                Problem(
                    error=f"{view.name} has no features for {named}, and this model requires them",
                    field=", ".join(f"entities.{name}" for name in view.entities),
                    value=named,
                    expected={"view": view.name, "status": "an entity that the view knows"},
                )
            )
    if problems:
        raise RequestInvalid(problems)


def _refusal(status: HTTPStatus, document: Mapping[str, object]) -> Answer:
    # ASCII, because a refused value may hold a lone surrogate, which UTF-8 cannot carry.
    return Answer(status=status, body=json.dumps(document, ensure_ascii=True).encode())
