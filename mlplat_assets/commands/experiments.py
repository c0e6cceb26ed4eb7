"""`mlplat experiments list` and `show`: declarations, with what the lake has of them."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import Cell, add, cell_text, facts, heading, short, table
from mlplat_assets.commands.stores import lake_file_exists, opened_lake
from mlplat_assets.discovery import Declared
from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.keys import table as table_name
from resources.settings import Settings

_VERDICTS = {
    "SHIP": "bold green",
    "STOP": "red",
    "KEEP RUNNING": "cyan",
    "INVALID": "bold red",
}
_NUMBERS = ("UNITS", "CONTROL", "ARM MEAN", "EFFECT", "LOW", "HIGH", "P")


def list_experiments(settings: Settings, console: Console) -> None:
    """Every declared experiment with its newest verdict."""
    from mlplat_assets.catalogue import catalogue

    declared = catalogue()
    if not declared.experiments:
        console.print(
            "No experiment is declared. docs/experiments.md shows one; it is a file of its own.",
            style="dim",
        )
        return
    made = table(
        "EXPERIMENT", "MODEL", "DAYS", "ARMS", "PRIMARY", "UNITS", "VERDICT", "OWNER",
        right=("UNITS",),
    )  # fmt: skip
    for name, one in sorted(declared.experiments.items()):
        spec, last = one.spec, last_looks(settings, one)
        primary = [row for row in last if row["role"] == "primary"]
        units = [row["arm_units"] for row in primary]
        units += [row["control_units"] for row in primary[:1]]
        add(
            made,
            Text(name, style="bold"),
            spec.model,
            f"{spec.first_day} to {spec.last_day}",
            ", ".join(spec.arms),
            f"{spec.primary.measure} {spec.primary.better}",
            f"{sum(units):,}" if last else None,
            _verdict(last),
            declared.owner(one),
        )
    console.print(made)


def show_experiment(settings: Settings, console: Console, name: str) -> None:
    """One experiment: its plan, its last look, its rows.

    Raises:
        LookupError: It is not declared.
    """
    one = declared_experiment(name)
    spec, last = one.spec, last_looks(settings, one)
    console.print(Text(name, style="bold") + Text(f"  {spec.hypothesis}"))
    console.print(
        facts(
            {
                "model": spec.model,
                "days": f"{spec.first_day} to {spec.last_day} (UTC)",
                "arms": f"{', '.join(spec.arms)} against {spec.control}",
                "effect": f"{spec.effect:g} {spec.primary.measure}, better {spec.primary.better}",
                "promise": f"alpha {spec.alpha:g} over all looks, power {spec.power:g}",
                "holdout": f"{spec.holdout:g}%" if spec.holdout else None,
            }
        )
    )
    if not last:
        console.print("\nNo look yet: materialise its asset, or wait for units.", style="dim")
        return
    _print_look(console, last)


def last_looks(settings: Settings, one: Declared[Experiment]) -> list[dict[str, Any]]:
    """The rows of the newest day of an experiment's results; none before it was materialised."""
    name = table_name("experiments", one.team, one.name)
    if not lake_file_exists(settings):
        return []
    with opened_lake(settings) as lake:
        if not lake.has(name):
            return []
        found = lake.read(
            f"select * from {name} where partition_day = (select max(partition_day) from {name})"  # noqa: S608  a checked name
        )
    return found.to_pylist()


def declared_experiment(name: str) -> Declared[Experiment]:
    """An experiment by `team.name`.

    Raises:
        LookupError: It is not declared.
    """
    from mlplat_assets.catalogue import catalogue

    found = catalogue().experiments
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise LookupError(f"experiment {name!r} is not declared; there are: {known}")
    return found[name]


def _print_look(console: Console, last: Sequence[dict[str, Any]]) -> None:
    one = last[0]
    console.print(heading(f"Look of {one['partition_day']}"))
    made = table("ARM", "ROLE", "METRIC", *_NUMBERS, right=_NUMBERS)
    for row in last:
        add(made, row["arm"], row["role"], row["measure"], f"{row['arm_units']:,}",
            row["control_mean"], row["arm_mean"], row["effect"], row["low"], row["high"],
            row["p_value"])  # fmt: skip
    console.print(made)
    console.print(heading("Verdict"))
    console.print(
        facts(
            {
                "verdict": _verdict(last),
                "because": one["reasons"],
                "ratio": f"p = {one['ratio_p_value']:.3g}, always valid",
                "rows": f"{one['rows']:,} predictions, {short(one['rows_digest'])}",
                "lake": f"snapshot {one['lake_snapshot']}",
            }
        )
    )


def _verdict(last: Sequence[dict[str, Any]]) -> Cell:
    if not last:
        return None
    found, arm = last[0]["verdict"], last[0]["verdict_arm"]
    told = f"{found} {arm}" if arm and found == "SHIP" else found
    return cell_text(Text(told, style=_VERDICTS[found]))
