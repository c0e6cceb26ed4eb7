"""What a version predicts for events, recorded as its service records requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np

from bentos.model_server.artefact.card import EVENT_TIMESTAMP
from bentos.model_server.artefact.on_demand import OnDemandFailed
from bentos.model_server.request.contract import Request, RequestContract, RequestInvalid
from mlplat_assets.features.streaming.aggregates import SourceRow
from mlplat_assets.models.evaluations.served import Served
from mlplat_assets.scoring.events import EventRequests
from resources.online_store import FeatureValues, OnlineStore, Status, ViewRequest

VARIANT = "stream"


class FeaturesMissing(ValueError):
    """The model takes no entity that a view does not know, and an event has one."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The records of events that were scored, and the others with what is wrong with them."""

    records: list[dict[str, Any]]
    refused: list[dict[str, Any]]


@dataclass(kw_only=True)
class _Asked:
    """An event on its way; `columns` is everything that is known of it by name."""

    row: SourceRow
    request: Request
    entities: dict[str, Any]
    context: dict[str, Any]
    answers: list[FeatureValues]
    columns: dict[str, Any]
    features: dict[str, Any]
    started: float


@dataclass(frozen=True, kw_only=True)
class EventScorer:
    """One version over the events of one source; `clock` gives the UTC-aware present."""

    version: int
    artifact_digest: str
    served: Served
    requests: EventRequests
    online: OnlineStore
    clock: Callable[[], datetime]

    def score(self, rows: Sequence[SourceRow]) -> Scored:
        """Score events with the features that are online now, aged from each event's time.

        Raises:
            OnlineStoreUnavailable: The store is away: nothing is scored, ask again.
        """
        contract = RequestContract(self.served.card)
        asked: list[_Asked] = []
        refused: list[dict[str, Any]] = []
        for row in rows:
            try:
                asked.append(self._asked(contract, row))
            except (RequestInvalid, OnDemandFailed, FeaturesMissing) as error:
                refused.append({**self.requests.request(row), "error": str(error)})
        if not asked:
            return Scored(records=[], refused=refused)
        names = self.served.predictor.columns
        columns = {name: [one.columns[name] for one in asked] for name in names}
        found = self.served.predictor.predict(columns)
        records: list[dict[str, Any]] = []
        for one, value in zip(asked, found, strict=True):
            if np.isfinite(value).all():
                records.append(self._record(one, value))
            else:
                error = f"{self.requests.model} predicts {value}; see its inputs"
                refused.append({**self.requests.request(one.row), "error": error})
        return Scored(records=records, refused=refused)

    def _asked(self, contract: RequestContract, row: SourceRow) -> _Asked:
        started = perf_counter()
        request = contract.validate(self.requests.request(row), self.clock)
        card = self.served.card
        # As a policy left them: clipped values are what is predicted from.
        keys = len(card.entities)
        entities: dict[str, Any] = {
            f.name: v for f, v in zip(card.entities, request.asked[:keys], strict=True)
        }
        context = {f.name: v for f, v in zip(card.context, request.asked[keys:], strict=True)}
        reads = [
            ViewRequest(
                view=view.name,
                key=tuple(entities[name] for name in view.entities),
                features=view.features,
                ttl=timedelta(seconds=view.ttl_seconds) if view.ttl_seconds else None,
            )
            for view in card.views
        ]
        answers = self.online.read(reads, request.event_timestamp)
        if card.serving.on_missing == "refuse":
            _refuse_missing(answers)
        by_view = {found.view: found for found in answers}
        features = {f.column: by_view[f.view].values[f.feature] for f in card.features}
        known: dict[str, Any] = {**entities, **context, **features}
        known[EVENT_TIMESTAMP] = request.event_timestamp
        for function in self.served.functions:
            for taken in function.entry.inputs:
                known[taken.column] = by_view[taken.view].values[taken.feature]
            made = function({name: [known[name]] for name in function.takes})
            features |= {name: made[name][0] for name in function.entry.columns}
        return _Asked(
            row=row,
            request=request,
            entities=entities,
            context=context,
            answers=answers,
            columns={**known, **features},
            features=features,
            started=started,
        )

    def _record(self, one: _Asked, found: np.ndarray) -> dict[str, Any]:
        """As a service writes it, of an event that nobody asked about."""
        classes, redacted = self.served.classes, self.served.card.serving.journal.redact
        record: dict[str, Any] = {
            "prediction_id": self.requests.prediction_id(one.row),
            "model": self.requests.model,
            "version": self.version,
            "artifact_digest": self.artifact_digest,
            "bento": "",
            "variant": VARIANT,
            "stream": self.requests.source.name,
            "served_at": self.clock().isoformat(),
            "event_timestamp": one.request.event_timestamp.isoformat(),
            "unit_id": one.request.unit_id,
            "entities": _without(one.entities, redacted),
            "context": _without(one.context, redacted),
            "features": one.features,
            "feature_status": self._statuses(one),
            "feature_times": {
                found.view: found.event_timestamp.isoformat() if found.event_timestamp else None
                for found in one.answers
            },
            "feature_partitions": {found.view: found.partition for found in one.answers},
            "prediction": float(found.max()),
            "latency_ms": round((perf_counter() - one.started) * 1000, 3),
        }
        if one.request.flags:
            record["flags"] = dict(one.request.flags)
        if classes:
            record["probabilities"] = dict(zip(classes, found.tolist(), strict=True))
        return record

    def _statuses(self, one: _Asked) -> dict[str, str]:
        by_view = {found.view: found for found in one.answers}
        read = {f.column: f for f in self.served.card.features}
        statuses: dict[str, str] = {}
        for column, value in one.features.items():
            if column in read:
                feature = read[column]
                statuses[column] = by_view[feature.view].status_by_feature[feature.feature]
            else:
                statuses[column] = Status.NULL if value is None else Status.PRESENT
        return statuses


def _without(values: Mapping[str, Any], redacted: Sequence[str]) -> dict[str, Any]:
    return {name: None if name in redacted else value for name, value in values.items()}


def _refuse_missing(answers: Sequence[FeatureValues]) -> None:
    missing = [f.view for f in answers if Status.NOT_FOUND in f.status_by_feature.values()]
    if missing:
        raise FeaturesMissing(
            f"{', '.join(missing)} has no features for this event, and the model requires them"
        )
