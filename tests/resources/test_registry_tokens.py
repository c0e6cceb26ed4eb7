"""Tokens: who may do what once the registry has one, on SQLite and PostgreSQL alike."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from resources.registry.errors import AccessRefused, ApprovalMissing, ApproverRefused, GateRefused
from resources.registry.identity import Role
from resources.registry.records import Action, Stage
from resources.registry.registry import Registry, registry
from resources.registry.tables import evaluations, tokens
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, promote, register

As = Callable[[str], Registry]


@pytest.fixture
def acting(store: Registry, registry_url: str, clock: Clock) -> As:
    """The registry as each of a household's token holders opens it; ada is admin."""
    texts = {"ada": store.tokens.create("ada", Role.ADMIN, actor="root").text}

    def act(name: str) -> Registry:
        return registry(registry_url, clock, texts[name])

    roles = {"vic": Role.VIEWER, "dagster": Role.CONTRIBUTOR, "bob": Role.APPROVER}
    for name, role in (roles | {"eve": Role.APPROVER}).items():
        texts[name] = act("ada").tokens.create(name, role).text
    return act


def test_the_first_token_is_an_admin_s_and_from_then_on_nobody_acts_without(
    store: Registry, clock: Clock
) -> None:
    register(store, "a")
    with pytest.raises(ValueError, match="the first must be an admin's and not expire"):
        store.tokens.create("bob", Role.APPROVER, actor="root")
    with pytest.raises(ValueError, match="the first must be an admin's and not expire"):
        store.tokens.create(
            "ada", Role.ADMIN, actor="root", expires_at=clock.now + timedelta(days=9)
        )
    assert promote(store, 1).stage is Stage.PRODUCTION
    store.tokens.create("ada", Role.ADMIN, actor="root")
    refusals: list[Callable[[], object]] = [
        lambda: register(store, "b", 1),
        lambda: promote(store, 1),
        lambda: store.approve(MODEL, 1, approver="bob", reason="x"),
        lambda: store.rollback(MODEL, actor="dan", reason="x"),
        lambda: store.withdraw(MODEL, 1, actor="dan", reason="x"),
        lambda: store.tokens.create("eve", Role.ADMIN, actor="root"),
        lambda: store.tokens.revoke("ada"),
    ]
    for attempt in refusals:
        with pytest.raises(AccessRefused, match="takes no action without a token: set MLPLAT"):
            attempt()
    champion = store.champion(MODEL)
    assert champion is not None and champion.number == 1, "reading needs no token"


def test_the_secret_is_shown_once_and_kept_as_a_hash(store: Registry) -> None:
    issued = store.tokens.create("ada", Role.ADMIN, actor="root")
    secret = issued.text.split("_", 2)[2]
    assert len(secret) == 43, "32 random bytes"
    assert secret not in repr(issued) and issued.token.hash not in repr(issued)
    with store.database.reading() as connection:
        (row,) = connection.execute(sa.select(tokens)).mappings()
        assert secret not in str(dict(row))
    assert all(secret not in str(entry) for entry in store.audit())
    (entry,) = store.audit()
    assert (entry.action, entry.actor, entry.role) == (Action.TOKEN_CREATED, "root", None)
    assert entry.reason == "ada as admin, without an end"


@pytest.mark.parametrize(
    "forged",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("mlplat_1_", "mlplat_2_"),
        lambda text: text.replace("mlplat_1_", "mlplat_99_"),
        lambda _: "mlplat_1_",
        lambda _: "hunter2",
    ],
)
def test_a_forged_token_is_refused(
    store: Registry, registry_url: str, forged: Callable[[str], str]
) -> None:
    text = store.tokens.create("ada", Role.ADMIN, actor="root").text
    with pytest.raises(AccessRefused, match="is no token of this registry"):
        registry(registry_url, token=forged(text)).tokens.create("eve", Role.ADMIN)
    assert [token.name for token in store.tokens.all()] == ["ada"]


def test_an_unknown_token_is_no_name_in_a_registry_without_tokens(
    store: Registry, registry_url: str
) -> None:
    with pytest.raises(AccessRefused, match="is no token of this registry"):
        register(registry(registry_url, token=f"mlplat_1_{'x' * 43}"), "a")


def test_each_role_may_do_its_own_and_no_more(acting: As) -> None:
    with pytest.raises(AccessRefused, match="vic is viewer, and registration needs contributor"):
        register(acting("vic"), "a")
    register(acting("dagster"), "a")
    for attempt, what in (
        (lambda of: of.approve(MODEL, 1, reason="x"), "approval"),
        (lambda of: of.promote(MODEL, 1, reason="x"), "promotion"),
        (lambda of: of.start_canary(MODEL, 1, actor="", reason="x"), "canary"),
        (lambda of: of.rollback(MODEL, reason="x"), "rollback"),
    ):
        with pytest.raises(AccessRefused, match=f"dagster is contributor, and {what} needs appro"):
            attempt(acting("dagster"))
    with pytest.raises(AccessRefused, match="bob is approver, and break glass needs admin"):
        acting("bob").promote(MODEL, 1, reason="x", break_glass=True)
    for attempt in (
        lambda of: of.tokens.create("mallory", Role.ADMIN),
        lambda of: of.tokens.revoke("ada"),
    ):
        with pytest.raises(AccessRefused, match=r"bob is approver, and .* token needs admin"):
            attempt(acting("bob"))
    assert acting("bob").promote(MODEL, 1, approver="bob", reason="good").stage == "production"
    denied = [e for e in acting("vic").audit() if e.action is Action.DENIED]
    assert [(e.actor, e.role) for e in denied] == [
        ("vic", Role.VIEWER),
        *[("dagster", Role.CONTRIBUTOR)] * 4,
        *[("bob", Role.APPROVER)] * 3,
    ]
    assert acting("vic").verify_audit() == len(acting("vic").audit())


def test_names_are_the_token_s_whatever_the_caller_says(acting: As) -> None:
    version = register(acting("dagster"), "a", author="ana")
    assert version.author == "ana", "who made it, as its run says"
    assert acting("vic").audit(MODEL)[-1].actor == "dagster"
    with pytest.raises(AccessRefused, match="the token is of bob, who cannot speak for 'eve'"):
        acting("bob").approve(MODEL, 1, approver="eve", reason="x")
    given = acting("bob").approve(MODEL, 1, actor="somebody", reason="looked at it")
    assert (given.approver, given.role) == ("bob", Role.APPROVER)
    entry = acting("vic").audit(MODEL)[-1]
    assert (entry.actor, entry.approver, entry.role) == ("bob", "bob", Role.APPROVER)
    acting("eve").promote(MODEL, 1, actor="somebody", reason="better")
    promoted = acting("vic").audit(MODEL)[-1]
    assert (promoted.actor, promoted.approver) == ("eve", "bob")


def test_whoever_registers_a_version_does_not_approve_it(acting: As) -> None:
    register(acting("bob"), "a", author="ana")
    with pytest.raises(ApproverRefused, match="'bob' is the author of"):
        acting("bob").approve(MODEL, 1, reason="mine")


def test_an_admin_breaks_the_glass_on_record_but_not_the_gates(acting: As, clock: Clock) -> None:
    register(acting("dagster"), "a")
    acting("bob").reject(MODEL, 1, reason="not yet")
    with pytest.raises(ApprovalMissing, match="was rejected by bob"):
        acting("eve").promote(MODEL, 1, approver="eve", reason="x")
    with pytest.raises(ValueError, match="leave approver out"):
        acting("ada").promote(MODEL, 1, approver="ada", reason="x", break_glass=True)
    acting("ada").promote(MODEL, 1, reason="the champion fails", break_glass=True)
    broken = acting("vic").audit(MODEL)[-1]
    assert (broken.action, broken.actor, broken.approver) == (Action.BREAK_GLASS, "ada", None)
    assert broken.reason == "the champion fails (without approval; on record: 1)"
    assert acting("vic").approver_of(MODEL, 1, clock.now) is None
    assert acting("vic").approvals_of(MODEL, 1, clock.now) == []
    register(acting("dagster"), "b", 1)
    with acting("ada").database.writing() as connection:
        edited = sa.update(evaluations).where(evaluations.c.number == 2)
        connection.execute(edited.values(evidence={"passed": True}))
    with pytest.raises(GateRefused, match="it was edited"):
        acting("ada").promote(MODEL, 2, reason="fire", break_glass=True)


def test_a_rollback_returns_a_version_that_came_by_break_glass(acting: As) -> None:
    register(acting("dagster"), "a")
    acting("ada").promote(MODEL, 1, reason="first", break_glass=True)
    register(acting("dagster"), "b", 1)
    acting("bob").promote(MODEL, 2, approver="bob", reason="better")
    assert acting("bob").rollback(MODEL, reason="worse at night").number == 1


def test_a_revoked_or_expired_token_does_nothing(
    acting: As, registry_url: str, clock: Clock
) -> None:
    register(acting("dagster"), "a")
    acting("ada").tokens.revoke("BOB")
    with pytest.raises(AccessRefused, match="the token of bob was revoked; an admin makes a new"):
        acting("bob").approve(MODEL, 1, reason="x")
    end = clock.now + timedelta(days=30)
    text = acting("ada").tokens.create("bob", Role.APPROVER, expires_at=end).text
    bob = registry(registry_url, clock, text)
    assert bob.approve(MODEL, 1, reason="x").role is Role.APPROVER
    clock.forward(days=30)
    with pytest.raises(AccessRefused, match=r"the token of bob expired at 2013-07-01 12:00:00"):
        bob.reject(MODEL, 1, reason="y")
    # Another token may take the place of one that has ended.
    acting("ada").tokens.create("bob", Role.VIEWER)


def test_an_approval_outlives_the_token_that_gave_it(acting: As) -> None:
    register(acting("dagster"), "a")
    acting("bob").approve(MODEL, 1, reason="looked at it")
    acting("ada").tokens.revoke("bob")
    assert acting("eve").promote(MODEL, 1, reason="better").stage is Stage.PRODUCTION
    assert acting("vic").verify_audit() > 0


def test_verdicts_are_revoked_by_their_giver_or_an_admin(acting: As) -> None:
    register(acting("dagster"), "a")
    acting("bob").approve(MODEL, 1, reason="looked at it")
    with pytest.raises(AccessRefused, match="the token is of eve, who cannot speak for 'bob'"):
        acting("eve").revoke_approval(MODEL, 1, approver="bob", reason="no")
    acting("ada").revoke_approval(MODEL, 1, approver="bob", reason="bob has left")
    assert acting("vic").standing_approvals(MODEL, 1) == []


def test_a_person_holds_one_token_and_the_last_lasting_admin_stays(
    acting: As, clock: Clock
) -> None:
    ada = acting("ada")
    with pytest.raises(ValueError, match="Bob has a token; end it first"):
        ada.tokens.create("Bob", Role.ADMIN)
    for name, told in ((" ", "blank"), ("a,b", "no name"), ("bob ", "no name"), ("a\n", "no name")):
        with pytest.raises(ValueError, match=told):
            ada.tokens.create(name, Role.VIEWER)
    with pytest.raises(ValueError, match="is past; name a later end"):
        ada.tokens.create("kim", Role.VIEWER, expires_at=clock.now)
    ada.tokens.create("kim", Role.ADMIN, expires_at=clock.now + timedelta(days=1))
    with pytest.raises(ValueError, match="ada holds the last admin's token that does not expire"):
        ada.tokens.revoke("ada")
    with pytest.raises(LookupError, match="no token of 'mallory' stands"):
        ada.tokens.revoke("mallory")
    ada.tokens.create("lea", Role.ADMIN)
    assert ada.tokens.revoke("ada").revoked_in is not None


def test_without_tokens_names_are_recorded_as_unauthenticated(store: Registry) -> None:
    crown(store, "a")
    assert {entry.role for entry in store.audit()} == {None}
    assert [given.role for given in store.approvals(MODEL, 1)] == [None]
