"""Where every store lives. The only reader of the environment.

Nothing else in mlplat branches on "dev" or "prod": a URL decides. All defaults are embedded
stores below one folder, `MLPLAT_HOME`.
"""

import getpass
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Resolved locations of the stores, and who acts.

    Attributes:
        home: Folder of the embedded stores (`MLPLAT_HOME`).
        lake_catalog: DuckLake catalog, `sqlite:PATH` or `postgres:LIBPQ` (`MLPLAT_LAKE_CATALOG`).
        lake_data: Folder or s3:// prefix of the lake's Parquet files (`MLPLAT_LAKE_DATA`).
        online_url: `sqlite:///PATH` or `redis://HOST:PORT/DB` (`MLPLAT_ONLINE_URL`).
        stream_url: `sqlite:///PATH` or `redis://HOST:PORT/DB` of the event streams that feed
            streamed views (`MLPLAT_STREAM_URL`).
        online_timeout: Seconds to wait for the online store, 2 if unset (`MLPLAT_ONLINE_TIMEOUT`).
        registry_url: SQLAlchemy URL (`MLPLAT_REGISTRY_URL`).
        artifacts_url: Folder path or `s3://bucket/prefix` (`MLPLAT_ARTIFACTS_URL`).
        tracking_url: MLflow tracking URI (`MLPLAT_TRACKING_URL`).
        tracking_ui: Where people open MLflow: the server, or what `mlplat dev` starts on a
            SQLite file (`MLPLAT_TRACKING_UI`).
        search_url: SQLAlchemy URL of the hyperparameter searches (`MLPLAT_SEARCH_URL`).
        dagster_url: Where people open Dagster, for links from elsewhere (`MLPLAT_DAGSTER_URL`).
        journal: Folder of the prediction journal's segments (`MLPLAT_JOURNAL`).
        bentoml_home: Folder of the Bento store (`BENTOML_HOME`).
        dagster_home: Folder that holds `dagster.yaml` (`DAGSTER_HOME`).
        serving_url: Where `mlplat serve` listens (`MLPLAT_SERVING_URL`).
        serving_tokens: File of the tokens that model servers admit (`MLPLAT_SERVING_TOKENS`);
            None: they listen on the loopback only, to everybody there.
        alerts: File of who is told of alerts (`MLPLAT_ALERTS`); None: they go to the log.
        actor: Name written to the audit log for what this process does (`MLPLAT_ACTOR`), while
            the registry has no tokens.
        token: What proves to the registry who acts, None for nobody (`MLPLAT_TOKEN`).
        cpu_hour_price: Price of an hour of a CPU; None: not declared (`MLPLAT_CPU_HOUR_PRICE`).
        gpu_hour_price: Price of an hour of a GPU; None: not declared (`MLPLAT_GPU_HOUR_PRICE`).
        currency: What prices are in, EUR if unset (`MLPLAT_CURRENCY`).
        image: Container image that this process runs in, for lineage (`MLPLAT_IMAGE`).
    """

    home: Path
    lake_catalog: str
    lake_data: str
    online_url: str
    stream_url: str
    online_timeout: float
    registry_url: str
    artifacts_url: str
    tracking_url: str
    tracking_ui: str
    search_url: str
    dagster_url: str
    journal: Path
    bentoml_home: Path
    dagster_home: Path
    serving_url: str
    serving_tokens: Path | None
    alerts: Path | None
    actor: str
    image: str | None
    token: str | None = field(repr=False)
    cpu_hour_price: float | None
    gpu_hour_price: float | None
    currency: str

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, telemetry off, for child processes."""
        return {
            "MLPLAT_HOME": str(self.home),
            "MLPLAT_LAKE_CATALOG": self.lake_catalog,
            "MLPLAT_LAKE_DATA": self.lake_data,
            "MLPLAT_ONLINE_URL": self.online_url,
            "MLPLAT_STREAM_URL": self.stream_url,
            "MLPLAT_ONLINE_TIMEOUT": str(self.online_timeout),
            "MLPLAT_REGISTRY_URL": self.registry_url,
            "MLPLAT_ARTIFACTS_URL": self.artifacts_url,
            "MLPLAT_TRACKING_URL": self.tracking_url,
            "MLPLAT_TRACKING_UI": self.tracking_ui,
            "MLPLAT_SEARCH_URL": self.search_url,
            "MLPLAT_DAGSTER_URL": self.dagster_url,
            "MLPLAT_JOURNAL": str(self.journal),
            "MLPLAT_DAGSTER_STORAGE": str(self.home / "dagster"),
            "MLPLAT_SERVING_URL": self.serving_url,
            "MLPLAT_SERVING_TOKENS": str(self.serving_tokens or ""),
            "MLPLAT_ALERTS": str(self.alerts or ""),
            "MLPLAT_ACTOR": self.actor,
            "MLPLAT_TOKEN": self.token or "",
            "MLPLAT_IMAGE": self.image or "",
            "MLPLAT_CPU_HOUR_PRICE": _said(self.cpu_hour_price),
            "MLPLAT_GPU_HOUR_PRICE": _said(self.gpu_hour_price),
            "MLPLAT_CURRENCY": self.currency,
            "BENTOML_HOME": str(self.bentoml_home),
            "DAGSTER_HOME": str(self.dagster_home),
            "BENTOML_DO_NOT_TRACK": "True",
            "DO_NOT_TRACK": "1",
            "ORT_DISABLE_TELEMETRY": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # Else its server keeps six processes of 160 MB for jobs that nothing here submits.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from environment variables, each with an embedded default below the home folder."""
    env = os.environ if environ is None else environ
    home = Path(env.get("MLPLAT_HOME") or REPOSITORY / ".mlplat").resolve()
    tracking = env.get("MLPLAT_TRACKING_URL") or f"sqlite:///{home / 'mlflow.sqlite'}"
    tokens = env.get("MLPLAT_SERVING_TOKENS")
    alerts = env.get("MLPLAT_ALERTS")
    remote = tracking if tracking.startswith("http") else None
    return Settings(
        home=home,
        lake_catalog=env.get("MLPLAT_LAKE_CATALOG") or f"sqlite:{home / 'lake' / 'catalog.sqlite'}",
        lake_data=env.get("MLPLAT_LAKE_DATA") or str(home / "lake" / "data"),
        online_url=env.get("MLPLAT_ONLINE_URL") or f"sqlite:///{home / 'online.sqlite'}",
        stream_url=env.get("MLPLAT_STREAM_URL") or f"sqlite:///{home / 'stream.sqlite'}",
        online_timeout=_seconds(env, "MLPLAT_ONLINE_TIMEOUT", 2.0),
        registry_url=env.get("MLPLAT_REGISTRY_URL") or f"sqlite:///{home / 'registry.sqlite'}",
        artifacts_url=env.get("MLPLAT_ARTIFACTS_URL") or str(home / "artifacts"),
        tracking_url=tracking,
        tracking_ui=env.get("MLPLAT_TRACKING_UI") or remote or "http://127.0.0.1:5001",
        search_url=env.get("MLPLAT_SEARCH_URL") or f"sqlite:///{home / 'search.sqlite'}",
        dagster_url=env.get("MLPLAT_DAGSTER_URL") or "http://127.0.0.1:3001",
        journal=Path(env.get("MLPLAT_JOURNAL") or home / "journal"),
        bentoml_home=Path(env.get("BENTOML_HOME") or home / "bentoml"),
        dagster_home=Path(env.get("DAGSTER_HOME") or REPOSITORY / "resources" / "instance"),
        serving_url=env.get("MLPLAT_SERVING_URL") or "http://127.0.0.1:3000",
        serving_tokens=Path(tokens) if tokens else None,
        alerts=Path(alerts) if alerts else None,
        actor=env.get("MLPLAT_ACTOR") or getpass.getuser(),
        token=env.get("MLPLAT_TOKEN") or None,
        image=env.get("MLPLAT_IMAGE") or None,
        cpu_hour_price=_price(env, "MLPLAT_CPU_HOUR_PRICE"),
        gpu_hour_price=_price(env, "MLPLAT_GPU_HOUR_PRICE"),
        currency=env.get("MLPLAT_CURRENCY") or "EUR",
    )


def _price(env: Mapping[str, str], name: str) -> float | None:
    text = env.get(name)
    if not text:
        return None
    try:
        price = float(text)
    except ValueError:
        price = math.nan
    if not 0 <= price < math.inf:
        raise ValueError(f"{name} is {text!r}: set the price of an hour, like 0.04")
    return price


def _said(price: float | None) -> str:
    return "" if price is None else str(price)


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name) or str(default)
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} is {value!r}: set a positive number of seconds, like {default:g}")
    return seconds
