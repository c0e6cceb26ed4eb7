"""The governor on real flights: would a model trained afresh beat what the champion answered."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from mlplat_assets.keys import key
from mlplat_assets.retraining.benefit import answers, would_help
from mlplat_assets.retraining.benefit_verdict import Benefit
from mlplat_assets.retraining.triggers import asked as trigger
from tests.small_world import ACTOR, ARRIVAL, World, in_environment

FIRST, LAST = date(2013, 2, 10), date(2013, 2, 20)
TABLE = "predictions.flights__arrival_delay"


def served(world: World, informed: float, version: int = 1) -> None:
    """The days' flights as a champion answered them that knows so much of the truth."""
    labels = pl.DataFrame(
        world.lake.read(
            """select flight_id as unit_id, partition_day, is_late
               from labels.flights__arrival_delay where partition_day between ? and ?""",
            [FIRST, LAST],
        )
    )
    noise = pl.Series(range(labels.height)).hash(seed=7) % 10_000 / 10_000
    late = labels["is_late"].cast(pl.Float64)
    rows = labels.drop("is_late").with_columns(
        prediction=informed * late + (1 - informed) * noise,
        version=pl.lit(version, pl.Int64),
        variant=pl.lit("champion"),
        served_at=pl.lit(datetime(2013, 2, 20, tzinfo=UTC).replace(tzinfo=None)),
    )
    world.lake.replace_days(TABLE, rows.to_arrow(), FIRST, LAST)


def asked(world: World) -> Benefit:
    model, inputs = world.model(ARRIVAL)
    return would_help(world.lake, model, inputs, 1, world.registry.version(ARRIVAL, 1).evidence)


@pytest.mark.parametrize(("informed", "verdict"), [(0.0, "WOULD_HELP"), (0.9, "WOULD_NOT_HELP")])
def test_a_champion_that_guesses_would_be_helped_and_one_that_knows_would_not(
    copy: World, informed: float, verdict: str
) -> None:
    served(copy, informed)
    found = asked(copy)
    assert found.verdict == verdict, found.told
    assert found.gain is not None and found.gain.low <= found.gain.estimate <= found.gain.high
    assert found.rows > 3000 and "2013-02-14 to 2013-02-20" in found.told
    _, inputs = copy.model(ARRIVAL)
    days = answers(copy.lake, copy.model(ARRIVAL)[0], inputs, 1)["partition_day"]
    assert (days.min(), days.max()) == (LAST - timedelta(days=6), LAST)


def test_without_answers_of_the_version_nothing_can_be_said(copy: World) -> None:
    served(copy, 0.0, version=9)
    found = asked(copy)
    assert (found.verdict, found.rows) == ("INCONCLUSIVE", 0)


def test_the_asset_of_the_real_graph_judges_a_person_s_request(copy: World) -> None:
    wanted = trigger(ARRIVAL, "by_hand", "1", "the new wind features", None)
    copy.registry.retrainings.request(wanted, actor=ACTOR)
    with in_environment(copy.settings):
        copy.materialise([key("retrainings", "flights", "arrival_delay")])
    (made,) = copy.registry.retrainings.all(ARRIVAL)
    assert (made.state, made.outcome, made.asked.requested_by) == ("approved", "due", ACTOR)
    assert "the new wind features" in copy.metadata("retrainings", ARRIVAL)["decisions"]
