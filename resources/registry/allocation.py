"""Which of the 10,000 buckets each arm of a model has. The rest is the champion's. Pure.

An arm that grows takes buckets from the champion alone, and one that shrinks gives its highest
ones back. So a change of shares moves the fewest units, and each of them one way: raising an arm
from 5 to 10% moves no unit out of it, and none from one arm to another.
"""

from collections.abc import Iterable, Mapping

from resources.buckets import BUCKETS

# Half-open, ascending, and apart: [[0, 500], [700, 701]] are 501 buckets.
Ranges = tuple[tuple[int, int], ...]

_PERCENT = BUCKETS // 100


class SharesExceeded(ValueError):
    """The arms' shares come to more than all the traffic."""


def allocate(arms: Mapping[str, Ranges], shares: Mapping[str, int]) -> dict[str, Ranges]:
    """The buckets of every arm in `shares`, each exactly as many as it says.

    Args:
        arms: What each arm has now.
        shares: How many buckets each arm is to have; one that is not named gives all back.

    Raises:
        SharesExceeded: They come to more than 10,000.
    """
    asked = sum(shares.values())
    if asked > BUCKETS:
        raise SharesExceeded(
            f"the arms' shares come to {percent_of(asked):g}%, more than 100%; lower one first"
        )
    kept = {name: _buckets(arms.get(name, ()))[:size] for name, size in shares.items()}
    taken = {bucket for held in kept.values() for bucket in held}
    free = (bucket for bucket in range(BUCKETS) if bucket not in taken)
    return {
        name: _ranges(held + [next(free) for _ in range(shares[name] - len(held))])
        for name, held in kept.items()
    }


def size_of(ranges: Ranges) -> int:
    """How many buckets there are in the ranges."""
    return sum(end - start for start, end in ranges)


def buckets_of_percent(percent: float) -> int:
    """How many buckets a share in percent is.

    Raises:
        ValueError: It is not from 0 to 100, or finer than a bucket.
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"share is {percent:g}%; set one from 0 to 100")
    size = round(percent * _PERCENT)
    if abs(percent * _PERCENT - size) > 1e-6:
        raise ValueError(f"share is {percent:g}%; a bucket is 0.01%, set a multiple of that")
    return size


def percent_of(buckets: int) -> float:
    """The share in percent that so many buckets are."""
    return buckets / _PERCENT


def _buckets(ranges: Ranges) -> list[int]:
    return [bucket for start, end in ranges for bucket in range(start, end)]


def _ranges(buckets: Iterable[int]) -> Ranges:
    found: list[tuple[int, int]] = []
    for bucket in sorted(buckets):
        if found and found[-1][1] == bucket:
            found[-1] = found[-1][0], bucket + 1
        else:
            found.append((bucket, bucket + 1))
    return tuple(found)
