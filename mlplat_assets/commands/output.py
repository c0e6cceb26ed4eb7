"""How the command line looks: one console, one kind of table, one way to write each thing."""

import re
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Of every command and group.
HELP = {"help_option_names": ["-h", "--help"]}
NOTHING = Text("-", style="dim")
_PIPE_WIDTH = 160
_STAGES = {"production": "bold green", "canary": "yellow", "staging": "cyan", "archived": "dim"}
_SECRETS = (
    # To the last @: a password may hold one itself.
    (re.compile(r"(://[^:@/\s]*):\S*@"), r"\1:***@"),
    (re.compile(r"\b(password|secret|token)(\s*=\s*)('(?:\\.|[^'])*'|[^&\s]+)", re.I), r"\1\2***"),
)

Cell = Text | str | int | float | None


def console(stderr: bool = False) -> Console:
    """A console of the terminal's width; wide where the output goes to a pipe or a file."""
    made = Console(highlight=False, stderr=stderr)
    if not made.is_terminal:
        made.width = shutil.get_terminal_size((_PIPE_WIDTH, 50)).columns
    return made


def fail(error: BaseException) -> None:
    """One red line on stderr: the fact and the remedy, never a password."""
    # A sentence that begins with a name keeps its case.
    message = " ".join(masked(str(error)).split())
    console(stderr=True).print(
        Text("error ", style="bold red") + Text(message, style="red"), soft_wrap=True
    )


def masked(text: str) -> str:
    """Text without the passwords of the URLs and connection strings in it."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """A table with nothing but a line below its headings; `right` aligns numbers."""
    made = Table(
        box=box.SIMPLE_HEAD,
        header_style="dim",
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        made.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=False
        )
    return made


def add(made: Table, *cells: Cell) -> None:
    """Add a row; None shows as a dash."""
    made.add_row(*(cell if isinstance(cell, Text) else cell_text(cell) for cell in cells))


def facts(named: Mapping[str, Cell]) -> Table:
    """Names and values in two columns."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True, min_width=14)
    made.add_column(overflow="fold")
    for name, value in named.items():
        made.add_row(name, cell_text(value))
    return made


def heading(text: str) -> Text:
    """The line above a block."""
    return Text(f"\n{text}", style="bold")


def cell_text(value: Cell) -> Text:
    """A value as text: numbers to four significant digits, None as a dash."""
    match value:
        case None | "":
            return NOTHING
        case Text():
            return value
        case bool():
            return Text("yes" if value else "no")
        case float():
            return Text(f"{value:.4g}")
        case _:
            return Text(str(value))


def stage_text(stage: str | None) -> Cell:
    """A stage in its colour."""
    return stage and Text(stage, style=_STAGES.get(stage, ""))


def moment(at: datetime | None) -> str | None:
    """A UTC time to the minute; the heading or label says that it is UTC."""
    return at and f"{at:%Y-%m-%d %H:%M}"


def short(digest: str | None, length: int = 12) -> str | None:
    """The beginning of a digest or commit, enough to tell it from others."""
    return digest and digest.removeprefix("sha256:")[:length]


def commit(lineage: Mapping[str, object]) -> str | None:
    """The code commit of a lineage, marked when the working tree had changes beside it."""
    found = lineage.get("code_commit")
    return found and f"{found}{' + uncommitted changes' if lineage.get('code_dirty') else ''}"  # type: ignore[return-value]


def cost_text(spent: Mapping[str, Any] | None) -> str | None:
    """What was used and what it costs; None where nothing was measured."""
    if not spent:
        return None
    told = [f"{spent['wall_seconds']:,.0f} s", f"{spent['cpu_seconds']:,.0f} CPU s"]
    if spent["gpu_seconds"]:
        told.append(f"{spent['gpu_seconds']:,.0f} GPU s")
    told.append(f"{spent['peak_memory_bytes'] / 2**30:.2f} GiB at most")
    if spent["amount"] is not None:
        told.append(f"{spent['amount']:.4g} {spent['currency']}")
    return ", ".join(told)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 day, 1,000 rows."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(span: timedelta | None) -> str | None:
    """A span in its largest whole unit: 90 minutes, 6 hours, 7 days; None for no span."""
    if not span:
        return None
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            return counted(seconds // size, unit)
    return str(span)
