"""The registry's migrations, on SQLite and PostgreSQL alike."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from resources.digests import canonical_json, digest, digest_of_bytes
from resources.registry.errors import AccessRefused, AuditBroken, RegistryNotMigrated
from resources.registry.identity import Role
from resources.registry.records import ApprovalTerms, Stage
from resources.registry.registry import Registry, registry
from resources.registry.tables import audit_head, audit_log, evaluations, metadata, versions
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, evidence_of, register


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


def columns(store: Registry, table: str) -> set[str]:
    with store.database.reading() as connection:
        return {column["name"] for column in sa.inspect(connection).get_columns(table)}


def rows(store: Registry, table: str) -> list[dict[str, object]]:
    with store.database.reading() as connection:
        found = connection.exec_driver_sql(f"select * from {table} order by 1, 2").mappings()
        return [{**row} for row in found]


SINCE_0002 = {"approvals_required", "approvals_valid_seconds", "role", "record_digest"}
OF_0001 = ("versions", "evaluations", "audit_log", "audit_head")


def test_going_down_to_0001_keeps_its_data_and_coming_up_again_the_rest(
    store: Registry, registry_url: str, clock: Clock
) -> None:
    crown(store, "a")
    text = store.tokens.create("ada", Role.ADMIN, actor="root").text
    ada = registry(registry_url, clock, text)
    register(ada, "b", 1, approval=ApprovalTerms(required=2, valid=timedelta(days=3)))
    held = {name: rows(store, name) for name in (*OF_0001, "approvals", "tokens")}
    count = store.verify_audit()

    store.database.downgrade("0001")
    assert not {"approvals", "tokens"} & tables(store)
    for name in OF_0001:
        assert not SINCE_0002 & columns(store, name)
        without = [{k: v for k, v in row.items() if k not in SINCE_0002} for row in held[name]]
        assert rows(store, name) == without
    with pytest.raises(DBAPIError), store.database.writing() as connection:
        connection.execute(sa.text("update audit_log set reason = 'x'"))

    store.migrate()
    assert {name: rows(store, name) for name in held} == held
    assert store.verify_audit() == count
    assert store.version(MODEL, 2).approval.required == 2
    assert [token.name for token in ada.tokens.all()] == ["ada"]
    with pytest.raises(AccessRefused, match="takes no action without a token"):
        register(store, "c", 1)
    with pytest.raises(DBAPIError, match="append-only"), store.database.writing() as connection:
        connection.execute(sa.text("update audit_log set reason = 'x'"))
    store.database.downgrade("0001")
    store.database.downgrade("base")
    assert tables(store) == {"alembic_version"}


def test_a_registry_of_0001_with_data_comes_up_and_verifies(registry_url: str) -> None:
    store = registry(registry_url)
    store.migrate()
    store.database.downgrade("0001")
    # As 0001 wrote them: hashed without the fields that came later.
    with store.database.writing() as connection:
        write_as_0001(connection)
    store.migrate()
    assert store.verify_audit() == 2
    version = store.version(MODEL, 1)
    assert (version.approval, version.stage) == (ApprovalTerms(), Stage.PRODUCTION)
    promoted = store.promotion_of(MODEL, 1, version.created_at)
    assert promoted is not None and (promoted.approver, promoted.role) == ("bob", None)
    assert store.approvals_of(MODEL, 1, version.created_at) == []
    with store.database.writing() as connection:
        connection.execute(sa.update(versions).values(stage="archived"))
    with pytest.raises(AuditBroken, match=r"audit entry 2: left .* in production"):
        store.verify_audit()


def write_as_0001(connection: sa.Connection) -> None:
    """A version that was registered and promoted, with the hashes that 0001 gave."""
    at, evidence = datetime(2013, 6, 1, 12, tzinfo=UTC), evidence_of(artifact("a"), None)
    named = {"model": MODEL, "evidence_digest": digest(evidence)}
    version = named | {
        "number": 1, "stage": "production", "artifact_digest": artifact("a"), "lineage": {},
        "approvers": ["bob"], "author": "ana", "run_id": "r", "tags": {}, "created_at": at,
    }  # fmt: skip
    connection.execute(sa.insert(versions).values(version))
    connection.execute(sa.insert(evaluations).values(named | {"number": 1, "evidence": evidence}))
    previous = "sha256:" + "0" * 64
    entries = [
        {"id": 1, "action": "registered", "from_stage": None, "to_stage": "staging",
         "actor": "ana", "approver": None, "reason": "passed; approvers: bob"},
        {"id": 2, "action": "promoted", "from_stage": "staging", "to_stage": "production",
         "actor": "dan", "approver": "bob", "reason": "first"},
    ]  # fmt: skip
    for told in entries:
        entry = told | named | {"version": 1, "artifact_digest": artifact("a"), "run_id": "r"}
        hashed = canonical_json(entry | {"at": at.isoformat(timespec="microseconds")})
        chain = {"previous_hash": previous, "hash": digest_of_bytes(previous.encode() + hashed)}
        connection.execute(sa.insert(audit_log).values(entry | chain | {"at": at}))
        previous = chain["hash"]
    connection.execute(sa.update(audit_head).values(id=2, hash=previous))


def test_migrating_again_keeps_everything(store: Registry) -> None:
    version = crown(store, "a")
    store.migrate()
    assert store.champion(MODEL) == version


def test_the_migrated_tables_are_the_declared_ones(store: Registry) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert sa.inspect(connection).get_view_names() == ["champion_history"]


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
