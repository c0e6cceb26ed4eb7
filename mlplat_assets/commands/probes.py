"""One look at each store, which creates nothing and changes nothing."""

import json
import shutil
from pathlib import Path

from mlplat_assets.commands.findings import (
    DEMO,
    SECONDS,
    Finding,
    finding_at,
    folder_finding,
    get,
    sqlite_finding,
)
from mlplat_assets.commands.output import counted
from mlplat_assets.commands.stores import (
    NotThereYet,
    StoreAway,
    first_line,
    lake_file_exists,
    opened_lake,
    opened_registry,
)
from resources.settings import REPOSITORY, Settings


def home(settings: Settings) -> Finding:
    """Whether the folder of the embedded stores can be written."""
    return folder_finding(
        settings.home, "MLPLAT_HOME", lambda: f"{_free(settings.home):.0f} GB free"
    )


def lake(settings: Settings) -> Finding:
    """Whether the lake's catalog and files answer, and how much they hold."""
    found = finding_at(settings.lake_catalog, "MLPLAT_LAKE_CATALOG")
    if not lake_file_exists(settings):
        return found("absent", "not created yet", DEMO)
    try:
        if settings.lake_catalog.startswith("postgres:") and not _has_ducklake(settings):
            return found("absent", "the database holds no lake yet", DEMO)
        with opened_lake(settings) as opened, opened.connect() as connection:
            snapshot, tables = connection.execute(
                "select (select max(snapshot_id) from ducklake_snapshots('lake')), "
                "(select count(*) from duckdb_tables() where database_name = 'lake')"
            ).fetchall()[0]
    except (StoreAway, OSError) as error:
        remedy = "Start its database, or correct MLPLAT_LAKE_CATALOG and MLPLAT_LAKE_DATA."
        return found("broken", first_line(error.__cause__ or error), remedy)
    return found(
        "ok", f"{counted(tables, 'table')} at snapshot {snapshot}, files in {settings.lake_data}"
    )


def online(settings: Settings) -> Finding:
    """Whether the online store answers."""
    found = finding_at(settings.online_url, "MLPLAT_ONLINE_URL")
    path = settings.online_url.removeprefix("sqlite:///")
    if path != settings.online_url:
        return sqlite_finding(Path(path), "select count(*) from online_row", "row", found)
    from resources.online_store import OnlineStoreUnavailable, online_store

    try:
        store = online_store(settings.online_url, settings.online_timeout)
        store.count("mlplat.doctor")
        store.close()
    except (OnlineStoreUnavailable, ValueError) as error:
        return found("broken", first_line(error), "Start Redis, or correct MLPLAT_ONLINE_URL.")
    return found("ok", "answers")


def stream(settings: Settings) -> Finding:
    """Whether the event streams answer."""
    found = finding_at(settings.stream_url, "MLPLAT_STREAM_URL")
    path = settings.stream_url.removeprefix("sqlite:///")
    if path != settings.stream_url:
        return sqlite_finding(Path(path), "select count(*) from messages", "message", found)
    from resources.event_stream import EventStreamUnavailable, event_stream

    try:
        opened = event_stream(settings.stream_url)
        opened.counts("mlplat.doctor")
        opened.close()
    except (EventStreamUnavailable, ValueError) as error:
        return found("broken", first_line(error), "Start Redis, or correct MLPLAT_STREAM_URL.")
    return found("ok", "answers")


def registry(settings: Settings) -> Finding:
    """Whether the registry's database answers, and whether its log is whole."""
    found = finding_at(settings.registry_url, "MLPLAT_REGISTRY_URL")
    from resources.registry.errors import AuditBroken

    try:
        with opened_registry(settings) as opened:
            versions = sum(opened.count(model) for model in opened.models())
            entries = opened.verify_audit()
    except NotThereYet:
        return found("absent", "not created yet", DEMO)
    except AuditBroken as error:
        return found("broken", str(error), "See `mlplat audit verify`.")
    except (StoreAway, ValueError) as error:
        cause = error.__cause__ if isinstance(error, StoreAway) else error
        remedy = "Start its database, or correct MLPLAT_REGISTRY_URL."
        return found("broken", first_line(getattr(cause, "orig", None) or cause or error), remedy)
    return found("ok", f"{counted(versions, 'version')}, audit log of {entries} verified")


def artifacts(settings: Settings) -> Finding:
    """Whether the artifact store's folder or bucket answers."""
    url = settings.artifacts_url
    if not url.startswith("s3://"):
        return folder_finding(Path(url), "MLPLAT_ARTIFACTS_URL", lambda: "writable")
    from botocore.exceptions import BotoCoreError, ClientError

    from resources.artifacts import artifact_store

    found = finding_at(url, "MLPLAT_ARTIFACTS_URL")
    try:
        artifact_store(url).exists(f"sha256:{'0' * 64}")
    except (BotoCoreError, ClientError) as error:
        remedy = "Check the bucket, AWS_ENDPOINT_URL and the credentials of boto3."
        return found("broken", first_line(error), remedy)
    return found("ok", "answers")


def tracking(settings: Settings) -> Finding:
    """Whether MLflow's store answers."""
    url = settings.tracking_url
    found = finding_at(url, "MLPLAT_TRACKING_URL")
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return sqlite_finding(path, "select count(*) from runs", "run", found)
    if url.startswith(("http://", "https://")):
        status, told = get(f"{url.rstrip('/')}/health")
        if status == 200:
            return found("ok", "answers")
        return found("broken", told, "Start the MLflow server, or correct MLPLAT_TRACKING_URL.")
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with sa.create_engine(url, poolclass=sa.NullPool).connect():
            return found("ok", "answers")
    except (SQLAlchemyError, ImportError) as error:
        remedy = "Start its database, or correct MLPLAT_TRACKING_URL."
        return found("broken", first_line(getattr(error, "orig", None) or error), remedy)


def journal(settings: Settings) -> Finding:
    """Whether the prediction journal can be written."""

    def held() -> str:
        return counted(len(list(settings.journal.rglob("*.ndjson"))), "segment")

    return folder_finding(settings.journal, "MLPLAT_JOURNAL", held)


def alerts(settings: Settings) -> Finding:
    """Whether the file of who is told of alerts is right, its secrets included; nothing is sent."""
    if settings.alerts is None:
        return finding_at("not set", "MLPLAT_ALERTS")("ok", "alerts go to the daemon's log")
    from resources.alerts.routes import AlertsFileError, routes_of

    found = finding_at(str(settings.alerts), "MLPLAT_ALERTS")
    try:
        declared = routes_of(settings.alerts)
    except AlertsFileError as error:
        remedy = "Correct it: until then nobody is told. Unset, alerts go to the daemon's log."
        return found("broken", str(error), remedy)
    told = f"{counted(len(declared.sinks), 'sink')}, {counted(len(declared.routes), 'route')}"
    return found("ok", f"{told}; `mlplat alerts test` sends to each")


def dagster_home(settings: Settings) -> Finding:
    """Whether DAGSTER_HOME holds an instance's configuration."""
    found = finding_at(str(settings.dagster_home), "DAGSTER_HOME")
    if not (settings.dagster_home / "dagster.yaml").is_file():
        remedy = f"Unset DAGSTER_HOME, or set it to {REPOSITORY / 'resources' / 'instance'}."
        return found("broken", "holds no dagster.yaml", remedy)
    storage = settings.environment()["MLPLAT_DAGSTER_STORAGE"]
    return found("ok", f"dagster.yaml; runs and events in {storage}")


def dbt_manifest(settings: Settings) -> Finding:
    """Whether dbt's manifest is there and newer than the project."""
    from mlplat_assets.features.manifest import MANIFEST, manifest_is_stale

    found = finding_at(str(MANIFEST), "")
    if not MANIFEST.exists():
        return found("broken", "missing", "Run `make manifest`.")
    if manifest_is_stale():
        return found("broken", "older than the dbt project", "Run `make manifest`.")
    return found("ok", "fresh")


def declarations(settings: Settings) -> Finding:
    """Whether the declarations of all teams are right."""
    from mlplat_assets.catalogue import catalogue
    from mlplat_assets.discovery import DeclarationError

    found = finding_at("mlplat_assets, dbt_project", "")
    try:
        declared = catalogue()
    except DeclarationError as error:
        return found("broken", str(error))
    counts = f"{counted(len(declared.views), 'view')}, {counted(len(declared.models), 'model')}"
    return found("ok", f"{counts} of {', '.join(declared.teams)}")


def service(settings: Settings) -> Finding:
    """Whether a model's service answers."""
    found = finding_at(settings.serving_url, "MLPLAT_SERVING_URL")
    status, body = get(f"{settings.serving_url.rstrip('/')}/v1/model")
    if status == 0:
        return found("absent", f"not running ({body})", "`mlplat serve MODEL` starts it.")
    try:
        told = json.loads(body)
        return found("ok", f"serves {told['model']} version {told['version']}")
    except (ValueError, KeyError, TypeError):
        remedy = "Stop it, or set MLPLAT_SERVING_URL to another port."
        return found("broken", "something else than a model's service answers", remedy)


def chromium(settings: Settings) -> Finding:
    """Whether there is a browser for the browser test."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return Finding(where=path, state="ok", fact="for the browser test")
    remedy = "Only the browser test needs it: install the system's package `chromium`."
    return Finding(where="on the PATH", state="absent", fact="not installed", remedy=remedy)


def _has_ducklake(settings: Settings) -> bool:
    """Whether a PostgreSQL catalog was initialised: attaching it would do so."""
    import psycopg

    try:
        conninfo = settings.lake_catalog.removeprefix("postgres:")
        with psycopg.connect(conninfo, connect_timeout=SECONDS) as connection:
            row = connection.execute("select to_regclass('ducklake_snapshot')").fetchone()
    except psycopg.Error as error:
        raise StoreAway("lake", settings.lake_catalog, error) from error
    return row is not None and row[0] is not None


def _free(path: Path) -> float:
    return shutil.disk_usage(path).free / 1e9
