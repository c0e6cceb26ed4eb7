"""`mlplat features sync`: the online store in step with the lake, without Dagster."""

import time
from datetime import UTC, date, datetime

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.output import add, masked, table
from mlplat_assets.commands.stores import StoreAway, opened_lake
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.online.comparison import compare
from mlplat_assets.features.online.sync import OnlineSync, exclusively
from mlplat_assets.spec import FeatureView
from resources.online_store import OnlineStoreUnavailable, online_store
from resources.settings import Settings


def sync_views(
    settings: Settings, console: Console, names: list[str], *, rebuild: bool = False
) -> None:
    """Bring views in step, all online ones by default; `rebuild` forgets them first.

    Raises:
        LookupError: A name is no online view.
        StoreAway: The lake or the online store does not answer.
    """
    made = table(
        "VIEW", "DAYS", "ROWS READ", "KEYS WRITTEN", "KEYS REMOVED", "SECONDS",
        right=("DAYS", "ROWS READ", "KEYS WRITTEN", "KEYS REMOVED", "SECONDS"),
    )  # fmt: skip
    views = _online_views(names, catalogue())
    try:
        with opened_lake(settings) as lake:
            store = online_store(settings.online_url, settings.online_timeout)
            lake.snapshot()  # opened before the first view's seconds are counted
            for view in views:
                started = time.perf_counter()
                with exclusively(settings, view.full_name):
                    if rebuild:
                        store.clear(view.full_name)
                    sync = OnlineSync(lake, store, view, as_of=datetime.now(UTC))
                    done = sync.run(date.min, date.max)
                add(
                    made,
                    Text(view.full_name),
                    len(done.days),
                    f"{done.rows_read:,}",
                    f"{done.keys_written:,}",
                    f"{done.keys_removed:,}",
                    f"{time.perf_counter() - started:.2f}",
                )
    except OnlineStoreUnavailable as error:
        raise StoreAway("online store", masked(settings.online_url), error) from error
    console.print(made)


def verify_views(settings: Settings, console: Console, names: list[str]) -> bool:
    """Compare every entity of views with the lake; whether all are equal.

    Raises:
        LookupError: A name is no online view.
        StoreAway: The lake or the online store does not answer.
    """
    made = table(
        "VIEW", "ENTITIES", "AHEAD", "DIFFERENT", "FIRST DIFFERENCE",
        right=("ENTITIES", "AHEAD", "DIFFERENT"),
    )  # fmt: skip
    equal = True
    views = _online_views(names, catalogue())
    try:
        with opened_lake(settings) as lake:
            store = online_store(settings.online_url, settings.online_timeout)
            for view in views:
                found = compare(lake, store, view, as_of=datetime.now(UTC))
                equal = equal and found.equal
                first = Text(str(found.differences[0]), style="red") if found.differences else None
                add(made, Text(view.full_name), found.entities, found.ahead, found.different, first)
    except OnlineStoreUnavailable as error:
        raise StoreAway("online store", masked(settings.online_url), error) from error
    console.print(made)
    return equal


def _online_views(names: list[str], declared: Catalogue) -> list[Declared[FeatureView]]:
    online = {name: view for name, view in declared.views.items() if view.spec.online}
    for name in names:
        if name not in online:
            known = ", ".join(sorted(online)) or "none"
            raise LookupError(f"{name!r} is no online feature view; there are {known}")
    return [online[name] for name in names or sorted(online)]
