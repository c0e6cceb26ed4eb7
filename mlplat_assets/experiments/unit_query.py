"""The SQL of an experiment: predictions that count, and the units that they are of.

Its parameters are the first and last day, the revisions and the units left out. A table `held` of
bucket ranges says which arm each bucket has.
"""

from dataclasses import dataclass
from datetime import timedelta

from mlplat_assets.experiment_checks import metrics_of
from mlplat_assets.experiment_spec import Experiment, Input, PrePeriod
from mlplat_assets.experiments.measures import input_value, measured
from mlplat_assets.model_spec import Task

COUNTED = "p.partition_day between ? and ? and list_contains(?::bigint[], p.revision)"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Where the rows of an experiment lie, and how its model's label is called."""

    predictions: str
    labels: str
    unit: str
    label: str
    task: Task


@dataclass(frozen=True, kw_only=True)
class UnitQuery:
    """Common table expressions `used`, of predictions, and `filled`, of their units."""

    tables: Tables
    spec: Experiment
    snapshot: int

    @property
    def predictions(self) -> str:
        """The predictions `p` as of the snapshot."""
        return f"{self.tables.predictions} p at (version => {self.snapshot})"

    def expressions(self) -> str:
        """`with ...`, before a select from one of them."""
        expressions = [
            measured(metric.measure, self.tables.task, self.tables.label)
            for _, metric in metrics_of(self.spec)
        ]
        listed = ", ".join(f"{each} as m{place}" for place, each in enumerate(expressions))
        means = ", ".join(f"avg(m{place}) as m{place}" for place in range(len(expressions)))
        covariate, before = self.spec.covariate, ""
        x = input_value(covariate) if isinstance(covariate, Input) else "null::double"
        joined = "select units.* from units"
        if isinstance(covariate, PrePeriod):
            before = f"before as ({self._before(covariate, expressions[0])}),"
            joined = (
                "select units.* replace (before.x as x) from units left join before using (unit_id)"
            )
        return f"""
            with used as (
                select p.prediction_id, p.unit_id, p.partition_day, p.variant, p.version,
                       held.arm, held.held_back, {listed}, {x} as x
                from {self._joined()}
                join held on p.bucket >= held.start and p.bucket < held.stop
                where {COUNTED} and not list_contains(?::varchar[], p.unit_id)
            ), units as (
                select arm, held_back, unit_id, min(partition_day) as day,
                       bool_or(variant <> arm) as crossed, {means}, avg(x) as x
                from used group by arm, held_back, unit_id
            ), {before} known as ({joined}),
            -- A unit that nothing is known of has what the others have in the mean.
            filled as (
                select * replace (coalesce(x, avg(x) over (), 0) as x) from known
            )"""

    def _before(self, covariate: PrePeriod, expression: str) -> str:
        first = self.spec.first_day - timedelta(days=covariate.days)
        last = self.spec.first_day - timedelta(days=1)
        return f"""select p.unit_id, avg({expression}) as x from {self._joined()}
                   where p.partition_day between date '{first}' and date '{last}' group by 1"""

    def _joined(self) -> str:
        labels = f"{self.tables.labels} l at (version => {self.snapshot})"
        return f"{self.predictions} left join {labels} on p.unit_id = l.{self.tables.unit}"

    def sums_by_day(self) -> str:
        """A select of one row for each arm and day on which its units were first seen."""
        sums = ", ".join(_sums(f"m{place}") for place in range(len(metrics_of(self.spec))))
        return f"""select arm, held_back, day, count(*) as units,
                          count(*) filter (crossed) as crossed, {sums},
                          coalesce(avg(x) filter (m0 is not null), 0) as x_mean,
                          coalesce(var_pop(x) filter (m0 is not null), 0) as x_var,
                          coalesce(covar_pop(x, m0), 0) as x_m0
                   from filled group by all order by day, arm, held_back"""


def _sums(column: str) -> str:
    return (
        f"count({column}) as {column}_n, coalesce(avg({column}), 0) as {column}_mean, "
        f"coalesce(var_pop({column}), 0) as {column}_var"
    )
