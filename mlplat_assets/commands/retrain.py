"""`mlplat retrain list, show, request, approve, reject`: the governor's book from a terminal."""

import json
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, facts, heading, moment, table
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.registry.retraining_records import Retraining, RetrainingState, document_of
from resources.settings import Settings

_COLOURS = {
    RetrainingState.PENDING: "yellow",
    RetrainingState.APPROVED: "cyan",
    RetrainingState.LAUNCHED: "cyan",
    RetrainingState.SUCCEEDED: "green",
    RetrainingState.FAILED: "red",
}


def list_requests(
    settings: Settings, console: Console, name: str | None, newest: int, *, as_json: bool
) -> None:
    """Requests of a model or of all, newest first."""
    with opened_registry(settings) as registry:
        if name is not None:
            require_registered(registry, name)
        found = registry.retrainings.all(name, newest=newest)[::-1]
    if as_json:
        console.print_json(json.dumps([_json(each) for each in found]))
        return
    if not found:
        console.print("Nothing has asked for a retraining yet.")
        return
    made = table("REQUEST", "MODEL", "TRIGGER", "STATE", "SINCE UTC", "REASON", right=("REQUEST",))
    for each in found:
        add(
            made,
            each.request,
            each.model,
            each.asked.trigger,
            _state(each),
            moment(each.at),
            each.reason,
        )
    console.print(made)


def show_request(
    settings: Settings, console: Console, name: str, number: int, *, as_json: bool
) -> None:
    """One request with its evidence and its states."""
    with opened_registry(settings) as registry:
        found = registry.retrainings.find(number)
        _require_of(found, name)
        states = registry.retrainings.states(number)
    if as_json:
        console.print_json(json.dumps([_json(each) for each in states]))
        return
    asked, benefit = found.asked, found.evidence.get("benefit") or {}
    console.print(Text(f"{name} retraining {number}", style="bold"))
    console.print(
        facts(
            {
                "state": _state(found),
                "trigger": asked.trigger,
                "why": asked.told,
                "columns": ", ".join(asked.columns),
                "version": asked.reference,
                "asked": f"{moment(found.asked_at)} UTC {asked.requested_by}".strip(),
                "would it help": benefit.get("told"),
                "broken data": "; ".join(found.evidence.get("broken") or ()),
                "waits for": ", ".join(found.approvers),
                "waits until": found.expires_at and f"{moment(found.expires_at)} UTC",
                "run": found.run_id,
                "fingerprint": asked.fingerprint,
            }
        )
    )
    console.print(heading("States"))
    made = table("STATE", "SINCE UTC", "OUTCOME", "BY", "REASON", "ENTRY", right=("ENTRY",))
    for each in states:
        add(
            made,
            _state(each),
            moment(each.at),
            each.outcome,
            each.approver,
            each.reason,
            each.id,
        )
    console.print(made)


def request(settings: Settings, console: Console, name: str, reason: str) -> None:
    """Put a person's request on record; the daemon's sensor has it judged."""
    from mlplat_assets.retraining.triggers import asked

    with opened_registry(settings) as registry:
        require_registered(registry, name)
        # An episode of its own: a person may ask twice.
        wanted = asked(name, "by_hand", uuid4().hex, reason, None)
        made = registry.retrainings.request(wanted, actor=settings.actor)
    _tell(console, made, "is requested; the governor judges it while the daemon runs")


def settle(
    settings: Settings,
    console: Console,
    name: str,
    number: int,
    reason: str,
    approver: str | None,
    *,
    launch: bool,
) -> None:
    """Approve or reject a request that waits."""
    with opened_registry(settings) as registry:
        _require_of(registry.retrainings.find(number), name)
        decide = registry.retrainings.approve if launch else registry.retrainings.reject
        made = decide(number, actor=settings.actor, approver=approver, reason=reason)
    then = "; the daemon launches it" if launch else "; nothing is launched"
    _tell(console, made, f"is {made.state} by {made.approver}{then}")


def _require_of(found: Retraining, name: str) -> None:
    if found.model != name:
        raise LookupError(
            f"retraining {found.request} is of {found.model}, not of {name}; "
            f"`mlplat retrain list {name}` shows those"
        )


def _state(each: Retraining) -> Text:
    told = f"{each.state} ({each.outcome})" if each.state == "skipped" else each.state.value
    return Text(told, style=_COLOURS.get(each.state, ""))


def _json(each: Retraining) -> dict[str, Any]:
    return {
        "request": each.request,
        "state": each.state.value,
        "at": each.at.isoformat(),
        **document_of(each),
    }


def _tell(console: Console, made: Retraining, what: str) -> None:
    name = Text(f"{made.model} retraining {made.request}", style="bold")
    console.print(Text("✓ ", style="green") + name + Text(f" {what}."))
