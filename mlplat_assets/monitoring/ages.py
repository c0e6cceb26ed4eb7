"""How old what a model reads, and the model itself, may be: promises of its declaration. UTC."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlplat_assets.features.quality.freshness import whole
from resources.lake import Lake


@dataclass(frozen=True, kw_only=True)
class Age:
    """How old something was at a moment, and how old it may be; `newest` None: there was none."""

    what: str
    newest: datetime | None
    at: datetime
    promised: timedelta

    @property
    def kept(self) -> bool:
        """Whether the promise is kept; by nothing it is not."""
        return self.newest is not None and self.at - self.newest <= self.promised

    def __str__(self) -> str:
        """One line for people."""
        if self.newest is None:
            return f"{self.what}: none was found"
        held = "" if self.kept else "not "
        return (
            f"{self.what} is {whole(self.at - self.newest)} old at {self.at:%Y-%m-%d %H:%M} UTC, "
            f"{held}within the promised {whole(self.promised)}"
        )


def feature_ages(lake: Lake, predictions: str, promised: Mapping[str, timedelta]) -> Iterator[Age]:
    """Of each view, the newest row that predictions of the newest day read, when the last was made.

    Nothing where nothing was predicted yet. Rows of one entity may be old and the view fresh, so
    the newest of all counts.
    """
    if not lake.has(predictions):
        return
    for view, limit in promised.items():
        # Texts of UTC moments sort as the moments do.
        found = lake.read(
            f"""select max(event_timestamp) as at,
                       max(json_extract_string(feature_times, '$."' || ? || '"')) as newest
                from {predictions}
                where partition_day = (select max(partition_day) from {predictions})""",
            [view],
        ).to_pylist()[0]
        if found["at"] is None:
            return
        newest = found["newest"] and datetime.fromisoformat(found["newest"]).astimezone(UTC)
        at = found["at"].replace(tzinfo=UTC)
        yield Age(what=f"the newest row read of {view}", newest=newest, at=at, promised=limit)
