"""The audit tells, feature by feature, whether served values are the lake's, and why not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.journal_records import Predicted, schema_of
from mlplat_assets.monitoring.skew import SkewReport, audit
from mlplat_assets.spec import Field, Label
from tests.features.small_frames import refusal
from tests.features.small_store import HOUR, NOW, Shop, declared, shop_at

SCHEMA = schema_of(Predicted)
USER = declared(
    "user", {"user": "int"}, {"score": "float", "visits": "int"}, ttl=24 * HOUR, landing_delay=HOUR
)
PLACE = declared("place", {"city": "string"}, {"rain": "float"})
LABEL = Label(
    unit="unit", entities=("user", "city"), description="Some.",
    columns=(Field(name="bought", dtype="int"),),
)  # fmt: skip
MODEL = Declared(
    team="shop", name="buys", file=Path("buys.py"),
    spec=ModelSpec(task="binary", label="shop.sales:bought", features=("shop.user", "shop.place"),
                   gates=(), approvers=()),
)  # fmt: skip
CATALOGUE = Catalogue(
    teams={"shop": Team(name="shop", owner="a@example.com", first_day=NOW.date())},
    views={view.full_name: view for view in (USER, PLACE)},
    labels={"shop.sales": Declared(team="shop", name="sales", file=Path("s.yml"), spec=LABEL)},
    models={MODEL.full_name: MODEL},
)
SEEN = NOW - 2 * HOUR


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with shop_at(tmp_path) as shop:
        shop.write(USER, (1, SEEN, ..., 0.1, 3), (1, SEEN - HOUR, ..., 0.2, 2))
        shop.write(PLACE, ("Rome", SEEN, ..., float("nan")), ("Oslo", SEEN, ..., 2.0))
        yield shop


def log(
    shop: Shop, score: object, visits: object, rain: object, *,
    of: datetime | None = SEEN, user: int | None = 1, at: datetime = NOW, city: str = "Rome",
) -> None:  # fmt: skip
    """Log a prediction that was served these values, the user's ones of the given time."""
    values = {"user__score": score, "user__visits": visits, "place__rain": rain}
    times = {"shop.user": of and of.isoformat(), "shop.place": SEEN.isoformat()}
    name = "predictions.shop__buys"
    held = shop.lake.read(f"select * from {name}") if shop.lake.has(name) else SCHEMA.empty_table()
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    row |= {
        "prediction_id": f"p{held.num_rows}",
        "event_timestamp": at.replace(tzinfo=None),
        "partition_day": at.date(),
        "entities": json.dumps({"user": user, "city": city}),
        "features": json.dumps({n: v for n, v in values.items() if v is not ...}),
        "feature_times": json.dumps(times),
    }
    rows = pa.concat_tables([held.cast(SCHEMA), pa.Table.from_pylist([row], schema=SCHEMA)])
    shop.lake.replace_all(name, rows)


def rates(report: SkewReport) -> dict[str, tuple[int, int]]:
    return {one.feature: (one.matches, one.compared) for one in report.features}


def the_reason(shop: Shop) -> str:
    (mismatch,) = audit(shop.lake, MODEL, CATALOGUE, 9).features[0].examples
    return mismatch.reason


def test_what_was_served_as_the_lake_has_it_matches_nulls_included(shop: Shop) -> None:
    log(shop, 0.1, 3, None)
    log(shop, None, None, 2.0, of=None, user=None, city="Oslo")
    log(shop, 0.2, 2, None, of=SEEN - HOUR, at=SEEN + HOUR - timedelta(microseconds=1))
    log(shop, None, None, None, of=SEEN, at=NOW + 24 * HOUR)  # too old by then
    report = audit(shop.lake, MODEL, CATALOGUE, 9)
    assert report.exact and report.predictions == 4
    assert set(rates(report).values()) == {(4, 4)}


@pytest.mark.parametrize("served", [0.1 + 2**-50, 0, None, "0.1"])
def test_a_value_of_other_bits_or_type_is_a_mismatch_of_its_feature_alone(
    shop: Shop, served: object
) -> None:
    log(shop, 0.1, 3, None)
    log(shop, served, 3, None)
    report = audit(shop.lake, MODEL, CATALOGUE, 9)
    assert rates(report) == {"user__score": (1, 2), "user__visits": (2, 2), "place__rain": (2, 2)}
    assert not report.exact
    score = report.features[0]
    assert score.match_rate == 0.5 and score.reasons == {"rewritten": 1}
    assert (score.examples[0].served, score.examples[0].lake) == (served, 0.1)
    assert score.examples[0].served_time == score.examples[0].lake_time == SEEN


def test_whole_numbers_of_another_type_and_zeros_of_another_sign_are_mismatches(
    shop: Shop,
) -> None:
    shop.write(PLACE, ("Pisa", SEEN, ..., 0.0))
    for visits, rain in ((3, 0.0), (3.0, -0.0), ("3", 0), (4, 0.0)):
        log(shop, 0.1, visits, rain, city="Pisa")
    found = rates(audit(shop.lake, MODEL, CATALOGUE, 9))
    assert (found["user__visits"], found["place__rain"]) == ((1, 4), (2, 4))


def test_a_mismatch_is_explained_by_the_times_of_its_own_view(shop: Shop) -> None:
    log(shop, 0.2, 3, 9.0, of=SEEN - HOUR, city="Oslo")
    score, _, rain = audit(shop.lake, MODEL, CATALOGUE, 9).features
    assert (score.reasons, rain.reasons) == ({"stale": 1}, {"rewritten": 1})


def test_a_row_that_was_known_at_the_very_moment_is_not_late(shop: Shop) -> None:
    log(shop, 0.1, 3, None)
    shop.write(USER, (1, SEEN + HOUR / 2, NOW, 0.9, 3))
    assert the_reason(shop) == "stale"


def test_an_older_row_that_was_served_is_stale(shop: Shop) -> None:
    log(shop, 0.2, 3, None, of=SEEN - HOUR)
    assert the_reason(shop) == "stale"


def test_an_entity_that_was_not_found_though_the_lake_knew_it_is_stale(shop: Shop) -> None:
    log(shop, None, 3, None, of=None)
    assert the_reason(shop) == "stale"


def test_a_row_that_became_known_after_the_prediction_is_late_data(shop: Shop) -> None:
    log(shop, 0.1, 3, None)
    shop.write(USER, (1, SEEN + HOUR / 2, NOW + HOUR, 0.9, 3))
    assert the_reason(shop) == "late data"


def test_a_row_that_was_served_before_it_took_effect_is_early(shop: Shop) -> None:
    shop.write(USER, (1, NOW, ..., 0.9, 3))
    log(shop, 0.9, 3, None, of=NOW)
    assert the_reason(shop) == "early"


def test_a_row_that_the_lake_lost_is_gone(shop: Shop) -> None:
    log(shop, 0.7, ..., None, user=2)
    assert the_reason(shop) == "gone"


def test_a_feature_that_a_version_did_not_read_is_not_compared(shop: Shop) -> None:
    log(shop, 0.1, ..., None)
    assert rates(audit(shop.lake, MODEL, CATALOGUE, 9))["user__visits"] == (0, 0)


def test_a_sample_is_the_same_every_time(shop: Shop) -> None:
    for score in (0.1, 0.3, 0.1, 0.4):
        log(shop, score, 3, None)
    first = audit(shop.lake, MODEL, CATALOGUE, 2)
    assert first.predictions == 2
    logged = shop.lake.read("select * from predictions.shop__buys")
    shop.lake.replace_all("predictions.shop__buys", logged.take([3, 2, 1, 0]))
    again = audit(shop.lake, MODEL, CATALOGUE, 2)
    assert first == replace(again, lake_snapshot=first.lake_snapshot)
    assert audit(shop.lake, MODEL, CATALOGUE, 9).predictions == 4


def test_a_model_that_logged_nothing_says_so(shop: Shop) -> None:
    with refusal(LookupError, "predictions", "materialise the asset"):
        audit(shop.lake, MODEL, CATALOGUE, 9)
    shop.lake.replace_all("predictions.shop__buys", SCHEMA.empty_table())
    with refusal(LookupError, "shop.buys has no logged prediction", "serve some first"):
        audit(shop.lake, MODEL, CATALOGUE, 9)
