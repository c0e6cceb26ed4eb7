"""What the online store bench found: percentiles, ratios, the file and the printed table."""

import json
import platform
import statistics
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from bench.machine import machine
from bench.online_store_data import CLIENTS, ENTITIES, VIEWS

RESULTS = Path(__file__).parent / "results" / "online_store.json"


class Samples:
    """Seconds of calls by engine, entities and clients, a list per round."""

    def __init__(self) -> None:
        self._rounds: dict[tuple[str, int, int], list[list[float]]] = defaultdict(list)
        self._rates: dict[tuple[str, int, int], list[float]] = defaultdict(list)

    def add(self, case: tuple[str, int, int], seconds: list[float], whole: float = 0.0) -> None:
        """One round of a case; `whole` is what it took with several clients."""
        self._rounds[case].append(seconds)
        if whole:
            self._rates[case].append(len(seconds) / whole)

    def table(self) -> list[dict[str, object]]:
        """Per case the medians of the rounds' p50 and p99 in microseconds, and requests/s."""
        return [
            {
                "engine": engine,
                "entities": entities,
                "clients": clients,
                "p50_us": round(self.percentile((engine, entities, clients), 50), 1),
                "p99_us": round(self.percentile((engine, entities, clients), 99), 1),
                "requests_per_s": round(statistics.median(rates)) if rates else None,
            }
            for engine, entities, clients in sorted(self._rounds, key=lambda case: case[1:])
            for rates in [self._rates[engine, entities, clients]]
        ]

    def cases(self) -> list[tuple[str, int, int]]:
        """Engine, entities, clients."""
        return list(self._rounds)

    def percentile(self, case: tuple[str, int, int], percent: int) -> float:
        """The median over rounds of a percentile, in microseconds."""
        found = [
            statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]
            for seconds in self._rounds[case]
        ]
        return 1e6 * statistics.median(found)


def report(samples: Samples, rates: dict[str, int], redis_version: str) -> None:
    """Write RESULTS and print them."""
    reads = samples.table()
    p50 = {case: samples.percentile(case, 50) for case in samples.cases()}
    p99 = {case: samples.percentile(case, 99) for case in samples.cases()}
    ours, floor, feast = (f"{name}_redis" for name in ("ours", "floor", "feast"))
    ratios = {
        "p99_vs_floor": p99[ours, 1, 1] / p99[floor, 1, 1],
        "p50_vs_floor": p50[ours, 1, 1] / p50[floor, 1, 1],
        "p99_vs_feast_redis": p99[feast, 1, 1] / p99[ours, 1, 1],
        "p50_vs_feast_redis": p50[feast, 1, 1] / p50[ours, 1, 1],
        # The most that a store on this machine could reach: Feast against the bare client.
        "p99_floor_vs_feast_redis": p99[feast, 1, 1] / p99[floor, 1, 1],
        "p99_vs_feast_redis_100_entities": p99[feast, 100, 1] / p99[ours, 100, 1],
        f"p99_vs_feast_redis_{CLIENTS}_clients": p99[feast, 1, CLIENTS] / p99[ours, 1, CLIENTS],
        "sync_vs_feast": rates["ours_redis"] / rates["feast_redis"],
        "p50_ms_100_entities": p50[ours, 100, 1] / 1000,
    }
    document = {
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "redis_server": redis_version,
            "feast": "0.67.0",
            **{name: version(name) for name in ("redis", "hiredis", "msgspec", "uvloop")},
        },
        "workload": {"entities": ENTITIES, "views": len(VIEWS), "features_per_view": 5},
        "reads": reads,
        "sync_rows_per_s": rates,
        "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(_printed(reads, rates, document["ratios"]))


def _printed(
    reads: list[dict[str, object]], rates: dict[str, int], ratios: dict[str, float]
) -> str:
    lines = [f"{'reads':<22}{'entities':>9}{'clients':>9}{'p50 us':>11}{'p99 us':>11}{'req/s':>9}"]
    for read in reads:
        rate = read["requests_per_s"] or ""
        lines.append(
            f"{read['engine']:<22}{read['entities']:>9}{read['clients']:>9}"
            f"{read['p50_us']:>11,}{read['p99_us']:>11,}{rate:>9}"
        )
    lines += ["", "sync, rows/s"] + [f"{name:<22}{rate:>9,}" for name, rate in rates.items()]
    lines += ["", "ratios"] + [f"{name:<34}{ratio:>9}" for name, ratio in ratios.items()]
    return "\n".join(lines) + "\n"
