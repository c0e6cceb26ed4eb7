"""A process keeps its connection to a server, and notices another file."""

import gc
import os
import shutil
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from resources.registry.registry import Registry, registry
from tests.resources.registry_cases import MODEL, crown

on_postgresql = pytest.mark.parametrize("registry_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("registry_url", ["sqlite"], indirect=True)


def test_questions_share_a_connection(store: Registry) -> None:
    opened: list[object] = []
    event.listen(store.database._writer, "connect", lambda *_: opened.append(1))
    crown(store, "a")
    for _ in range(5):
        store.champion(MODEL)
    assert len(opened) <= 1


def test_a_forked_process_opens_its_own_and_leaves_its_parent_s_alone(store: Registry) -> None:
    crown(store, "a")
    child = os.fork()
    if child == 0:
        # Whatever happens, the child must not go on with the parent's tests.
        status = 1
        try:
            found = store.champion(MODEL)
            crown(store, "b")
            status = 0 if found and found.number == 1 else 2
        finally:
            sys.stdout.flush()
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    champion = store.champion(MODEL)
    assert champion is not None and champion.number == 2
    crown(store, "c")
    store.verify_audit()


@on_sqlite
def test_a_file_that_was_restored_from_a_backup_is_seen(store: Registry) -> None:
    folder = Path(str(store.database.url.database)).parent
    crown(store, "a")
    shutil.copytree(folder, folder.with_name("backup"))
    crown(store, "b")
    shutil.rmtree(folder)
    folder.with_name("backup").rename(folder)
    champion = store.champion(MODEL)
    assert champion is not None and champion.number == 1


@on_postgresql
def test_a_connection_that_the_server_dropped_is_replaced(registry_url: str) -> None:
    store = registry(registry_url)
    store.migrate()
    crown(store, "a")
    other = registry(registry_url)
    with other.database.writing() as connection:
        connection.execute(
            sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where pid <> pg_backend_pid() and query like '%versions%' "
                "and query not like '%pg_terminate%' and state = 'idle' "
                "and application_name = current_setting('application_name')"
            )
        )
    champion = store.champion(MODEL)
    assert champion is not None and champion.number == 1


def test_connections_are_closed_with_the_registry(registry_url: str) -> None:
    store = registry(registry_url)
    store.migrate()
    crown(store, "a")
    closed: list[object] = []
    event.listen(store.database._writer, "close", lambda *_: closed.append(1))
    del store
    gc.collect()
    assert closed
