"""`mlplat costs`: what training took and cost, by team and model."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from rich.console import Console

from mlplat_assets.commands.output import Cell, add, table
from mlplat_assets.commands.stores import opened_lake
from mlplat_assets.models.lineage.accounts import totals
from resources.settings import Settings

Totals = Sequence[Mapping[str, Any]]


def show_costs(
    settings: Settings, console: Console, team: str | None, since: str | None, *, as_json: bool
) -> None:
    """Print the totals of each model and of each team, failed and refused attempts included."""
    with opened_lake(settings) as lake:
        models = totals(lake, ("team", "model"), team=team, since=_day(since))
        teams = totals(lake, ("team",), team=team, since=_day(since))
    if as_json:
        # Not through the console, which would break long lines.
        found = {"models": models, "teams": teams}
        console.file.write(json.dumps(found, indent=2) + "\n")
        return
    if not models:
        console.print("No training was measured.", style="dim")
        return
    _print(console, models, teams)


def _print(console: Console, models: Totals, teams: Totals) -> None:
    numbers = ("TRAINED", "REFUSED", "FAILED STEPS", "WALL H", "CPU H", "GPU H", "PEAK GIB", "COST")
    made = table("TEAM", "MODEL", *numbers, right=numbers)
    for one in teams:
        for model in models:
            if (model["team"], model["currency"]) == (one["team"], one["currency"]):
                add(made, model["team"], model["model"], *_cells(model))
        add(
            made,
            one["team"],
            "all models",
            *_cells(one),
        )
        made.add_section()
    console.print(made)


def _cells(one: Mapping[str, Any]) -> list[Cell]:
    hours = [f"{one[name] / 3600:.3f}" for name in ("wall_seconds", "cpu_seconds", "gpu_seconds")]
    cost = None if one["amount"] is None else f"{one['amount']:,.4f} {one['currency']}"
    counts: list[Cell] = [one["trained"], one["refused"], one["failed"]]
    return [*counts, *hours, f"{one['peak_memory_bytes'] / 2**30:.2f}", cost]


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day; write it like 2013-05-03") from error
