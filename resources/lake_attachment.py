"""A DuckDB with the lake attached as `lake`; nothing is downloaded for it."""

from functools import cache
from pathlib import Path

import duckdb
from duckdb_extensions import import_extension

_EXTENSIONS = ("ducklake", "sqlite_scanner", "postgres_scanner", "httpfs")


@cache
def install_extensions() -> None:
    """Make DuckDB's extensions, which come in PyPI wheels, known to this user's DuckDB.

    Done once a process, and before any dbt run: nothing is downloaded at run time.
    """
    for extension in _EXTENSIONS:
        import_extension(extension)


def attached(catalog: str, data: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with the lake attached, in UTC; folders that it lacks are made.

    Args:
        catalog: `sqlite:FILE` or `postgres:SETTINGS`.
        data: A folder, or a bucket's URL.
    """
    _make_folders(catalog, data)
    connection = duckdb.connect()
    _load_extensions(connection, catalog, data)
    connection.execute("set global timezone = 'UTC'")
    attach = f"attach '{_quoted('ducklake:' + catalog)}' as lake"
    connection.execute(f"{attach} (data_path '{_quoted(data)}')")
    return connection


def _make_folders(catalog: str, data: str) -> None:
    if catalog.startswith("sqlite:"):
        Path(catalog.removeprefix("sqlite:")).parent.mkdir(parents=True, exist_ok=True)
    if "://" not in data:
        Path(data).mkdir(parents=True, exist_ok=True)


def _load_extensions(connection: duckdb.DuckDBPyConnection, catalog: str, data: str) -> None:
    install_extensions()
    catalog_scanner = "sqlite_scanner" if catalog.startswith("sqlite:") else "postgres_scanner"
    remote = ["httpfs"] if data.startswith("s3://") else []
    for extension in ("ducklake", catalog_scanner, *remote):
        connection.execute(f"load {extension}")


def _quoted(text: str) -> str:
    return text.replace("'", "''")
