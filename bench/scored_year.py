"""Whether the lake's scores are, bit for bit, what the online service answers to the same vectors.

    mlplat score flights.arrival_delay --from 2013-01-01 --to 2013-12-31
    python -m bench.scored_year flights.arrival_delay

Every decision that the champion scored is sent to a real `bentoml serve` as a request with full
features: all of them in batches, and one in twenty on its own, sixteen at once, so that it shares
a batch with whoever asks at that moment. Prints counts; the status is 1 if any answer differs.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, timedelta
from typing import Any

from mlplat_assets.catalogue import catalogue
from mlplat_assets.keys import table
from mlplat_assets.scoring.question import UNIT, Days, Question
from mlplat_assets.scoring.scores import Target, full_vectors
from mlplat_assets.scoring.spans import Here
from resources.artifacts import artifact_store
from resources.lake import Lake, lake_from
from resources.registry.registry import registry
from resources.settings import REPOSITORY, Settings, from_environment

_ALONE = 20
_CLIENTS = 16
_AT_ONCE = 500
_READY_SECONDS = 90
Request = dict[str, Any]


def main() -> int:
    """Compare, print the counts, and say whether every answer is the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--days", type=int, default=366, help="only so many first days")
    chosen = parser.parse_args()
    settings = from_environment()
    lake = lake_from(settings)
    target = _champion(settings, lake, chosen.model)
    scores, days = _scores(lake, target, chosen.days)
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    question = Here(lake, artifacts, catalogue(), target).question
    counts: Counter[str] = Counter()
    started = time.perf_counter()
    with _serving(settings, chosen.model) as port:
        for vectors in full_vectors(lake, question, target, days):
            requests = [_request(row, question) for row in vectors.to_pylist()]
            counts += _compared(port, requests, scores)
    found = {
        "model": chosen.model,
        "version": target.version,
        "days": f"{days.first} to {days.last}",
        "scores": len(scores),
        **{name: counts[name] for name in ("in_batches", "alone", "different", "not_answered")},
        "seconds": round(time.perf_counter() - started, 1),
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    wrong = counts["different"] + counts["not_answered"]
    return int(wrong > 0 or counts["in_batches"] != len(scores))


def _champion(settings: Settings, lake: Lake, model: str) -> Target:
    champion = registry(settings.registry_url).champion(model)
    if champion is None:
        raise SystemExit(f"{model} has no champion; promote a version")
    return Target(
        model=model,
        version=champion.number,
        artifact_digest=champion.artifact_digest,
        snapshot=lake.snapshot(),
    )


def _scores(lake: Lake, target: Target, count: int) -> tuple[dict[str, float], Days]:
    """The version's scores by unit, and the days that they are of."""
    team, _, name = target.model.partition(".")
    scored = table("scores", team, name)
    held = lake.read(
        f"""select unit_id, prediction, partition_day
            from {scored} where version = ? order by partition_day""",  # noqa: S608
        [target.version],
    ).to_pydict()
    days: list[date] = held["partition_day"]
    last = min(days[-1], days[0] + timedelta(days=count - 1))
    rows = zip(held["unit_id"], held["prediction"], days, strict=True)
    return {u: v for u, v, day in rows if day <= last}, Days(first=days[0], last=last)


def _request(row: Mapping[str, Any], question: Question) -> Request:
    context = [name for name in question.columns if name not in question.entities]
    features = [f"{view.name}__{name}" for view, names in question.views for name in names]
    return {
        "unit_id": row[UNIT],
        "entities": {name: row[name] for name in question.entities},
        "context": {name: row[name] for name in context},
        "event_timestamp": row["event_timestamp"].replace(tzinfo=UTC).isoformat(),
        "features": {name: row[name] for name in features},
    }


def _compared(port: int, requests: Sequence[Request], scores: Mapping[str, float]) -> Counter[str]:
    local, counts = threading.local(), Counter[str]()

    def send(path: str, body: object) -> Any:  # noqa: ANN401  JSON
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"content-type": "application/json"}
        local.connection.request("POST", path, json.dumps(body), headers)
        response = local.connection.getresponse()
        content = response.read()
        return json.loads(content) if response.status == 200 else content.decode()

    def batch(start: int) -> list[Any]:
        part = requests[start : start + _AT_ONCE]
        answer = send("/v1/predict/batch", {"requests": part})
        return answer["predictions"] if isinstance(answer, dict) else [answer] * len(part)

    with ThreadPoolExecutor(_CLIENTS) as clients:
        starts = range(0, len(requests), _AT_ONCE)
        batched = [one for part in clients.map(batch, starts) for one in part]
        some = requests[::_ALONE]
        alone = list(clients.map(lambda body: send("/v1/predict", body), some))
    for kind, sent, answers in (("in_batches", requests, batched), ("alone", some, alone)):
        for request, answer in zip(sent, answers, strict=True):
            if not isinstance(answer, dict):
                counts["not_answered"] += 1
                sys.stderr.write(f"{answer[:300]}\n" if counts["not_answered"] < 4 else "")
            elif _number(answer) != scores[request["unit_id"]]:
                counts["different"] += 1
            else:
                counts[kind] += 1
    return counts


def _number(answer: Mapping[str, Any]) -> float:
    probabilities = answer.get("probabilities")
    return max(probabilities.values()) if probabilities else answer["prediction"]


@contextmanager
def _serving(settings: Settings, model: str) -> Iterator[int]:
    """`bentoml serve` of the registry's champion on the loopback, with a journal of its own."""
    with socket.socket() as probe, tempfile.TemporaryDirectory(prefix="mlplat-year-") as folder:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        command = [sys.executable, "-m", "bentoml", "serve"]
        command += ["bentos.model_server.service:ModelServer", "--host", "127.0.0.1"]
        environment = {**os.environ, **settings.environment(), "MLPLAT_MODEL": model}
        environment["MLPLAT_JOURNAL"] = folder
        server = subprocess.Popen([*command, "--port", str(port)], cwd=REPOSITORY, env=environment)
        try:
            _await_ready(server, port)
            yield port
        finally:
            server.terminate()
            server.wait(60)


def _await_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit("the service is not ready; its output is above")


if __name__ == "__main__":
    sys.exit(main())
