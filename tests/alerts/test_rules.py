"""The alert rules: opening, worsening, resolving and telling, over windows that are examined."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from mlplat_assets.alerts.findings import SEVERITIES, Examination, Finding
from mlplat_assets.alerts.rules import HYSTERESIS, steps
from resources.alerts.records import Alert, Said, Severity, Silence, State, Step

MODEL = "flights.arrival_delay"
NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
WATCHED = frozenset({MODEL, "flights.weather"})
CASES = [("null_spike", Severity.P0), ("latency", Severity.P1), ("drift", Severity.P2)]
CASES += [("decay", Severity.P3)]


class Held:
    """The alerts as a book would hold them after each look."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.silences: list[Silence] = []
        self.over: list[Alert] = []
        self._ids = count(1)

    def look(self, *examined: Examination, watched: frozenset[str] = WATCHED) -> list[Step]:
        made = steps(self.alerts, self.silences, examined, watched, NOW)
        for step in made:
            alert = step.alert if step.alert.id else replace(step.alert, id=next(self._ids))
            others = [each for each in self.alerts if each.id != alert.id]
            ended = alert.state is State.RESOLVED
            self.alerts = others if ended else [*others, alert]
            self.over += [alert] if ended and alert.opened_at else []
        return made

    def said(self, *examined: Examination) -> list[Said]:
        return [step.says for step in self.look(*examined) if step.says]


@pytest.fixture
def held() -> Held:
    return Held()


def window(
    day: int, *subjects: str, kind: str = "drift", severity: Severity | None = None
) -> Examination:
    failing = tuple(Finding(subject=s, detail=f"{s} {day}", severity=severity) for s in subjects)
    return Examination(model=MODEL, kind=kind, window=f"2013-06-{day:02}", failing=failing)


@pytest.mark.parametrize(("kind", "severity"), CASES)
def test_an_alert_opens_and_resolves_after_its_severitys_windows(
    held: Held, kind: str, severity: Severity
) -> None:
    terms = HYSTERESIS[severity]
    opening = [held.said(window(day, "x", kind=kind)) for day in range(1, terms.opens_after + 1)]
    assert opening == [[]] * (terms.opens_after - 1) + [[Said.OPENED]]
    assert held.alerts[0].severity is severity
    ending = [held.said(window(day, kind=kind)) for day in range(10, 10 + terms.resolves_after)]
    assert ending == [[]] * (terms.resolves_after - 1) + [[Said.RESOLVED]]
    assert held.alerts == []


def test_a_broken_schema_opens_at_once() -> None:
    assert HYSTERESIS[Severity.P0].opens_after == 1
    assert SEVERITIES["schema_break"] is SEVERITIES["null_spike"] is Severity.P0
    assert SEVERITIES["latency"] is SEVERITIES["errors"] is Severity.P1
    assert (SEVERITIES["drift"], SEVERITIES["decay"]) == (Severity.P2, Severity.P3)


def test_one_odd_window_opens_nothing_and_leaves_nothing(held: Held) -> None:
    for day in range(1, 20, 2):
        assert held.said(window(day, "x"), window(day + 1)) == []
    assert held.alerts == held.over == []


def test_a_lasting_failure_is_one_alert_and_one_message(held: Held) -> None:
    said = [each for day in range(1, 25) for each in held.said(window(day, "x"))]
    assert said == [Said.OPENED]
    assert len(held.alerts) == 1


def test_an_open_alert_that_goes_on_is_not_written_at_every_look(held: Held) -> None:
    same = [replace(window(day), failing=(Finding(subject="x", detail="as before"),))
            for day in range(1, 10)]  # fmt: skip
    held.look(*same[:3])
    assert [held.look(each) for each in same[3:]] == [[]] * 6


def test_the_same_window_again_changes_nothing(held: Held) -> None:
    held.look(window(1, "x"))
    assert held.look(window(1, "x")) == []
    assert held.alerts[0].state is State.PENDING
    held.look(window(2, "x"))
    held.look(window(3))
    assert held.look(window(3)) == []
    assert held.alerts[0].state is State.OPEN


def test_a_window_that_is_judged_again_counts_as_judged_last(held: Held) -> None:
    held.look(window(1, "x"))
    held.look(window(2, "x"))
    held.look(window(3))
    held.look(window(3, "x"))
    assert held.said(window(4)) == []
    assert held.said(window(5)) == [Said.RESOLVED]


def test_an_older_window_counts_for_nothing(held: Held) -> None:
    held.look(window(5, "x"))
    assert held.look(window(4)) == []


def test_subjects_are_alerts_of_their_own(held: Held) -> None:
    said = held.said(window(1, "x", "y", kind="null_spike"))
    assert said == [Said.OPENED, Said.OPENED]
    held.look(window(2, "y", kind="null_spike"))
    assert held.said(window(3, "y", kind="null_spike")) == [Said.RESOLVED]
    assert [alert.subject for alert in held.alerts] == ["y"]


def test_an_examination_of_one_subject_says_nothing_of_the_others(held: Held) -> None:
    held.look(window(1, "x", "y", kind="null_spike"))
    for day in (2, 3):
        held.look(replace(window(day, kind="null_spike"), subject="x"))
    assert [alert.subject for alert in held.alerts] == ["y"]


def test_worse_is_told_and_better_is_not(held: Held) -> None:
    held.look(window(1, "x", kind="stale"), window(2, "x", kind="stale"))
    worse = window(3, "x", kind="stale", severity=Severity.P1)
    assert held.said(worse) == [Said.ESCALATED]
    assert held.said(window(4, "x", kind="stale")) == []
    assert held.said(replace(worse, window="2013-06-05")) == []


def test_a_failure_after_the_end_is_a_new_alert_in_the_same_look_too(held: Held) -> None:
    held.look(window(1, "x"), window(2, "x"))
    first = held.alerts[0].id
    made = held.look(window(3), window(4), window(5, "x"), window(6, "x"))
    assert [step.says for step in made] == [Said.RESOLVED, Said.OPENED]
    assert made[0].alert.id == first
    assert len(held.alerts) == 1 and held.alerts[0].id != first


def test_what_began_and_ended_before_anybody_looked_is_kept_and_not_told(held: Held) -> None:
    days = [window(day, *(["x"] if day < 4 else [])) for day in range(1, 10)]
    assert held.said(*days) == []
    assert [alert.state for alert in held.over] == [State.RESOLVED]


def test_a_silenced_alert_opens_and_is_told_when_the_silence_is_over(held: Held) -> None:
    held.silences = [
        Silence(id=1, model=MODEL, kind="drift", subject=None, until=NOW + timedelta(hours=1),
                reason="known", made_by="ana", at=NOW)
    ]  # fmt: skip
    assert held.said(window(1, "x"), window(2, "x")) == []
    assert held.alerts[0].state is State.OPEN
    assert held.said(window(1, "x", kind="null_spike")) == [Said.OPENED]
    held.silences = []
    assert held.said() == [Said.OPENED]
    assert held.said() == []


def test_an_alert_that_nobody_was_told_of_ends_untold(held: Held) -> None:
    held.silences = [
        Silence(id=1, model=MODEL, kind=None, subject=None, until=NOW + timedelta(hours=1),
                reason="known", made_by="ana", at=NOW)
    ]  # fmt: skip
    held.look(window(1, "x", kind="null_spike"))
    assert held.said(window(2, kind="null_spike"), window(3, kind="null_spike")) == []
    assert len(held.over) == 1


def test_an_alert_of_what_is_no_longer_declared_is_over(held: Held) -> None:
    held.look(window(1, "x", kind="null_spike"))
    made = held.look(watched=frozenset({"flights.weather"}))
    assert [(step.says, step.alert.detail) for step in made] == [
        (Said.RESOLVED, "no longer declared")
    ]


def test_a_kind_without_a_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'noise' has no severity; use one of schema_break"):
        Examination(model=MODEL, kind="noise", window="1")
