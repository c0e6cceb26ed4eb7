"""The alert book on SQLite and PostgreSQL: one decision, on record, whoever else looks."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa

from resources.alerts.outbox import GIVE_UP_AFTER, LEASE
from resources.alerts.records import (
    NOT_WRITTEN,
    Alert,
    Delivery,
    Said,
    Severity,
    Silence,
    State,
    Step,
)
from resources.alerts.tables import silences
from resources.registry.errors import AccessRefused, AuditBroken
from resources.registry.identity import Role
from resources.registry.records import Action
from resources.registry.registry import Registry, registry
from tests.resources.conftest import Clock

MODEL = "flights.arrival_delay"
AT = datetime(2013, 6, 1, 12, tzinfo=UTC)
ALERT = Alert(
    id=NOT_WRITTEN,
    model=MODEL,
    kind="drift",
    subject="temp",
    severity=Severity.P2,
    state=State.OPEN,
    detail="PSI 0.41",
    affects=(MODEL,),
    window="2013-06-01",
    failing=True,
    before=1,
    began_at=AT,
    opened_at=AT,
    told=Severity.P2,
)


def opens(held: Sequence[Alert], _: Sequence[Silence]) -> list[Step]:
    """Opens the alert unless it is open already."""
    return [] if held else [Step(alert=ALERT, says=Said.OPENED)]


def ends(held: Sequence[Alert], _: Sequence[Silence]) -> list[Step]:
    return [
        Step(alert=replace(alert, state=State.RESOLVED, resolved_at=AT), says=Said.RESOLVED)
        for alert in held
    ]


def told(_: Alert) -> list[str]:
    return ["ops", "mail"]


def open_alert(store: Registry) -> Alert:
    (step,) = store.alerts.settle(opens, told, AT)
    return step.alert


def test_an_alert_comes_back_as_it_was_written(store: Registry) -> None:
    alert = open_alert(store)
    assert alert == replace(ALERT, id=1)
    assert store.alerts.unresolved() == store.alerts.open() == [alert]
    assert store.alerts.find(1) == alert
    store.alerts.settle(ends, told, AT)
    assert store.alerts.open() == []
    assert [each.state for each in store.alerts.newest(10)] == [State.RESOLVED]


def test_the_worst_comes_first_and_a_model_has_those_upstream_too(store: Registry) -> None:
    open_alert(store)
    broken = replace(ALERT, model="flights.weather", kind="broken_table", severity=Severity.P0)
    store.alerts.settle(lambda held, _: [Step(alert=broken)], told, AT)
    assert [alert.severity for alert in store.alerts.open(MODEL)] == [Severity.P0, Severity.P2]
    assert len(store.alerts.open("flights.weather")) == 1
    assert store.alerts.open("flights.departure_delay") == []


def test_an_alert_that_never_opened_leaves_nothing(store: Registry) -> None:
    pending = replace(ALERT, state=State.PENDING, opened_at=None, told=None)
    store.alerts.settle(lambda held, _: [Step(alert=pending)], told, AT)
    store.alerts.settle(ends, told, AT)
    assert store.alerts.unresolved() == store.alerts.newest(10) == []


def test_many_that_see_the_same_failure_open_one_alert(store: Registry) -> None:
    together = Barrier(8)

    def look(_: int) -> int:
        mine = registry(store.database.url.render_as_string(hide_password=False))
        together.wait()
        return len(mine.alerts.settle(opens, told, AT))

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(look, range(8))) == [0] * 7 + [1]
    assert len(store.outbox.undelivered()) == 2


def test_the_database_itself_refuses_the_same_alert_twice(store: Registry) -> None:
    open_alert(store)
    with pytest.raises(sa.exc.IntegrityError):
        store.alerts.settle(lambda held, _: [Step(alert=ALERT)], told, AT)


def test_a_look_that_changes_nothing_waits_for_no_writer(store: Registry) -> None:
    open_alert(store)
    with store.database.writing():
        assert store.alerts.settle(opens, told, AT) == []


def test_an_acknowledgement_is_on_the_alert_and_on_record(store: Registry, clock: Clock) -> None:
    alert = open_alert(store)
    taken = store.alerts.acknowledge(alert.id, reason="looking", actor="ana").acknowledged
    assert taken is not None and (taken.by, taken.reason, taken.at) == ("ana", "looking", clock.now)
    (entry,) = store.audit(MODEL)
    assert (entry.action, entry.actor) == (Action.ALERT_ACKNOWLEDGED, "ana")
    assert entry.reason == f"alert 1, {MODEL}/drift/temp: looking"
    store.alerts.settle(ends, told, AT)
    with pytest.raises(ValueError, match="alert 1 is resolved"):
        store.alerts.acknowledge(1, reason="late", actor="ana")
    with pytest.raises(LookupError, match="there is no alert 7"):
        store.alerts.acknowledge(7, reason="which", actor="ana")


def test_a_silence_stands_until_its_end_or_until_it_is_ended(store: Registry, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    made = store.alerts.silence(MODEL, until=until, reason="storm", kind="drift", actor="ana")
    other = store.alerts.silence(MODEL, until=until, reason="all", actor="ana")
    assert store.alerts.silences() == [made, other]
    assert made.covers(ALERT) and not made.covers(replace(ALERT, kind="latency"))
    assert not replace(made, subject="wind").covers(ALERT)
    store.alerts.unsilence(made.id, reason="over", actor="ben")
    assert store.alerts.silences() == [other]
    with pytest.raises(LookupError, match=rf"no silence {made.id} is .*: {other.id}"):
        store.alerts.unsilence(made.id, reason="over", actor="ben")
    clock.forward(hours=1)
    assert store.alerts.silences() == []
    told = [(entry.action, entry.reason) for entry in store.audit(MODEL)]
    assert told == [
        (Action.ALERT_SILENCED, "drift until 2013-06-01 13:00 UTC: storm"),
        (Action.ALERT_SILENCED, "every alert until 2013-06-01 13:00 UTC: all"),
        (Action.ALERT_UNSILENCED, "over"),
    ]
    assert store.verify_audit() == 3


def test_a_silence_in_the_past_or_of_no_model_is_refused(store: Registry, clock: Clock) -> None:
    with pytest.raises(ValueError, match="is past; name a later end"):
        store.alerts.silence(MODEL, until=clock.now, reason="storm", actor="ana")
    with pytest.raises(ValueError, match="names no model"):
        store.alerts.silence("*", until=clock.forward(hours=1), reason="storm", actor="ana")


def test_a_silence_made_longer_behind_the_log_is_found(store: Registry, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    store.alerts.silence(MODEL, until=until, reason="storm", actor="ana")
    with store.database.writing() as connection:
        connection.execute(sa.update(silences).values(until=until + timedelta(days=9)))
    with pytest.raises(AuditBroken, match="says otherwise than silence 1, which was edited"):
        store.verify_audit()


def test_with_tokens_a_viewer_cannot_acknowledge_and_a_contributor_not_silence(
    store: Registry, registry_url: str, clock: Clock
) -> None:
    alert = open_alert(store)
    texts = {"root": store.tokens.create("root", Role.ADMIN, actor="root").text}
    root = registry(registry_url, clock, texts["root"])
    for role in (Role.VIEWER, Role.CONTRIBUTOR, Role.APPROVER):
        texts[role] = root.tokens.create(f"the {role}", role).text
    as_role = {name: registry(registry_url, clock, text) for name, text in texts.items()}
    with pytest.raises(AccessRefused, match="acknowledgement needs contributor"):
        as_role[Role.VIEWER].alerts.acknowledge(alert.id, reason="mine")
    with pytest.raises(AccessRefused, match="silence needs approver"):
        until = clock.now + timedelta(hours=1)
        as_role[Role.CONTRIBUTOR].alerts.silence(MODEL, until=until, reason="hush")
    with pytest.raises(AccessRefused, match="takes no action without a token"):
        store.alerts.acknowledge(alert.id, reason="mine", actor="ana")
    taken = as_role[Role.CONTRIBUTOR].alerts.acknowledge(alert.id, reason="mine").acknowledged
    assert taken is not None and taken.by == "the contributor"


def claim(store: Registry, now: datetime) -> Delivery:
    found = store.outbox.claim(now)
    assert found is not None
    return found


def test_a_message_goes_to_each_sink_once(store: Registry) -> None:
    open_alert(store)
    first, second = claim(store, AT), claim(store, AT)
    assert (first.sink, second.sink) == ("ops", "mail")
    assert first.message.alert.id == 1 and first.message.says is Said.OPENED
    assert store.outbox.claim(AT) is None
    store.outbox.delivered(first, AT)
    store.outbox.delivered(second, AT)
    assert store.outbox.claim(AT + timedelta(days=1)) is None
    assert store.outbox.undelivered() == []


def test_a_message_whose_process_died_is_tried_again(store: Registry) -> None:
    open_alert(store)
    taken = claim(store, AT)
    claim(store, AT)
    assert store.outbox.claim(AT + LEASE - timedelta(seconds=1)) is None
    assert claim(store, AT + LEASE).id == taken.id


def test_a_message_that_fails_waits_longer_each_time_and_is_told(store: Registry) -> None:
    open_alert(store)
    store.outbox.delivered(claim(store, AT), AT)
    now, waits = AT, []
    for _ in range(9):
        failed = store.outbox.failed(claim(store, now), "mail: connection refused", now)
        waits.append((failed.due - now).total_seconds())
        now = failed.due
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    (waiting,) = store.outbox.undelivered()
    assert (waiting.sink, waiting.attempts, waiting.error) == (
        "mail",
        9,
        "mail: connection refused",
    )


def test_a_message_is_given_up_when_it_is_no_news_and_stays_told(store: Registry) -> None:
    open_alert(store)
    store.outbox.delivered(claim(store, AT), AT)
    late = AT + GIVE_UP_AFTER + timedelta(seconds=1)
    store.outbox.failed(claim(store, late), "mail: refused", late)
    assert store.outbox.claim(late + timedelta(days=1)) is None
    assert [each.error for each in store.outbox.undelivered()] == ["mail: refused"]


def test_one_message_is_claimed_by_one_process(store: Registry) -> None:
    open_alert(store)
    together = Barrier(6)

    def take(_: int) -> int | None:
        mine = registry(store.database.url.render_as_string(hide_password=False))
        together.wait()
        found = mine.outbox.claim(AT)
        return found and found.id

    with ThreadPoolExecutor(6) as pool:
        taken = [each for each in pool.map(take, range(6)) if each is not None]
    assert sorted(taken) == sorted({*taken}) and len(taken) == 2
