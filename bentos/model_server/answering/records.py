"""The bytes of an answer and of its line in the journal, joined from parts that are ready."""

import time
from collections.abc import Sequence
from math import isfinite

import msgspec

from bentos.model_server.answering.pending import Pending
from bentos.model_server.answering.plan import Plan
from bentos.model_server.answering.prediction_ids import new_prediction_id
from bentos.model_server.features.reading import StoredValues
from resources.buckets import BUCKETS, bucket_of
from resources.online_store import FeatureValues

Found = float | Sequence[float]

_ID, _PREDICTION = b'{"prediction_id":"', b'","prediction":'
# Of features that were given nobody knows when and where from they came.
_NO_ORIGINS = b',"feature_times":{},"feature_partitions":{}'
_json = msgspec.json.Encoder().encode


class Recorder:
    """Writes what was predicted: for the caller, and for the journal.

    `bento` is the tag that every record names.
    """

    def __init__(self, bento: str) -> None:
        self._bento = b',"bento":' + _json(bento)
        self._texts: dict[tuple[int | None, str | None], tuple[bytes, bytes]] = {}

    def written(self, item: Pending, found: Found, served_at: bytes) -> tuple[bytes, bytes, str]:
        """The answer's body, the journal's line (empty: not recorded), the prediction's id.

        `served_at` is a JSON text.
        """
        plan = item.plan
        identity = new_prediction_id()
        answered, recorded = _numbers(plan, found)
        named, statuses = plan.named(item.choice.variant), item.statuses
        flags = item.flags()
        flagged = b',"flags":' + _json(flags) if flags else b""
        parts = (_ID, identity, _PREDICTION, answered, named, statuses.answered, flagged, b"}")
        body = b"".join(parts)
        if not _is_recorded(item):
            return body, b"", identity.decode()
        moment = item.request.event_timestamp.isoformat().encode()
        seconds = time.perf_counter() - item.started
        line = b"".join(
            (
                _request(item),
                b"," + _ID[1:],
                identity,
                _PREDICTION,
                recorded,
                named,
                statuses.recorded,
                flagged,
                plan.artefact,
                self._bento,
                b',"served_at":',
                served_at,
                b',"event_timestamp":"',
                moment,
                b'"',
                _NO_ORIGINS if item.stored is None else self._origins(plan, item.stored),
                b',"latency_ms":%.3f,"bucket":%d,"revision":%d'
                % (seconds * 1000, item.choice.bucket, item.choice.revision),
                _caller(item),
                b"}\n",
            )
        )
        return body, line, identity.decode()

    def _origins(self, plan: Plan, stored: StoredValues) -> bytes:
        """When and where from each view's row came."""
        pairs = [self._origin(found) for found in stored.answers]
        times = b",".join([b"%b%b" % (name, time) for name, (time, _) in zip(plan.views, pairs)])  # noqa: B905
        days = b",".join([b"%b%b" % (name, day) for name, (_, day) in zip(plan.views, pairs)])  # noqa: B905
        return b',"feature_times":{%b},"feature_partitions":{%b}' % (times, days)

    def _origin(self, found: FeatureValues | None) -> tuple[bytes, bytes]:
        """Time and partition of a row as JSON; rows of a view share a few."""
        if found is None:
            return b"null", b"null"
        known = self._texts.get((found.event, found.partition))
        if known is None:
            if len(self._texts) > BUCKETS:
                self._texts.clear()
            moment = found.event_timestamp
            known = _json(moment.isoformat() if moment else None), _json(found.partition)
            self._texts[found.event, found.partition] = known
        return known


def is_usable(found: Sequence[Found]) -> bool:
    """Whether every prediction of a batch is a finite number."""
    # Python's own: for a batch of 32 five times as fast as NumPy, which makes an array first.
    rows = (found,) if isinstance(found[0], int | float) else found
    return all(all(map(isfinite, row)) for row in rows)  # type: ignore[arg-type]


def _numbers(plan: Plan, found: Found) -> tuple[bytes, bytes]:
    """The prediction as answered and as recorded.

    Of classes, the most probable one is answered; its probability is recorded: what drift looks at.
    """
    if isinstance(found, int | float):
        number = b"%r" % found
        return number, number
    best = max(range(len(found)), key=found.__getitem__)
    by_class = dict(zip(plan.card.classes, found, strict=True))
    probabilities = b',"probabilities":' + _json(by_class)
    return _json(plan.card.classes[best]) + probabilities, b"%r" % found[best] + probabilities


def _request(item: Pending) -> bytes:
    """The start of a line: what was asked, and the features, without the closing brace."""
    plan, request = item.plan, item.request
    is_given = request.given is not None
    if request.raw is not None and is_given and plan.is_given_whole:
        return request.raw[:-1]
    start = _json(_asked(item)) if request.raw is None or is_given else request.raw
    first = len(request.asked)
    values = item.row[first : first + plan.inputs] + item.row[first + len(plan.stored) :]
    features = dict(zip(plan.shown, values, strict=True))
    return b'%b,"features":%b' % (start[:-1], _json(features))


def _asked(item: Pending) -> dict[str, object]:
    plan, request = item.plan, item.request
    redacted = plan.card.serving.journal.redact
    asked = plan.asked(request)
    if redacted:
        asked = {name: None if name in redacted else value for name, value in asked.items()}
    return {
        "unit_id": request.unit_id,
        "entities": {name: asked[name] for name in plan.entities},
        "context": {name: asked[name] for name in plan.context},
    }


def _caller(item: Pending) -> bytes:
    said, caller = b"", item.caller
    if item.caller.client is not None:
        said += b',"client":' + _json(caller.client)
    if caller.trace_id is not None:
        said += b',"trace_id":' + _json(caller.trace_id)
    return said


def _is_recorded(item: Pending) -> bool:
    share = item.plan.card.serving.journal.share
    if share >= 1:
        return True
    salt = f"journal\0{item.plan.card.model}"
    return bucket_of(salt, item.request.unit_id) < share * BUCKETS
