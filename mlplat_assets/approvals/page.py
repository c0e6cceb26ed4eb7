"""What waits for people, as tables of an asset's page."""

from collections.abc import Sequence
from datetime import datetime

from resources.registry.retraining_records import Retraining
from resources.registry.waiting import Waiting


def versions_table(waits: Sequence[Waiting]) -> str:
    """Versions with their gates, who approved, who may, until when, and how to go on."""
    rows = [
        (
            f"{each.version.number} ({each.version.stage})",
            f"{each.version.created_at:%Y-%m-%d %H:%M}",
            f"{len(each.approved_by)} of {each.version.approval.required}",
            ", ".join(each.approved_by),
            ", ".join(each.may_approve),
            _day(each.until),
            _state(each),
            "; ".join(str(gate.get("reason")) for gate in each.version.evidence.get("gates") or ()),
        )
        for each in waits
    ]
    head = ("version", "since UTC", "approvals", "by", "may", "until UTC", "state", "evidence")
    return _table(head, rows, "no version waits")


def retrainings_table(pending: Sequence[Retraining]) -> str:
    """Retrainings that wait for an approval, with why they were asked for."""
    rows = [
        (
            str(each.request),
            f"{each.at:%Y-%m-%d %H:%M}",
            ", ".join(each.approvers),
            _day(each.expires_at),
            each.asked.told,
            f"mlplat retrain approve {each.model} {each.request} --reason WHY",
        )
        for each in pending
    ]
    head = ("request", "since UTC", "may", "until UTC", "why", "to approve")
    return _table(head, rows, "no retraining waits")


def _state(each: Waiting) -> str:
    number = each.version.number
    if each.state == "blocked":
        return f"blocked: {each.obstacle}"
    if each.state == "rejected":
        return f"rejected by {', '.join(each.rejected_by)}"
    if each.state == "approved":
        return "approved"
    told = [f"the approval of {one.approver} expired {_day(one.expires_at)}" for one in each.lapsed]
    told.append(f"mlplat models approve {each.version.model} {number} --reason WHY")
    return "; ".join(told)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> str:
    if not rows:
        return nothing
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)
