"""A process keeps its connection, and no process uses another's."""

import gc
import os
import sys

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from resources.registry.registry import Registry, registry
from tests.resources.registry_cases import MODEL, crown


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


def test_a_connection_that_the_server_dropped_is_replaced(registry_url: str) -> None:
    store = registry(registry_url)
    store.migrate()
    crown(store, "a")
    if store.database.url.get_backend_name() != "postgresql":
        pytest.skip("no server drops a file")
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
