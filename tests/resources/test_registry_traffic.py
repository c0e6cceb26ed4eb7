"""Traffic tables in the registry: governed, consistent and on record, on both databases."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from resources.registry.errors import (
    AccessRefused,
    AuditBroken,
    GateRefused,
    PromotionRefused,
    RegistryNotMigrated,
    TrafficInvalid,
    TrafficRefused,
    UnknownVersion,
)
from resources.registry.identity import Role
from resources.registry.notices import Notices
from resources.registry.records import Action, Stage
from resources.registry.registry import Registry, registry
from resources.registry.tables import evaluations, traffic, versions
from resources.registry.traffic_table import TrafficTable
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, promote, register

BY: dict[str, Any] = {"actor": "dan", "reason": "try it"}


@pytest.fixture
def crowned(store: Registry) -> Registry:
    """Version 1 in production, 2 and 3 in staging."""
    crown(store, "a")
    register(store, "b", 1)
    register(store, "c", 1)
    return store


def shares(table: TrafficTable) -> dict[str, tuple[int, float]]:
    return {arm.variant: (arm.version, arm.share) for arm in table.traffic.arms}


def denials(store: Registry) -> list[str]:
    return [entry.reason for entry in store.audit(MODEL) if entry.action is Action.DENIED]


def test_a_model_without_a_table_is_all_its_champion_s(crowned: Registry) -> None:
    table = crowned.traffic(MODEL)
    assert (table.revision, table.traffic.arms, table.traffic.shadows) == (0, (), ())
    assert table.champion is not None and table.champion.artifact_digest == artifact("a")
    assert crowned.traffic_at(MODEL, 0).variant("u") == "champion"
    assert crowned.traffic("flights.none").champion is None


def test_a_share_makes_a_staged_version_a_canary_in_one_transaction(crowned: Registry) -> None:
    table = crowned.set_share(MODEL, 2, 5, **BY)
    assert (table.revision, shares(table)) == (1, {"canary": (2, 5.0)})
    assert crowned.version(MODEL, 2).stage is Stage.CANARY
    (placed,) = table.placed
    assert (placed.stage, placed.artifact_digest) == (Stage.CANARY, artifact("b"))
    assert table == crowned.traffic(MODEL)
    moved, changed = crowned.audit(MODEL, newest=2)
    assert moved.action is Action.CANARY_STARTED
    assert (changed.action, changed.version) == (Action.TRAFFIC_CHANGED, 2)
    assert changed.reason == "version 2 as canary, 5%: try it"
    crowned.verify_audit()


def test_raising_it_keeps_its_units_its_salt_and_the_other_arm(crowned: Registry) -> None:
    crowned.set_share(MODEL, 2, 5, **BY)
    first = crowned.set_share(MODEL, 3, 20, variant="blue", **BY)
    raised = crowned.set_share(MODEL, 2, 10, **BY)
    assert raised.traffic.salt == first.traffic.salt and len(first.traffic.salt) == 16
    units = [f"unit-{n}" for n in range(3000)]
    pairs = {(first.traffic.variant(u), raised.traffic.variant(u)) for u in units}
    assert pairs == {
        ("champion", "champion"), ("champion", "canary"), ("canary", "canary"), ("blue", "blue"),
    }  # fmt: skip
    assert [crowned.traffic_at(MODEL, n).versions for n in (1, 2)] == [{2}, {2, 3}]
    with pytest.raises(LookupError, match="the newest is 3"):
        crowned.traffic_at(MODEL, 9)


def test_the_same_again_changes_nothing(crowned: Registry) -> None:
    for _ in range(2):
        crowned.set_share(MODEL, 2, 5, **BY)
        crowned.set_shadow(MODEL, 3, True, **BY)
        crowned.set_override(MODEL, "tester", "canary", **BY)
    assert crowned.traffic(MODEL).revision == 3
    assert len(crowned.audit(MODEL)) == 9


def test_an_override_gives_one_unit_a_variant_and_takes_it_back(crowned: Registry) -> None:
    crowned.set_share(MODEL, 2, 0, **BY)
    table = crowned.set_override(MODEL, "tester", "canary", **BY)
    assert [table.traffic.variant(unit) for unit in ("tester", "other")] == ["canary", "champion"]
    table = crowned.set_override(MODEL, "tester", None, **BY)
    assert table.traffic.overrides == {}


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda s: s.set_share(MODEL, 1, 5, **BY), "in production and cannot be an arm"),
        (lambda s: s.set_share(MODEL, 3, 5, **BY), "'canary' is version 2 already"),
        (lambda s: s.set_share(MODEL, 2, 5, variant="blue", **BY), "'canary' is version 2 already"),
        (lambda s: s.set_share(MODEL, 3, 95.01, variant="blue", **BY), "to 100.01%, more than"),
        (lambda s: s.set_share(MODEL, 3, 5, variant="champion", **BY), "production version's name"),
        (lambda s: s.set_share(MODEL, 3, 5, variant="A b", **BY), "is no name"),
        (lambda s: s.set_shadow(MODEL, 1, True, **BY), "in production and cannot be a shadow"),
        (lambda s: s.set_override(MODEL, "u", "green", **BY), "to unknown variant 'green'"),
        (lambda s: s.set_override(MODEL, "", "canary", **BY), "unit id '' is none"),
        (lambda s: s.set_override(MODEL, "\ud800", "canary", **BY), "is none"),
        (lambda s: s.end_arm(MODEL, "green", **BY), "no arm 'green'; it has canary"),
    ],
)
def test_what_makes_no_table_is_refused_and_on_record(
    crowned: Registry, ask: Callable[[Registry], object], said: str
) -> None:
    before = crowned.set_share(MODEL, 2, 5, **BY)
    with pytest.raises(TrafficRefused, match=said):
        ask(crowned)
    assert crowned.traffic(MODEL) == before
    assert crowned.version(MODEL, 3).stage is Stage.STAGING
    (denied,) = denials(crowned)
    assert said in denied
    crowned.verify_audit()


def test_unknown_and_archived_versions_and_broken_gates_are_refused(crowned: Registry) -> None:
    with pytest.raises(UnknownVersion, match="no version 9"):
        crowned.set_share(MODEL, 9, 5, **BY)
    crowned.withdraw(MODEL, 3, actor="dan", reason="no")
    with pytest.raises(TrafficRefused, match="in archived and cannot be an arm"):
        crowned.set_share(MODEL, 3, 5, **BY)
    with pytest.raises(TrafficRefused, match="in archived and cannot be a shadow"):
        crowned.set_shadow(MODEL, 3, True, **BY)
    with crowned.database.writing() as connection:
        connection.execute(
            sa.update(evaluations).where(evaluations.c.number == 2).values(evidence={"passed": 1})
        )
    with pytest.raises(GateRefused):
        crowned.set_share(MODEL, 2, 5, **BY)
    assert crowned.traffic(MODEL).revision == 0


def test_without_a_champion_there_is_nothing_to_share(store: Registry) -> None:
    register(store, "a")
    with pytest.raises(TrafficRefused, match="promote one first"):
        store.set_share(MODEL, 1, 5, **BY)
    store.set_shadow(MODEL, 1, True, **BY)
    assert store.traffic(MODEL).traffic.shadows == (1,)


def test_only_an_approver_moves_traffic(crowned: Registry, registry_url: str, clock: Clock) -> None:
    ada = registry(registry_url, clock, crowned.tokens.create("ada", Role.ADMIN, actor="root").text)
    text = ada.tokens.create("carl", Role.CONTRIBUTOR).text
    carl = registry(registry_url, clock, text)
    for ask in (
        lambda: carl.set_share(MODEL, 2, 5, reason="x"),
        lambda: carl.set_shadow(MODEL, 2, True, reason="x"),
        lambda: carl.set_override(MODEL, "u", "champion", reason="x"),
        lambda: carl.end_arm(MODEL, "canary", reason="x"),
        lambda: carl.clear_traffic(MODEL, reason="x"),
    ):
        with pytest.raises(AccessRefused, match="carl is contributor"):
            ask()
    assert len(denials(crowned)) == 5
    dana = registry(registry_url, clock, ada.tokens.create("dana", Role.APPROVER).text)
    dana.set_share(MODEL, 2, 5, reason="x")
    (changed,) = crowned.audit(MODEL, newest=1)
    assert (changed.actor, changed.role) == ("dana", Role.APPROVER)


def test_promotion_withdrawal_and_rollback_end_arm_shadow_and_override(
    crowned: Registry, clock: Clock
) -> None:
    crowned.set_share(MODEL, 2, 5, **BY)
    crowned.set_share(MODEL, 3, 50, variant="blue", **BY)
    crowned.set_override(MODEL, "tester", "canary", **BY)
    crowned.set_shadow(MODEL, 2, True, **BY)
    promote(crowned, 2)
    table = crowned.traffic(MODEL)
    assert (table.revision, shares(table)) == (5, {"blue": (3, 50.0)})
    assert (table.traffic.shadows, table.traffic.overrides) == ((), {})
    assert table.champion is not None and table.champion.version == 2
    (last,) = crowned.audit(MODEL, newest=1)
    assert last.reason == "version 2 left the traffic table: promoted"
    clock.forward(hours=1)
    crowned.rollback(MODEL, actor="dan", reason="worse")
    assert crowned.traffic(MODEL).revision == 5
    crowned.withdraw(MODEL, 3, actor="dan", reason="no")
    assert crowned.traffic(MODEL).traffic.arms == ()
    crowned.verify_audit()


def test_clearing_gives_all_to_the_champion_and_keeps_the_salt(crowned: Registry) -> None:
    before = crowned.set_share(MODEL, 2, 5, **BY)
    crowned.set_shadow(MODEL, 3, True, **BY)
    table = crowned.clear_traffic(MODEL, **BY)
    assert (table.traffic.arms, table.traffic.shadows) == ((), ())
    assert table.traffic.salt == before.traffic.salt
    assert crowned.version(MODEL, 2).stage is Stage.CANARY
    assert crowned.clear_traffic(MODEL, **BY).revision == table.revision


def test_an_ended_arm_can_be_of_another_version(crowned: Registry) -> None:
    crowned.set_share(MODEL, 2, 5, **BY)
    crowned.set_override(MODEL, "tester", "canary", **BY)
    assert crowned.end_arm(MODEL, "canary", **BY).traffic.overrides == {}
    assert shares(crowned.set_share(MODEL, 3, 1, **BY)) == {"canary": (3, 1.0)}


def broken(connection: sa.Connection, **changes: object) -> None:
    connection.execute(sa.update(traffic).values(**changes))


BLUE = {"variant": "blue", "version": 3, "ranges": [[400, 900]]}


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ([BLUE, {"variant": "canary", "version": 2, "ranges": [[0, 500]]}], "overlaps"),
        ([BLUE, {"variant": "canary", "version": 2, "ranges": [[0, 9900]]}], "104%, more than"),
        ([BLUE, {"variant": "blue", "version": 2, "ranges": []}], "2 times arm of variant 'blue'"),
        ([BLUE | {"variant": "champion"}], "production version's name"),
        ([BLUE | {"ranges": [[5, 5]]}], "is empty"),
        ([BLUE | {"ranges": [[9000, 10001]]}], "beyond"),
        ([BLUE | {"ranges": "all"}], "no traffic table"),
    ],
)
def test_a_broken_table_is_named_where_found_audited_and_in_nobody_s_way(
    crowned: Registry, arms: list[object], said: str
) -> None:
    crowned.set_share(MODEL, 2, 5, **BY)
    document = {"salt": "s", "arms": arms, "shadows": [], "overrides": {}}
    with crowned.database.writing() as connection:
        connection.execute(sa.update(traffic).values(document=document))
    with pytest.raises(TrafficInvalid, match=said):
        crowned.traffic(MODEL)
    with pytest.raises(AuditBroken, match="traffic table 7, which was edited"):
        crowned.verify_audit()
    register(crowned, "d", 1)
    promote(crowned, 4)
    assert crowned.clear_traffic(MODEL, **BY).traffic.arms == ()
    assert crowned.traffic(MODEL).revision == 2


def test_two_champions_are_no_table(crowned: Registry) -> None:
    with crowned.database.writing() as connection:
        connection.execute(sa.text("drop index versions_one_production"))
        connection.execute(sa.update(versions).values(stage="production"))
    with pytest.raises(TrafficInvalid, match="3 champions: versions 1, 2, 3; keep one"):
        crowned.traffic(MODEL)


def test_a_deleted_revision_breaks_the_audit(crowned: Registry) -> None:
    crowned.set_share(MODEL, 2, 5, **BY)
    with crowned.database.writing() as connection:
        connection.execute(sa.delete(traffic))
    with pytest.raises(AuditBroken, match="traffic table 7 is gone"):
        crowned.verify_audit()


def test_going_down_keeps_the_tables_for_coming_up_again(crowned: Registry) -> None:
    before = crowned.set_share(MODEL, 2, 5, **BY)
    crowned.database.downgrade("0002")
    with pytest.raises(RegistryNotMigrated, match=r"call Registry\.migrate"):
        crowned.traffic(MODEL)
    crowned.migrate()
    assert crowned.traffic(MODEL) == before
    crowned.verify_audit()
    crowned.database.downgrade("base")


# SQLite tells nobody; followers poll.
@pytest.mark.parametrize("registry_url", ["postgresql"], indirect=True)
def test_a_change_is_told_as_it_is_committed(
    crowned: Registry, registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests tell of the same model's changes in the same database.
    monkeypatch.setattr("resources.registry.notices.CHANNEL", f"traffic_{uuid4().hex}")
    notices, stop = Notices(registry_url, MODEL), threading.Event()
    notices.wait(stop, 0.01)
    heard = threading.Event()

    def listen() -> None:
        notices.wait(stop, 60)
        heard.set()

    listening = threading.Thread(target=listen)
    listening.start()
    with pytest.raises(PromotionRefused):
        crowned.set_share(MODEL, 1, 5, **BY)
    assert not heard.is_set()
    crowned.set_share(MODEL, 2, 5, **BY)
    assert heard.wait(10)
    listening.join()
    notices.close()


def test_notices_without_a_server_wait_and_no_more() -> None:
    notices, stop = (
        Notices("postgresql+psycopg://nobody@127.0.0.1:1/none", MODEL),
        threading.Event(),
    )
    stop.set()
    notices.wait(stop, timedelta(minutes=1).total_seconds())
