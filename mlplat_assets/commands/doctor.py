"""`mlplat doctor`: what is configured, what is reachable, and how to fix what is not."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands import probes
from mlplat_assets.commands.findings import DEMO, Finding, State
from mlplat_assets.commands.output import masked, table
from resources.settings import REPOSITORY, Settings

_DEADLINE_SECONDS = 10.0
_MARKS: Mapping[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "absent": ("·", "yellow"),
    "broken": ("✗", "bold red"),
}
PROBES: Mapping[str, Callable[[Settings], Finding]] = {
    "home": probes.home,
    "lake": probes.lake,
    "online store": probes.online,
    "event stream": probes.stream,
    "registry": probes.registry,
    "artifacts": probes.artifacts,
    "tracking": probes.tracking,
    "journal": probes.journal,
    "alerts": probes.alerts,
    "Dagster home": probes.dagster_home,
    "dbt manifest": probes.dbt_manifest,
    "declarations": probes.declarations,
    "service": probes.service,
    "Chromium": probes.chromium,
}


def examine(settings: Settings, console: Console) -> bool:
    """Print a table of findings; returns whether nothing is broken."""
    findings: dict[str, Finding] = {}
    with console.status("") as status:
        for name, probe in PROBES.items():
            status.update(f"Looking at: {name}")
            findings[name] = answer(probe, settings)
    made = table("WHAT", "", "CONFIGURED AS", "FOUND")
    for name, finding in findings.items():
        mark, style = _MARKS[finding.state]
        made.add_row(
            Text(name, style="bold"),
            Text(mark, style=style),
            _where(finding, settings),
            _told(finding),
        )
    console.print(made)
    console.print()
    if any(finding.remedy == DEMO for finding in findings.values()):
        console.print("`mlplat demo` creates what is not there yet.", style="dim")
    broken = [name for name, finding in findings.items() if finding.state == "broken"]
    if broken:
        console.print(f"To fix: {', '.join(broken)}.", style="red")
    else:
        console.print("Nothing is broken.", style="green")
    return not broken


def answer(
    probe: Callable[[Settings], Finding],
    settings: Settings,
    deadline_seconds: float = _DEADLINE_SECONDS,
) -> Finding:
    """What a probe found; one that gives no answer in time counts as broken."""
    found: Future[Finding] = Future()

    def run() -> None:
        try:
            found.set_result(probe(settings))
        except BaseException as error:  # noqa: BLE001  handed to the caller's thread
            found.set_exception(error)

    # A daemon thread: a server that never answers must not hold up the end of the process. One
    # after another, because libraries do not import each other safely from several threads.
    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(deadline_seconds)
    except TimeoutError:
        return Finding(
            where="",
            state="broken",
            fact=f"no answer within {deadline_seconds:g} s",
            remedy="Check the network to it, or correct its setting.",
        )


def _told(finding: Finding) -> Text:
    """The fact, and below it the remedy, unless that is the same for many."""
    told = Text(masked(finding.fact))
    if finding.remedy and finding.remedy != DEMO:
        style = "red" if finding.state == "broken" else "dim"
        told += Text(f"\n{masked(finding.remedy)}", style=style)
    return told


def _where(finding: Finding, settings: Settings) -> Text:
    """The configured place, without passwords, and short where it lies in a known folder."""
    text = masked(finding.where)
    if finding.variable != "MLPLAT_HOME":
        text = text.replace(str(settings.home), "$MLPLAT_HOME")
    text = text.removeprefix(f"{REPOSITORY}/")
    is_to_set = finding.variable and finding.state == "broken"
    return Text(text) + Text(f"\n{finding.variable}" if is_to_set else "", style="dim")
