"""One experiment from the journal to its verdict."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from mlplat_assets.experiments.exposure import Exposure, exposure
from mlplat_assets.experiments.journal_rows import JournalRows, RowsUsed
from mlplat_assets.experiments.judgement import Judgement, faults_of, judge
from mlplat_assets.experiments.looks import Look, RatioLook, looks, ratio_looks
from mlplat_assets.monitoring.assignment import compare
from resources.registry.traffic_table import Traffic

# The champion answers in place of an arm whose version is away: its units are still the arm's, and
# count as crossed.
_FALLBACK = "the champion answered in place of an arm"


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What an experiment came to, and the rows that it rests on.

    Attributes:
        shares: Buckets of each arm that take part, the control first.
        misrouted: Predictions that the table would have routed otherwise, by what differs.
    """

    judgement: Judgement
    looks: tuple[Look, ...]
    ratios: tuple[RatioLook, ...]
    shares: Mapping[str, int]
    misrouted: Mapping[str, int]
    rows: RowsUsed

    @property
    def ratio_holds(self) -> bool:
        """Whether units arrive in the declared ratio and each was routed by its table."""
        return not faults_of(self.ratios, self.shares) and not _wrong(self.misrouted)


def analysed(
    journal: JournalRows, traffic_at: Callable[[int], Traffic], *, today: date, delay: timedelta
) -> Analysis:
    """Read, audit, compare and judge.

    Args:
        journal: The rows of the experiment, as of one snapshot.
        traffic_at: A revision of the model's traffic table; LookupError where there is none.
        today: The day until which the world has come.
        delay: How long a label takes after its prediction.

    Raises:
        LookupError: A prediction names a revision that the registry does not have.
    """
    spec = journal.query.spec
    tables = {number: traffic_at(number) for number in journal.revisions()}
    exposed = exposure(spec, tables)
    misrouted = compare(journal.assigned(exposed), tables.__getitem__).differences
    rows = journal.used(exposed)
    days = journal.arm_days(exposed) if exposed.is_comparable else []
    found, ratios = looks(spec, days), ratio_looks(spec, days, exposed.shares)
    faults = [*_faults(exposed, misrouted, rows), *faults_of(ratios, exposed.shares)]
    is_over = today > spec.last_day + delay
    return Analysis(
        judgement=judge(spec, found, faults, is_over=is_over),
        looks=tuple(found),
        ratios=tuple(ratios),
        shares=exposed.shares,
        misrouted=misrouted,
        rows=rows,
    )


def _faults(exposed: Exposure, misrouted: Mapping[str, int], rows: RowsUsed) -> list[str]:
    found = list(exposed.faults)
    if exposed.revisions and not exposed.is_comparable:
        empty = [name for name, size in exposed.shares.items() if not size]
        found.append(
            f"no bucket had {' and '.join(empty)} under all of revisions "
            f"{', '.join(map(str, exposed.revisions))}; keep shares, or only raise them"
        )
    if wrong := _wrong(misrouted):
        told = ", ".join(f"{what} {n:,}" for what, n in wrong.items())
        found.append(f"predictions that the traffic table routes otherwise: {told}")
    return [*found, *_of_versions(rows)]


def _wrong(misrouted: Mapping[str, int]) -> dict[str, int]:
    return {what: n for what, n in misrouted.items() if what != _FALLBACK}


def _of_versions(rows: RowsUsed) -> list[str]:
    """An arm that two versions answered for is no treatment."""
    own = Counter((arm, version) for arm, variant, version in rows.versions if arm == variant)
    versions: dict[str, list[str]] = {}
    for arm, version in sorted(own):
        versions.setdefault(arm, []).append(str(version))
    return [
        f"{arm} was versions {' and '.join(each)}; end the experiment before its arms change"
        for arm, each in versions.items()
        if len(each) > 1
    ]
