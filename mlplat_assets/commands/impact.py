"""`mlplat impact`: every training set, version and prediction that a bad partition touched."""

import difflib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_lineage import tables_above
from mlplat_assets.commands.output import Cell, add, heading, moment, short, table
from mlplat_assets.commands.registered import versions_by_model
from mlplat_assets.commands.stores import opened_lake
from mlplat_assets.discovery import Catalogue
from mlplat_assets.models.lineage.impact import Reach, TouchedSet, touched_sets
from mlplat_assets.monitoring.touched import PredictionsOf, predictions_touched
from resources.artifacts import artifact_store
from resources.lake import Lake
from resources.settings import Settings

_DAY = timedelta(days=1)
_ENDS = date.max


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What a partition touched. The first reach is the partition itself."""

    reaches: list[Reach]
    training_sets: list[TouchedSet]
    predictions: list[PredictionsOf]


def show_impact(
    settings: Settings, console: Console, name: str, day: str, *, as_json: bool
) -> None:
    """Print what a partition touched, for people or as one JSON document with prediction ids."""
    declared = catalogue()
    partition = _day(day)
    reaches = list(reaches_of(table_named(name, declared), partition, declared))
    versions = [v for found in versions_by_model(settings).values() for v in found]
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    with opened_lake(settings) as lake:
        sets = touched_sets(reaches, versions, lake, artifacts)
        found = Impact(
            reaches=reaches,
            training_sets=sets,
            predictions=list(_predictions(lake, reaches, _trained_on(sets))),
        )
    if as_json:
        # Not through the console, which would break long lines.
        console.file.write(json.dumps(asdict(found), default=_iso, indent=2) + "\n")
        return
    _print(console, found)


def table_named(name: str, declared: Catalogue) -> str:
    """The table `stage.team.name` of a feature view `team.view`, or of a table by that full name.

    Raises:
        LookupError: There is none; names the nearest one.
    """
    known = {f"features.{view}" for view in declared.views}
    known |= {f"labels.{label}" for label in declared.labels}
    known |= {f"raw.{source}" for source in declared.sources}
    known |= {above for one in sorted(known) for above in tables_above(one, declared)}
    for candidate in (f"features.{name}", name):
        if candidate in known:
            return candidate
    close = difflib.get_close_matches(name, [*known, *declared.views], n=1)
    remedy = f"did you mean {close[0]}?" if close else "`mlplat features list` shows the views"
    raise LookupError(f"{name!r} is no feature view or lake table; {remedy}")


def reaches_of(name: str, day: date, declared: Catalogue) -> Iterator[Reach]:
    """The partition, then the days of every table that is computed from it, directly or not."""
    yield Reach(table=_lake_name(name), first=day, last=day, exact=True)
    below = [f"features.{view}" for view in declared.views]
    below += [f"labels.{label}" for label in declared.labels]
    # Staging models are named by those that take from them only.
    below += [above for one in below for above in tables_above(one, declared)]
    reached: dict[str, date | None] = {name: day}
    waiting = [name]
    while waiting:
        above = waiting.pop(0)
        for one in dict.fromkeys(below):
            if one not in reached and above in tables_above(one, declared):
                reached[one] = _last(one, reached[above], declared)
                waiting.append(one)
                yield Reach(table=_lake_name(one), first=day, last=reached[one], exact=False)


def _last(name: str, above: date | None, declared: Catalogue) -> date | None:
    """The last day on which a value can still come from a day above; None where nobody says."""
    stage, view = name.split(".", 1)
    spec = declared.views[view].spec if stage == "features" else None
    if above is None or spec is None or spec.aggregates is None:
        return None
    # The longest window, one hop until it is empty, and the day on which that is known.
    reach = spec.aggregates.longest + spec.aggregates.every
    return above + timedelta(days=math.ceil(reach / _DAY) + 1)


def _lake_name(name: str) -> str:
    stage, team, rest = name.split(".")
    return f"{stage}.{team}__{rest}"


def _trained_on(sets: Sequence[TouchedSet]) -> set[tuple[str, int]]:
    return {(touched.model, number) for touched in sets for number in touched.versions}


def _predictions(
    lake: Lake, reaches: Sequence[Reach], trained: set[tuple[str, int]]
) -> Iterator[PredictionsOf]:
    """Those of each version that read the partition, or were made by one that learnt from it.

    Those that read what is computed from the partition follow.
    """
    for found in predictions_touched(lake, _views(reaches[:1]), exact=True):
        if found.read or (found.model, found.version) in trained:
            yield found
    for found in predictions_touched(lake, _views(reaches[1:]), exact=False):
        if found.read:
            yield found


def _views(reaches: Sequence[Reach]) -> dict[str, tuple[date, date]]:
    """The days of each reach that is a feature view."""
    return {
        reach.table.removeprefix("features.").replace("__", ".", 1): (
            reach.first,
            reach.last or _ENDS,
        )
        for reach in reaches
        if reach.table.startswith("features.")
    }


def _print(console: Console, found: Impact) -> None:
    partition, *below = found.reaches
    console.print(Text(f"Partition {partition.table} {partition.first}", style="bold"))
    for reach in below:
        until = f"to {reach.last}" if reach.last else "on"
        console.print(
            Text(f"  computed from it: {reach.table}, from {reach.first} {until}", style="dim")
        )
    console.print(heading("Training sets and the versions that learnt from them"))
    _print_sets(console, found.training_sets)
    console.print(heading("Predictions"))
    _print_predictions(console, found.predictions, _trained_on(found.training_sets))


def _print_sets(console: Console, sets: Sequence[TouchedSet]) -> None:
    if not sets:
        console.print(Text("none", style="dim"))
        return
    made = table(
        "MODEL", "TRAINING SET", "AS OF", "VERSIONS", "TABLE", "ROWS TOUCHED", "HOW KNOWN",
        right=("ROWS TOUCHED",),
    )  # fmt: skip
    for one in sets:
        named = [f"{n} {stage}" for n, stage in zip(one.versions, one.stages, strict=True)]
        for touched in one.touched:
            rows = None if touched.rows is None else f"{touched.rows:,} of {one.of_rows or 0:,}"
            add(
                made, one.model, short(one.training_set_digest), one.as_of[:10],
                ", ".join(named) or "not registered", touched.table, rows, _how(touched.exact),
            )  # fmt: skip
    console.print(made)


def _print_predictions(
    console: Console, predictions: Sequence[PredictionsOf], trained: set[tuple[str, int]]
) -> None:
    if not predictions:
        console.print(Text("none", style="dim"))
        return
    made = table(
        "MODEL", "VERSION", "READ IT", "HOW KNOWN", "FIRST SERVED UTC", "LAST SERVED UTC",
        "BY A VERSION THAT LEARNT FROM IT",
        right=("VERSION", "READ IT", "BY A VERSION THAT LEARNT FROM IT"),
    )  # fmt: skip
    for one in predictions:
        learnt = one.made if one.exact and (one.model, one.version) in trained else None
        add(
            made, one.model, one.version, f"{one.read:,}", _how(one.exact),
            moment(one.first_served), moment(one.last_served), learnt and f"{learnt:,}",
        )  # fmt: skip
    console.print(made)
    console.print(Text("--json names each prediction that read it.", style="dim"))


def _how(exact: bool) -> Cell:
    return "exactly" if exact else Text("by range", style="yellow")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day; write it like 2013-05-03") from error


def _iso(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{value!r} is not JSON")
