"""What was looked at and what was wrong with it: the input of the alert rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.alerts.records import Severity

# What can be wrong, and how bad it is where nothing says otherwise.
SEVERITIES: Mapping[str, Severity] = {
    "schema_break": Severity.P0,  # a column is gone, of another type, or without any value
    "null_spike": Severity.P0,
    "broken_table": Severity.P0,  # a blocking check of a feature or label table fails
    "failed_run": Severity.P1,
    "missed_run": Severity.P1,
    "latency": Severity.P1,
    "errors": Severity.P1,
    "objectives": Severity.P1,
    "rolled_back": Severity.P1,  # a guardrail took a version back; P2 while it was a shadow
    "skew": Severity.P1,  # the service computes other features than training did
    "drift": Severity.P2,
    "concept_drift": Severity.P2,
    "stale": Severity.P2,  # older than promised; P1 from twice the promise on
    "unfairness": Severity.P2,
    "decay": Severity.P3,  # realised performance is below what was promised
    "warning": Severity.P3,  # any other check that warns
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that failed in a window.

    Attributes:
        subject: Which part, such as a column; empty for the whole.
        detail: The numbers, in a sentence. One that changes at every look costs a write each.
        severity: How bad it is; None: as its kind is.
    """

    subject: str
    detail: str
    severity: Severity | None = None


@dataclass(frozen=True, kw_only=True)
class Examination:
    """One look at one kind of trouble of one thing in one window.

    What is not among `failing` was healthy. A look that could not tell, as at too few rows, is no
    examination.

    Attributes:
        model: What was looked at, `team.name`: a model, or a view or label table upstream.
        kind: One of `SEVERITIES`.
        window: Orders the looks at the same kind; text that sorts, such as a day.
        failing: What failed in it.
        affects: The models that suffer from what failed.
        subject: The only part that was looked at; None for all of them.
    """

    model: str
    kind: str
    window: str
    failing: tuple[Finding, ...] = ()
    affects: tuple[str, ...] = field(default=())
    subject: str | None = None

    def __post_init__(self) -> None:
        """Refuse a kind that has no severity."""
        if self.kind not in SEVERITIES:
            raise ValueError(
                f"{self.model}: kind {self.kind!r} has no severity; "
                f"use one of {', '.join(SEVERITIES)}"
            )
