"""What rollouts tell: which version a guardrail took back, and whether another came since. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from mlplat_assets.alerts.findings import Examination, Finding
from resources.alerts.records import Severity
from resources.registry.rollout_record import ALL_UNITS, RolloutRecord


def rollout_examinations(
    rolled_back: Iterable[RolloutRecord], crowned: Mapping[str, int]
) -> Iterator[Examination]:
    """Whether what was taken back of each model still is the last word on it.

    It is until the model has a new champion, by a rollout or by hand. A version that went back for
    its gates, or since a person chose another champion, is no trouble. A window is the audit entry
    of the rollback or of the champion.

    Args:
        rolled_back: The last of each model.
        crowned: The entry that made each model's champion of now.
    """
    for record in rolled_back:
        champion = crowned.get(record.model, 0)
        stands = _is_violated(record) and record.id > champion
        yield Examination(
            model=record.model,
            kind="rolled_back",
            window=f"{record.id if stands else champion:012}",
            failing=(_finding(record),) if stands else (),
            affects=(record.model,),
        )


def _finding(record: RolloutRecord) -> Finding:
    """A subject for each rollout, so that the next one that goes back is told too."""
    share = record.leg.share
    return Finding(
        subject=f"rollout {record.number}",
        detail=f"version {record.version} went back {_from(share)}: {record.reason}",
        # Nobody was answered by a shadow.
        severity=None if share else Severity.P2,
    )


def _from(share: float) -> str:
    if not share:
        return "as a shadow"
    return "from all units" if share == ALL_UNITS else f"at {share:g}%"


def _is_violated(record: RolloutRecord) -> bool:
    return any(each["verdict"] == "VIOLATED" for each in record.evidence.get("findings", ()))
