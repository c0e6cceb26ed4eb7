"""The registry's migrations, on SQLite and PostgreSQL alike."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from resources.registry.errors import RegistryNotMigrated
from resources.registry.registry import Registry, registry
from resources.registry.tables import metadata, versions
from tests.resources.registry_cases import MODEL, crown


def tables(store: Registry) -> set[str]:
    with store.database.reading() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_migrations_go_up_down_and_up_again(registry_url: str) -> None:
    store = registry(registry_url)
    store.migrate()
    assert tables(store) == {"alembic_version", *metadata.tables}
    crown(store, "a")
    store.database.downgrade("base")
    assert tables(store) == {"alembic_version"}
    with pytest.raises(RegistryNotMigrated, match=r"call Registry\.migrate"):
        store.champion(MODEL)
    store.migrate()
    assert store.versions(MODEL) == []


def test_migrating_again_keeps_everything(store: Registry) -> None:
    version = crown(store, "a")
    store.migrate()
    assert store.champion(MODEL) == version


def test_the_migrated_tables_are_the_declared_ones(store: Registry) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_database_itself_refuses_a_second_champion(store: Registry) -> None:
    crown(store, "a", "b")
    with pytest.raises(IntegrityError), store.database.writing() as connection:
        connection.execute(sa.update(versions).values(stage="production"))


def test_readers_do_not_wait_for_writers(store: Registry) -> None:
    crown(store, "a")
    with store.database.writing() as connection:
        connection.execute(sa.update(versions).values(author="uncommitted"))
        champion = store.champion(MODEL)
        assert champion is not None and champion.author == "ana"
