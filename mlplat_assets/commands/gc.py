"""`mlplat gc`: delete what nothing references any more; without `--delete`, only tell."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, counted, table
from mlplat_assets.commands.registered import versions_by_model
from mlplat_assets.commands.stores import NotThereYet, opened_lake, opened_registry
from mlplat_assets.models.lineage.leftovers import Leftover, leftovers
from mlplat_assets.models.lineage.retention import Kept, kept, unneeded
from mlplat_assets.monitoring.journal_leftovers import taken_in
from resources.artifact_blobs import StoredBlob
from resources.artifacts import ArtifactStore, artifact_store
from resources.lake import Lake
from resources.lake_retention import (
    Unread,
    delete_unread,
    expire,
    old_snapshots,
    unread_without,
    waiting_since,
)
from resources.registry.records import Stage, Version
from resources.settings import Settings

# A reader that began before its snapshot was expired has ended by then.
_READERS = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What nothing references: stored pieces, lake snapshots and their files, leftovers.

    All of it was there, and touched for the last time, `before` a moment.
    """

    before: datetime
    pieces: list[StoredBlob]
    snapshots: list[int]
    unread: Unread
    waiting: list[str]
    leftovers: list[Leftover]
    kept: Kept


def collect(
    settings: Settings, console: Console, now: datetime, *, days: int, delete: bool
) -> None:
    """Print what nothing references and nobody touched for some days; delete it if told to."""
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    found = garbage(settings, artifacts, materialised(), now, timedelta(days=days))
    _print(console, found)
    if not delete:
        console.print("\nNothing was deleted; `mlplat gc --delete` does it.", style="dim")
        return
    remove(settings, artifacts, found, now)
    console.print("\n✓ Deleted.", style="green")
    if found.unread.files:
        files, after = counted(found.unread.files, "lake file"), now + _READERS
        console.print(
            f"{files} may still have readers: the first `mlplat gc --delete` after "
            f"{after:%Y-%m-%d %H:%M} UTC deletes them."
        )


def garbage(
    settings: Settings,
    artifacts: ArtifactStore,
    newest: Iterable[str],
    now: datetime,
    age: timedelta,
) -> Garbage:
    """What can go. Pieces are listed first: what is put and named meanwhile is not among them."""
    before = now - age
    pieces = list(artifacts.stored())
    versions = [v for found in versions_by_model(settings).values() for v in found]
    needed = kept({one.digest for one in pieces}, versions, _entries(settings), newest, artifacts)
    served = {
        f"{v.model.replace('.', '__')}/v{v.number}"
        for v in versions
        if v.stage is not Stage.ARCHIVED
    }
    snapshots, unread, waiting = _of_the_lake(settings, needed.snapshots, now, before)
    return Garbage(
        before=before,
        pieces=list(unneeded(pieces, needed, before)),
        snapshots=snapshots,
        unread=unread,
        waiting=waiting,
        leftovers=[
            *leftovers(settings, needed.digests, served, before),
            *_segments(settings, before),
        ],
        kept=needed,
    )


def remove(settings: Settings, artifacts: ArtifactStore, found: Garbage, now: datetime) -> None:
    """Delete what was found, but pieces put again since; lake files once no reader can be left."""
    gone = {piece.digest for piece in found.pieces}
    for one in artifacts.stored() if gone else ():
        if one.digest in gone and one.put_at < found.before:
            artifacts.delete(one.digest)
    for one in found.leftovers:
        one.delete()
    if found.snapshots or found.waiting:
        with opened_lake(settings) as lake:
            delete_unread(lake, now - _READERS)
            expire(lake, found.snapshots)


def _bento(version: Version) -> str:
    return f"{version.model.replace('.', '__')}/v{version.number}"


def materialised() -> Iterator[str]:
    """What the newest materialisation of each asset recorded, as JSON."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        for record in instance.get_asset_records():
            event = record.asset_entry.last_materialization
            if event is not None and event.asset_materialization is not None:
                values = [v.value for v in event.asset_materialization.metadata.values()]
                # Schemas and lineages of columns are records of Dagster's own, and name no piece.
                yield json.dumps([v for v in values if isinstance(v, str | dict | list)])


def _entries(settings: Settings) -> Collection[Any]:
    try:
        with opened_registry(settings) as registry:
            return registry.audit()
    except NotThereYet:
        return ()


def _of_the_lake(
    settings: Settings, needed: Collection[int], now: datetime, before: datetime
) -> tuple[list[int], Unread, list[str]]:
    try:
        with opened_lake(settings) as lake:
            return _snapshots(lake, needed, now, before)
    except NotThereYet:
        return [], Unread(files=0, size=0), []


def _snapshots(
    lake: Lake, needed: Collection[int], now: datetime, before: datetime
) -> tuple[list[int], Unread, list[str]]:
    old = old_snapshots(lake, before, needed)
    return old, unread_without(lake, old), waiting_since(lake, now - _READERS)


def _segments(settings: Settings, before: datetime) -> Iterator[Leftover]:
    """Segments of the prediction journal whose every line is in the lake."""
    try:
        with opened_lake(settings) as lake:
            for path in taken_in(lake, settings.journal, before):
                yield Leftover(kind="journal segment", path=path, size=path.stat().st_size)
    except NotThereYet:
        return


def _print(console: Console, found: Garbage) -> None:
    made = table("WHAT", "COUNT", "BYTES", right=("COUNT", "BYTES"))
    kinds = dict.fromkeys(one.kind for one in found.leftovers)
    rows = [
        ("stored pieces that nothing names", len(found.pieces), sum(p.size for p in found.pieces)),
        ("lake snapshots that no version was read at", len(found.snapshots), None),
        ("lake files that only those read", found.unread.files, found.unread.size),
        ("lake files that no snapshot reads since a day", len(found.waiting), None),
    ]
    for kind in kinds:
        mine = [one.size for one in found.leftovers if one.kind == kind]
        rows.append((f"left over: {kind}", len(mine), sum(mine)))
    for what, count, size in rows:
        add(made, what, f"{count:,}", None if size is None else f"{size:,}")
    console.print(made)
    kept_now = (
        f"Kept: {counted(len(found.kept.digests), 'stored piece')}, "
        f"{counted(len(found.kept.snapshots), 'lake snapshot')} that something names."
    )
    console.print(Text(kept_now, style="dim"))


def now_utc() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)
