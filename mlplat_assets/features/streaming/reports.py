"""What a stream landed, told to Dagster: a materialisation of each day that changed.

Without a run, so that the UI shows the days, and beside the consumer's own work: loading Dagster
takes a second and an event tens of milliseconds. A day that lands every second is reported once a
minute and when the consumer ends.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from mlplat_assets.features.streaming.sources import (
    MICROSECOND,
    StreamedSource,
    moment,
)
from mlplat_assets.keys import Stage, key, table
from resources.lake_digests import PartitionVersion
from resources.settings import Settings

_REPORT_SECONDS = 60.0
_log = logging.getLogger(__name__)


class LandingReports:
    """Gathers changed days and reports them to the Dagster instance of the environment."""

    def __init__(self, sources: Sequence[StreamedSource]) -> None:
        """Remember whose tables these are."""
        self._raw: dict[str, tuple[Stage, str, str]] = {}
        self._assets: dict[str, tuple[Stage, str, str]] = {}
        for source in sources:
            declared = source.source
            raw = table("raw", declared.team, declared.name)
            self._raw[raw] = self._assets[raw] = ("raw", declared.team, declared.name)
            for view in source.views:
                name = table("features", view.team, view.name)
                self._assets[name] = ("features", view.team, view.name)
        self._gathered: dict[tuple[str, date], PartitionVersion] = {}
        self._left: set[tuple[str, date]] = set()
        self._lock = threading.Lock()

    def add(
        self, source: StreamedSource, versions: Iterable[PartitionVersion], late: Iterable[int]
    ) -> None:
        """Take what landed, and the times of rows that came too late for rows after them."""
        with self._lock:
            for version in versions:
                if version.changed:
                    self._gathered[version.table, version.day] = version
            for view in source.views:
                name = table("features", view.team, view.name)
                self._left |= {(name, day) for ts in late for day in days_touched(source, ts)}

    def run(self, ended: threading.Event) -> None:
        """Report every minute until the end, and then once more."""
        while not ended.wait(_REPORT_SECONDS):
            self.report()
        self.report()

    def report(self) -> None:
        """Tell Dagster what has gathered.

        Days of a view that a late row left wrong are not reported: their raw day is, which is
        newer then, and that makes the batch run of them due.
        """
        with self._lock:
            gathered, self._gathered = self._gathered, {}
            left, self._left = self._left, set()
        told = [v for at, v in sorted(gathered.items()) if at not in left]
        if not told:
            return
        import dagster as dg
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with dg.DagsterInstance.get() as instance:
                # Sources first: a view's rows are as new as the source rows that they count.
                for version in sorted(told, key=lambda version: version.table not in self._raw):
                    instance.report_runless_asset_event(self._event(version))
        except (dg.DagsterError, SQLAlchemyError, OSError) as error:
            _log.warning("Dagster was not told of %s landed days: %s", len(told), error)

    def _event(self, version: PartitionVersion):  # noqa: ANN202  Dagster is imported late
        import dagster as dg

        return dg.AssetMaterialization(
            asset_key=key(*self._assets[version.table]),
            partition=version.day.isoformat(),
            description="Landed from the stream.",
            metadata={
                "dagster/partition_row_count": version.rows,
                "digest": version.digest,
                "lake_snapshot": version.snapshot,
            },
        )


def days_touched(source: StreamedSource, ts: int) -> set[date]:
    """The days whose rows count a source row of that time."""
    last = moment(ts + source.reach // MICROSECOND).date()
    first = moment(ts).date()
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def dagster_is_configured(settings: Settings) -> bool:
    """Whether there is an instance to tell."""
    return (settings.dagster_home / "dagster.yaml").exists()
