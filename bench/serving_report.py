"""What the serving bench found: ratios, the file of results and the printed table."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.peer_environment import peer_python
from bench.serving_load import CONNECTIONS, Points

RESULTS = Path(__file__).parent / "results" / "serving.json"
_LIBRARIES = (
    *("bentoml", "fastapi", "mlflow", "onnxruntime", "uvicorn", "uvloop", "httptools"),
    *("msgspec", "pydantic", "starlette", "hiredis"),
)


def report(points: Points, seconds: int, *, partial: bool) -> None:
    """Print what was measured; write RESULTS unless only some contenders were."""
    rows = points.table()
    document: dict[str, Any] = {
        "machine": {**machine(), "load_at_end": [round(load, 2) for load in os.getloadavg()]},
        "workload": {
            "model": "MLP 40-256-256-1",
            "connections": list(CONNECTIONS),
            "seconds_per_run": seconds,
        },
        "servers": rows,
    }
    sys.stdout.write(_printed(rows))
    if partial:
        return
    document["versions"] = _versions()
    document["ratios"] = ratios(points, rows)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    lines = [f"{name:<38}{ratio:>10}" for name, ratio in document["ratios"].items()]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")


def ratios(points: Points, rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures that the targets are about; a rate is the best over numbers of connections."""
    names = {row["server"] for row in rows}
    best = {
        name: max(points.median(name, count, "requests_per_s") for count in CONNECTIONS)
        for name in names
    }
    floor, full = best["asgi_floor"], best["ours_full"]
    found = {
        "full_vs_asgi_floor": full / floor,
        "full_vs_model_floor": full / best["model_floor"],
        "full_vs_stock_bentoml": full / best["bentoml_batchable"],
        "full_vs_fastapi": full / best["fastapi"],
        "full_vs_mlflow": full / best["mlflow"],
        "full_vs_ray_serve": full / best["ray_serve"],
        "redis_vs_fastapi": best["ours_redis"] / best["fastapi"],
        "sqlite_vs_fastapi": best["ours_sqlite"] / best["fastapi"],
    }
    for count in CONNECTIONS:
        rates = [points.median(n, count, "requests_per_s") for n in ("ours_full", "asgi_floor")]
        found[f"full_vs_asgi_floor_c{count}"] = rates[0] / rates[1]
        # Of processor time: what else the machine does is not in it.
        spent = [points.median(n, count, "cpu_us") for n in ("asgi_floor", "ours_full")]
        found[f"full_vs_asgi_floor_cpu_c{count}"] = spent[0] / spent[1]
    tails = [points.median(name, 32, "p99") for name in ("ours_full", "asgi_floor")]
    found["p99_c32_vs_floor"] = tails[0] / tails[1]
    found["p99_c32_ms_full"] = tails[0]
    found["p99_c32_ms_redis"] = points.median("ours_redis", 32, "p99")
    ours = [row for row in rows if row["server"].startswith("ours")]
    found["ours_failed"] = float(sum(row["non_2xx"] + row["broken"] for row in ours))
    return {name: round(ratio, 3) for name, ratio in found.items()}


def _versions() -> dict[str, str]:
    ray = [peer_python("ray"), "-c", "import ray; print(ray.__version__)"]
    asked = subprocess.run(ray, capture_output=True, text=True, check=True).stdout
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = {name: version(name) for name in _LIBRARIES}
    wrk_version = wrk.split("[", maxsplit=1)[0].strip()
    return {"python": platform.python_version(), "ray": asked.strip(), "wrk": wrk_version, **found}


def _printed(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{'server':<20}{'conns':>6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'p99.9':>9}"
        f"{'CPU us':>9}{'non-2xx':>9}{'broken':>8}"
    ]
    lines += [
        f"{row['server']:<20}{row['connections']:>6}{row['requests_per_s']:>9,}{row['p50']:>9.2f}"
        f"{row['p99']:>9.2f}{row['p999']:>9.2f}{row['cpu_us']:>9.0f}{row['non_2xx']:>9,}"
        f"{row['broken']:>8,}"
        for row in sorted(rows, key=lambda row: row["server"])
    ]
    return "\n".join(lines) + "\n"
