"""The ways in which `bench.broken_on_purpose` breaks a week, and what is specified of each.

As `docs/monitoring.md` and `docs/performance.md` say it: a broken column's distribution says
nothing, and no other column's verdict changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Case:
    """A way to break a week, and what is to be said of it.

    `column` is the one that it breaks, if it is one; `labelled` is whether labels are judged too.
    """

    name: str
    broken: Callable[[pl.DataFrame], pl.DataFrame]
    specified: str
    column: str = ""
    labelled: bool = False


_X0 = pl.col("x0")
CASES = (
    Case(name="no row at all", broken=lambda week: week.head(0), specified="INCONCLUSIVE"),
    Case(
        name="199 rows, a number constant",
        broken=lambda week: week.head(199).with_columns(x0=pl.lit(0.0)),
        column="x0",
        specified="INCONCLUSIVE; x0 INCONCLUSIVE (constant); others INCONCLUSIVE",
    ),
    Case(
        name="199 rows, a column missing",
        broken=lambda week: week.head(199).drop("x0"),
        column="x0",
        specified="INCONCLUSIVE; x0 broken (missing); others INCONCLUSIVE",
    ),
    Case(
        name="a column missing",
        broken=lambda week: week.drop("x0"),
        column="x0",
        specified="WARNING; x0 broken (missing); others OK",
    ),
    Case(
        name="a number all null",
        broken=lambda week: week.with_columns(x0=pl.lit(None, pl.Float64)),
        column="x0",
        specified="WARNING; x0 broken (all_null); others OK",
    ),
    Case(
        name="a text all null",
        broken=lambda week: week.with_columns(carrier=pl.lit(None, pl.String)),
        column="carrier",
        specified="WARNING; carrier broken (all_null); others OK",
    ),
    Case(
        name="a number arrives as text",
        broken=lambda week: week.with_columns(_X0.cast(pl.String)),
        column="x0",
        specified="WARNING; x0 broken (retyped); others OK",
    ),
    Case(
        name="a text arrives as number",
        broken=lambda week: week.with_columns(pl.col("carrier").rank("dense").cast(pl.Int64)),
        column="carrier",
        specified="WARNING; carrier broken (retyped); others OK",
    ),
    Case(
        name="a number infinite in 5% of rows",
        broken=lambda week: week.with_columns(
            x0=pl.when(pl.int_range(pl.len()) % 20 == 0).then(float("inf")).otherwise(_X0)
        ),
        column="x0",
        specified="WARNING; x0 broken (infinite); others OK",
    ),
    Case(
        name="a number constant",
        broken=lambda week: week.with_columns(x0=pl.lit(0.0)),
        column="x0",
        specified="WARNING; x0 DRIFT (constant); others OK",
    ),
    Case(
        name="a text constant",
        broken=lambda week: week.with_columns(carrier=pl.lit("UA")),
        column="carrier",
        specified="WARNING; carrier DRIFT (constant); others OK",
    ),
    Case(
        name="nothing",
        broken=lambda week: week,
        labelled=True,
        specified="OK; all OK; no_concept_drift AS_ESTIMATED; performs_as_promised PASS",
    ),
    Case(
        name="labels shuffled",
        broken=lambda week: week.with_columns(pl.col("label").shuffle(seed=3)),
        labelled=True,
        specified="OK; all OK; no_concept_drift CONCEPT_DRIFT; performs_as_promised FAIL",
    ),
)
