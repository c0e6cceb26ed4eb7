"""The comparison of both stores sees every part of a row, and rows that only one of them has."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from mlplat_assets.features.online.comparison import compare
from resources.online_store import OnlineRow
from tests.features.small_frames import MICROSECOND
from tests.features.small_store import HOUR, NOW, Shop, declared, shop_at

USER = declared("user", {"user": "int"}, {"score": "float", "visits": "int"})
SEEN = NOW - HOUR
ROW = OnlineRow(
    key=(1,),
    event_timestamp=SEEN,
    created_timestamp=SEEN,
    partition=SEEN.date().isoformat(),
    values={"score": 1.0, "visits": 3},
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop_at(tmp_path_factory.mktemp("compared")) as shop:
        shop.write(USER, (1, SEEN, ..., 1.0, 3))
        yield shop


def differing(shop: Shop, *rows: OnlineRow) -> list[str]:
    """What differs when the online store holds these rows alone."""
    shop.online.clear(USER.full_name)
    shop.online.write(USER.full_name, rows)
    found = compare(shop.lake, shop.online, USER, NOW)
    assert found.different == len(found.differences)
    return [one.what for one in found.differences]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({}, []),
        ({"event_timestamp": SEEN - MICROSECOND}, ["event time"]),
        ({"created_timestamp": SEEN + MICROSECOND}, ["created time"]),
        ({"partition": "2013-05-31"}, ["day"]),
        ({"values": {"score": 1.5, "visits": 3}}, ["score"]),
        ({"values": {"score": None, "visits": 3}}, ["score"]),
        ({"values": {"score": 1.0}}, ["visits"]),
        ({"values": {"score": 1, "visits": 3}}, ["score"]),
        ({"values": {"score": 1.0, "visits": True}}, ["visits"]),
    ],
)
def test_every_part_of_a_row_is_compared(
    shop: Shop, changed: dict[str, Any], what: list[str]
) -> None:
    assert differing(shop, msgspec.structs.replace(ROW, **changed)) == what


def test_a_row_that_only_one_store_has_differs(shop: Shop) -> None:
    assert differing(shop) == ["the row"]
    other = msgspec.structs.replace(ROW, key=(2,))
    assert differing(shop, ROW, other) == ["the row"]
    (found,) = compare(shop.lake, shop.online, USER, NOW).differences
    assert (found.key, found.online, found.offline) == ((2,), "there", "absent")
