"""Both Dagster instances load from their dagster.yaml, and keep what a run tells them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from moto.server import ThreadedMotoServer
from sqlalchemy.exc import OperationalError

from resources.event_log import BatchedSqliteEventLogStorage
from resources.settings import REPOSITORY
from tests.services import postgres_server, unavailable

EMBEDDED = REPOSITORY / "resources" / "instance"
PRODUCTION = EMBEDDED / "production"
BUCKET = "mlplat-logs"


@dg.asset
def weather() -> dg.MaterializeResult:
    sys.stdout.write("a step's output\n")
    return dg.MaterializeResult(metadata={"dagster/row_count": 3})


@pytest.fixture
def database() -> Iterator[sa.URL]:
    """A PostgreSQL database of this test alone, dropped afterwards."""
    server = postgres_server()
    name = f"mlplat_test_{uuid4().hex}"
    engine = sa.create_engine(
        server,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 5},
    )
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"create database {name}"))
    except OperationalError as error:
        unavailable(f"PostgreSQL is not reachable at {server.render_as_string()}: {error.orig}")
    yield server.set(database=name)
    with engine.connect() as connection:
        connection.execute(sa.text(f"drop database {name} with (force)"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 server that boto3 finds by its own environment, with the bucket of the logs."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield
    server.stop()


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("MLPLAT_DAGSTER_STORAGE", str(tmp_path))
    with dg.DagsterInstance.from_config(str(EMBEDDED)) as instance:
        yield instance


@pytest.fixture
def production(
    database: sa.URL, s3: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("MLPLAT_DAGSTER_STORAGE", str(tmp_path))
    monkeypatch.setenv("MLPLAT_DAGSTER_LOGS_BUCKET", BUCKET)
    monkeypatch.setenv("MLPLAT_DAGSTER_POSTGRES_HOST", database.host or "127.0.0.1")
    monkeypatch.setenv("MLPLAT_DAGSTER_POSTGRES_PORT", str(database.port or 5432))
    monkeypatch.setenv("MLPLAT_DAGSTER_POSTGRES_USER", database.username or "postgres")
    monkeypatch.setenv("MLPLAT_DAGSTER_POSTGRES_PASSWORD", database.password or "")
    monkeypatch.setenv("MLPLAT_DAGSTER_POSTGRES_DATABASE", database.database or "")
    with dg.DagsterInstance.from_config(str(PRODUCTION)) as instance:
        yield instance


def row_count(instance: dg.DagsterInstance) -> object:
    event = instance.get_latest_materialization_event(weather.key)
    assert event and event.asset_materialization
    return event.asset_materialization.metadata["dagster/row_count"].value


def test_the_embedded_instance_keeps_a_run_in_the_folder_it_is_given(
    embedded: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert isinstance(embedded.event_log_storage, BatchedSqliteEventLogStorage)
    before = set(EMBEDDED.rglob("*"))
    run = dg.materialize([weather], instance=embedded)
    assert row_count(embedded) == 3
    assert list(tmp_path.rglob(f"{run.run_id}.db"))
    assert set(EMBEDDED.rglob("*")) == before


def test_the_production_instance_keeps_a_run_in_postgresql_and_its_output_in_s3(
    production: dg.DagsterInstance, database: sa.URL
) -> None:
    assert isinstance(production.compute_log_manager, S3ComputeLogManager)
    run = dg.materialize([weather], instance=production)
    assert row_count(production) == 3
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    with engine.connect() as connection:
        runs = connection.execute(sa.text("select run_id, status from runs")).fetchall()
    assert [tuple(found) for found in runs] == [(run.run_id, "SUCCESS")]
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert any(run.run_id in content.get("Key", "") for content in found)


@pytest.mark.parametrize("named", ["embedded", "production"])
def test_an_instance_limits_pools_and_reports_no_usage(
    named: str, request: pytest.FixtureRequest
) -> None:
    """A pool without a default limit would silently be no limit."""
    instance: dg.DagsterInstance = request.getfixturevalue(named)
    assert instance.global_op_concurrency_default_limit == 1
    assert not instance.telemetry_enabled
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled


def test_the_instances_differ_in_nothing_but_where_they_keep_things() -> None:
    stores = {
        "storage",
        "run_storage",
        "event_log_storage",
        "schedule_storage",
        "compute_logs",
    }
    embedded, production = (
        yaml.safe_load((folder / "dagster.yaml").read_text()) for folder in (EMBEDDED, PRODUCTION)
    )
    assert {k: v for k, v in embedded.items() if k not in stores} == {
        k: v for k, v in production.items() if k not in stores
    }


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLPLAT_DAGSTER_POSTGRES_HOST", raising=False)
    with pytest.raises(dg.DagsterInvalidConfigError, match="MLPLAT_DAGSTER_POSTGRES_HOST"):
        dg.DagsterInstance.from_config(str(PRODUCTION))
