"""What one process counts of its answers, for /metrics."""

from collections import Counter
from dataclasses import dataclass, field

# Upper bounds of the latency histograms, seconds; of the batch sizes, rows.
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(kw_only=True)
class Meter:
    """Counters of this process. Plain numbers: one is counted in a tenth of a microsecond.

    Attributes:
        answers: By HTTP status, variant and version; variant and version are empty and 0 for a
            request that was refused before it was routed.
        stages: By stage (`decode`, `features`, `predict`, `journal`, `whole`), the number of
            observations in each bin of SECONDS, one more bin above, and their sum.
        batches: The number of batches in each bin of ROWS, one more bin above.
        counts: By name whatever else is counted: `shadow_dropped`, `journal_lost`, ...
    """

    answers: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    stages: dict[str, list[float]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=lambda: [0] * (len(ROWS) + 1))
    counts: Counter[str] = field(default_factory=Counter)
