"""Model servers on one core: ours, its peers and what bare apps reach.

    python -m bench.serving [--seconds 2] [--only ours_full,asgi_floor]

Every server is pinned to core 0; wrk and Redis have core 1. The servers take turns within each
round, so that a busy moment of the machine meets all of them; figures are medians of rounds. Ours
runs with everything on: validation, routing with a canary and an A/B arm loaded, journal, metrics.
Writes bench/results/serving.json and prints a table. Takes about twenty minutes.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.online_store_servers import redis_server
from bench.peers.mlflow_model import save_for_mlflow
from bench.serving_contenders import (
    SERVER_CORE,
    Contender,
    Running,
    contenders,
    require_programs,
    started,
)
from bench.serving_graph import graph
from bench.serving_load import CONNECTIONS, Points, wrk
from bench.serving_report import report
from bench.serving_world import fill_store, make_home, write_bodies

ROUNDS = 5
WARM_SECONDS = 4
# Different units, so that every arm of the traffic table answers some.
UNITS = 1000
WARM_CONNECTIONS = 32


@contextmanager
def made_contenders(folder: Path) -> Iterator[list[Contender]]:
    """The contenders, with all that they serve from below a folder."""
    home = folder / "home"
    make_home(home)
    network = folder / "mlp.onnx"
    network.write_bytes(graph(1, named=False))
    save_for_mlflow(network, home / "mlflow")
    with redis_server(folder) as port:
        url = f"redis://127.0.0.1:{port}/0"
        fill_store(url)
        fill_store(f"sqlite:///{home / 'online.sqlite'}")
        yield contenders(home, network, url)


def measure(
    group: Sequence[Contender],
    bodies: dict[str, Path],
    folder: Path,
    seconds: int,
    points: Points,
) -> None:
    """Start a group of contenders, warm each up and measure them in ROUNDS rounds."""
    with ExitStack() as stack:
        servers: list[Running] = []
        for contender in group:
            body = bodies[contender.bodies].open().readline().strip()
            log = folder / f"{contender.name}.log"
            servers.append(stack.enter_context(started(contender, log, body, SERVER_CORE)))
        for server in servers:
            wrk(server, bodies[server.contender.bodies], WARM_CONNECTIONS, WARM_SECONDS)
        turn = random.Random(5)
        for number in range(ROUNDS):
            sys.stderr.write(f"round {number + 1} of {ROUNDS}: {len(servers)} servers\n")
            for connections in CONNECTIONS:
                for server in turn.sample(servers, len(servers)):
                    name, file = server.contender.name, bodies[server.contender.bodies]
                    points.add(name, connections, wrk(server, file, connections, seconds))


def main() -> None:
    """Measure, write the results, print them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=2, help="of each run of wrk")
    parser.add_argument("--only", help="names of contenders, by comma; nothing is written")
    options = parser.parse_args()
    require_programs()
    points = Points()
    with tempfile.TemporaryDirectory() as name, made_contenders(Path(name)) as every:
        folder = Path(name)
        bodies = write_bodies(folder, UNITS)
        chosen = [one for one in every if not options.only or one.name in options.only.split(",")]
        together = [one for one in chosen if not one.alone]
        for group in (together, *([one] for one in chosen if one.alone)):
            if group:
                measure(group, bodies, folder, options.seconds, points)
    report(points, options.seconds, partial=bool(options.only))


if __name__ == "__main__":
    main()
