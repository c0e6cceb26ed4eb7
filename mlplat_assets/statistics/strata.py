"""The difference of two arms whose shares changed on the way."""

from collections.abc import Sequence

from mlplat_assets.statistics.moments import Moments

Arms = tuple[Moments, Moments]


def standardised(strata: Sequence[Arms]) -> Arms:
    """Both arms as if their shares had been the same all the time: weights are the second arm's.

    Pooled as they are, arms whose shares rose from 1 to 50% while the day went by compare nights
    with days. Within a stratum shares are constant, so that a sum over strata of the second arm's
    units times the difference is a martingale under "no difference", and what
    `one_sided_sequence` says of the two arms returned holds at all looks. Their `n` is the
    information: that of equal arms of `n` units.

    Strata in which an arm has fewer than two units say nothing and are left out.
    """
    kept = [(a, b) for a, b in strata if a.n > 1 and b.n > 1]
    units = sum(b.n for _, b in kept)
    if not units:
        return Moments(), Moments()
    weights = [b.n / units for _, b in kept]
    n = round(sum(b.n * (1 + b.n / a.n) for a, b in kept) / 2)
    return tuple(  # type: ignore[return-value]  (two)
        _together([arms[side] for arms in kept], weights, max(n, 2)) for side in (0, 1)
    )


def _together(parts: Sequence[Moments], weights: Sequence[float], n: int) -> Moments:
    mean = sum(weight * part.mean for weight, part in zip(weights, parts, strict=True))
    squared_error = sum(
        weight**2 * part.variance / part.n for weight, part in zip(weights, parts, strict=True)
    )
    return Moments(n=n, mean=mean, squares=squared_error * n * (n - 1))
