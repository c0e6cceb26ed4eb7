"""What the faults bench found: the file of results and the printed tables."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.faults.audit import Audit
from bench.faults.shadows import Effect
from bench.faults.storm import Outcome
from bench.machine import machine

RESULTS = Path(__file__).parents[1] / "results" / "serving_faults.json"


def report(
    outcomes: list[Outcome], audit: Audit | None, effects: list[Effect], *, partial: bool
) -> None:
    """Print what was found; write RESULTS unless only a part was run."""
    document: dict[str, Any] = {
        "machine": machine(),
        "phases": [asdict(outcome) for outcome in outcomes],
        "totals": totals(outcomes),
        "assignment": audit and asdict(audit),
        "shadows": [asdict(effect) for effect in effects],
    }
    sys.stdout.write(_storm(outcomes) + _audit(audit) + _shadows(effects))
    if not partial:
        RESULTS.write_text(json.dumps(document, indent=2) + "\n")


def totals(outcomes: list[Outcome]) -> dict[str, int]:
    """Sums over the phases."""
    counted = ("requests", "failed", "acknowledged", "journalled", "missing")
    found = {name: sum(getattr(one, name) for one in outcomes) for name in counted}
    return found | {"refused": sum(sum(one.refused.values()) for one in outcomes)}


def _storm(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return ""
    lines = [
        f"{'under load':<38}{'requests':>9}{'failed':>7}{'429/503':>8}{'acknowl.':>9}"
        f"{'journal':>9}{'missing':>8}{'effect s':>9}"
    ]
    said: list[str] = []
    for one in outcomes:
        effect = "" if one.effect is None else f"{one.effect:.2f}"
        lines.append(
            f"{one.phase:<38}{one.requests:>9,}{one.failed:>7,}{sum(one.refused.values()):>8,}"
            f"{one.acknowledged:>9,}{one.journalled:>9,}{one.missing:>8,}{effect:>9}"
        )
        reasons = {**one.failures, **one.refused}
        said += [f"  {one.phase}: {count:,} x {why}" for why, count in reasons.items()]
        said += [f"  {one.phase}: {one.note}"] if one.note else []
    whole = totals(outcomes)
    lines.append(
        f"{'total':<38}{whole['requests']:>9,}{whole['failed']:>7,}{whole['refused']:>8,}"
        f"{whole['acknowledged']:>9,}{whole['journalled']:>9,}{whole['missing']:>8,}"
    )
    return "\n".join(lines + said) + "\n"


def _audit(audit: Audit | None) -> str:
    if audit is None:
        return ""
    share = 100 * audit.agreed / audit.rows if audit.rows else 0.0
    lines = [
        "",
        f"assignment: {audit.agreed:,} of {audit.rows:,} rows of {audit.units:,} units agree with "
        f"the registry's tables ({share:.4f}%)",
        f"rows by variant: {audit.by_variant}",
    ]
    lines += [f"canary {step}: {left} moved out" for step, left in audit.moved_out.items()]
    return "\n".join(lines) + "\n"


def _shadows(effects: list[Effect]) -> str:
    if not effects:
        return ""
    lines = [
        "",
        f"{'shadow':<10}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'p99 change':>12}{'failed':>8}"
        "  its rows",
    ]
    lines += [
        f"{one.shadow:<10}{one.requests_per_s:>9,.0f}{one.p50:>9.2f}{one.p99:>9.2f}"
        f"{one.p99_change_percent:>11.1f}%{one.failed:>8}  {one.rows or ''}"
        for one in effects
    ]
    return "\n".join(lines) + "\n"
