"""A home folder as the console meets it, and the console on a real port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import uvicorn

from mlplat_assets.catalogue import catalogue
from mlplat_assets.console.app import app
from mlplat_assets.console.desk import desk
from mlplat_assets.discovery import Catalogue
from resources.registry.identity import Role
from resources.registry.registry import registry
from resources.settings import Settings
from tests.bentos.servers import free_port
from tests.small_home import APPROVER, MODEL, furnish, open_lake, register, settings_at

DRIFT_TABLE = "drift.flights__arrival_delay"
PERFORMANCE_TABLE = "performance.flights__arrival_delay"
FIRST = date(2013, 1, 1)
DAYS = 60
STORM = date(2013, 2, 8)
COLUMNS = ("weather__wind_gust", "weather__visib", "weather__temp", "distance", "prediction")


def furnished(home: Path) -> None:
    """Two champions, a canary that waits for approval, drift with a storm, one prediction."""
    furnish(home)
    third = register(home, "third", auc=0.7444)
    opened = registry(settings_at(home).registry_url)
    opened.set_share(MODEL, third.number, 5, actor="carol", reason="looks good offline")
    write_drift(home)
    write_performance(home)


def tokens(home: Path) -> dict[str, str]:
    """The texts of an admin's, an approver's, a viewer's and the author's token."""
    url = settings_at(home).registry_url
    admin = registry(url).tokens.create("ada", Role.ADMIN, actor="root").text
    issued = {"ada": admin}
    for name, role in ((APPROVER, Role.APPROVER), ("vic", Role.VIEWER)):
        issued[name] = registry(url, token=admin).tokens.create(name, role).text
    return issued


def write_drift(home: Path, table: str = DRIFT_TABLE) -> None:
    """Sixty days of version 2, the storm's with two drifted columns, one with too few rows."""
    generator = np.random.default_rng(7)
    rows = []
    for offset in range(DAYS):
        day = FIRST + timedelta(days=offset)
        few = offset == 20
        psi = generator.gamma(2.0, 0.03, len(COLUMNS))
        if day == STORM:
            psi[:2] = 0.9, 0.4
        rows += [
            {
                "partition_day": day,
                "version": 2,
                "verdict": "INCONCLUSIVE" if few else "DRIFT" if day == STORM else "OK",
                "rows": 120 if few else 850,
                "column": name,
                "psi": None if few else float(value),
                "threshold": 0.25,
                "drifted": bool(value > 0.25) and not few,
                "null_share": 0.01,
            }
            for name, value in zip(COLUMNS, psi, strict=True)
        ]
    last = FIRST + timedelta(days=DAYS)
    open_lake(home).replace_days(table, pl.DataFrame(rows).to_arrow(), FIRST, last)


def write_performance(home: Path) -> None:
    """Five days with labels."""
    days = [FIRST + timedelta(days=offset) for offset in range(5)]
    rows = pl.DataFrame(
        {
            "partition_day": days,
            "version": [2] * 5,
            "rows": [812, 790, 801, 777, 820],
            "auc": [0.731, 0.728, 0.735, 0.719, 0.74],
            "log_loss": [0.47, 0.48, 0.46, 0.49, 0.465],
        }
    )
    open_lake(home).replace_days(PERFORMANCE_TABLE, rows.to_arrow(), days[0], days[-1])


class Clock:
    """Real time, until it is moved forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@contextmanager
def console(
    settings: Settings, clock: Clock | None = None, declared: Catalogue | None = None
) -> Iterator[int]:
    """The port of a console of this process."""
    port = free_port()
    application = app(desk(settings, declared or catalogue(), clock or Clock()))
    server = uvicorn.Server(
        uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive(), "the console did not start"
        yield port
    finally:
        server.should_exit = True
        thread.join(10)
