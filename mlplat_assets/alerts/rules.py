"""From examinations to alerts: when one opens, worsens, resolves, and what is told of it.

Pure: state and examinations in, steps out. The same examinations again change nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mlplat_assets.alerts.findings import SEVERITIES, Examination, Finding
from resources.alerts.records import NOT_WRITTEN, Alert, Said, Severity, Silence, State, Step


@dataclass(frozen=True, kw_only=True)
class Hysteresis:
    """How many windows in a row must fail before an alert opens, and be healthy before it ends."""

    opens_after: int
    resolves_after: int


# P0 opens at once: a column that is broken once is broken. The others wait for a second or third
# window, so that one odd day wakes nobody, and the mildest waits the longest.
HYSTERESIS: Mapping[Severity, Hysteresis] = {
    Severity.P0: Hysteresis(opens_after=1, resolves_after=2),
    Severity.P1: Hysteresis(opens_after=2, resolves_after=2),
    Severity.P2: Hysteresis(opens_after=2, resolves_after=2),
    Severity.P3: Hysteresis(opens_after=3, resolves_after=3),
}
# Of events, which no second window confirms: the guardrail behind a rollback has weighed all its
# looks together, at 5% for all of them, and a new champion is one at once.
EVENTS: Mapping[str, Hysteresis] = {"rolled_back": Hysteresis(opens_after=1, resolves_after=1)}


def steps(
    held: Sequence[Alert],
    silences: Sequence[Silence],
    examined: Iterable[Examination],
    watched: frozenset[str],
    now: datetime,
) -> list[Step]:
    """What becomes of the alerts, given what was looked at.

    Args:
        held: Those that are pending or open.
        silences: Those in force.
        examined: Of any order; those of one thing and kind count in the order of their windows.
        watched: The models and tables that are declared; an alert of another one is over.
        now: The moment, UTC.

    Returns:
        One step for each alert that changed or is to be told of.
    """
    active = {alert.fingerprint: alert for alert in held}
    ended = list[Alert]()
    for examination in sorted(examined, key=lambda each: each.window):
        for alert in list(_examine(active, examination, now)):
            _put(alert, active, ended)
    for alert in [each for each in active.values() if each.model not in watched]:
        _put(_resolved(replace(alert, detail="no longer declared"), now), active, ended)
    before = {alert.id: alert for alert in held}
    # What ended comes first: the book holds one alert of a fingerprint that is not over.
    made = [_step(before.get(alert.id), alert, silences) for alert in (*ended, *active.values())]
    return [step for step in made if step is not None]


def _put(alert: Alert, active: dict[str, Alert], ended: list[Alert]) -> None:
    if alert.state is State.RESOLVED:
        del active[alert.fingerprint]
        ended.append(alert)
    else:
        active[alert.fingerprint] = alert


def _examine(held: Mapping[str, Alert], examination: Examination, now: datetime) -> Iterable[Alert]:
    """The alerts that the examination is about, as they stand after it."""
    about = {
        alert.subject: alert
        for alert in held.values()
        if (alert.model, alert.kind) == (examination.model, examination.kind)
        and examination.subject in (None, alert.subject)
    }
    failing = {finding.subject: finding for finding in examination.failing}
    for subject in {**about, **failing}:
        alert = about.get(subject) or _begun(examination, failing[subject], now)
        if examination.window >= alert.window:
            yield _counted(alert, examination, failing.get(subject), now)


def _begun(examination: Examination, finding: Finding, now: datetime) -> Alert:
    return Alert(
        id=NOT_WRITTEN,
        model=examination.model,
        kind=examination.kind,
        subject=finding.subject,
        severity=_severity(examination, finding),
        state=State.PENDING,
        detail=finding.detail,
        affects=examination.affects,
        window=examination.window,
        failing=True,
        before=0,
        began_at=now,
    )


def _counted(
    alert: Alert, examination: Examination, finding: Finding | None, now: datetime
) -> Alert:
    """The alert after one more window, or after another look at the same one."""
    if examination.window > alert.window:
        alert = replace(alert, before=alert.streak, window=examination.window)
    alert = replace(alert, failing=finding is not None)
    if finding is not None:
        alert = replace(
            alert,
            severity=_severity(examination, finding),
            detail=finding.detail,
            affects=examination.affects,
        )
    terms = EVENTS.get(alert.kind, HYSTERESIS[alert.severity])
    if alert.state is State.PENDING and alert.streak >= terms.opens_after:
        return replace(alert, state=State.OPEN, opened_at=now)
    # What nobody was told of is over with the first healthy window.
    needed = terms.resolves_after if alert.state is State.OPEN else 1
    return _resolved(alert, now) if -alert.streak >= needed else alert


def _resolved(alert: Alert, now: datetime) -> Alert:
    return replace(alert, state=State.RESOLVED, resolved_at=now)


def _severity(examination: Examination, finding: Finding) -> Severity:
    return finding.severity or SEVERITIES[examination.kind]


def _step(before: Alert | None, alert: Alert, silences: Sequence[Silence]) -> Step | None:
    says = _says(alert, any(silence.covers(alert) for silence in silences))
    if says in (Said.OPENED, Said.ESCALATED):
        alert = replace(alert, told=alert.severity)
    changed = before is None or says is not None or _differ(before, alert)
    never_was = before is None and alert.state is State.RESOLVED and alert.opened_at is None
    return Step(alert=alert, says=says) if changed and not never_was else None


def _says(alert: Alert, silenced: bool) -> Said | None:
    """What is to be told: of what opened, once any silence is over; of what was told, its end."""
    if alert.state is State.RESOLVED:
        return Said.RESOLVED if alert.told is not None else None
    if alert.state is State.PENDING or silenced:
        return None
    if alert.told is None:
        return Said.OPENED
    # P0 sorts before P1: a smaller one is worse.
    return Said.ESCALATED if alert.severity < alert.told else None


def _differ(before: Alert, after: Alert) -> bool:
    """Whether anything changed but the count of windows of an open alert that goes on failing.

    Nothing depends on how long that row is, and it would be a write at every look.
    """
    if before.state is State.OPEN is after.state and before.failing and after.failing:
        return replace(before, window="", before=0) != replace(after, window="", before=0)
    return before != after
