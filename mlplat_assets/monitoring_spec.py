"""What is watched of a model in service: drift, realised performance, promises.

Part of a ModelSpec. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """When served features count as drifted away from the training profile.

    A column drifts when its PSI in a one-day window exceeds both `psi_floor` and the
    `quantile` of the PSI that single days of the training period had against the whole of it.
    A window drifts when at least `columns` columns do. Below `minimum_rows` the verdict is
    INCONCLUSIVE.
    """

    psi_floor: float = 0.25
    quantile: float = 1.0
    columns: int = 2
    minimum_rows: int = 200


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What a model's service promises.

    At most 1% of answers are slower than `p99_ms`, and at most `error_share` of requests end by a
    fault of its own (5xx). None promises nothing.
    """

    p99_ms: float | None = None
    error_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """What is watched beside drift.

    `label_delay` is how long after the decision a label has usually come; until then a prediction
    without one is early, not missing. Performance is judged over the last `days` days, by the
    primary metric, which may be `tolerance` worse than promised, in its own unit. `feature_age`
    says by view (`team.name`) how old the newest of its rows may be that predictions read, and
    `version_age` how old the version in production.
    """

    label_delay: timedelta = timedelta(days=1)
    days: int = 7
    tolerance: float = 0.02
    objectives: Objectives = Objectives()
    feature_age: Mapping[str, timedelta] = field(default_factory=dict)
    version_age: timedelta | None = None
