"""Findings about the data of a column, told apart from drift of its distribution.

A broken column means that what feeds it has to be put right; a model that is trained on it would
learn the fault.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mlplat_assets.monitoring.drift.bins import (
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    between,
    cuts,
    far,
)
from mlplat_assets.monitoring.drift.sketch import ColumnSketch

# SageMaker's datatype_check_threshold: fewer values of another type are told, no more.
RETYPED_SHARE = 0.1
# Nulls above the worst training day; by PSI, whose floor of shares is 1e-4, 4.3% would be drift.
NULL_RISE = 0.05
INFINITE_RISE = 0.01
# Beyond twice the training range lies a value of another unit, not of another season.
FAR_SHARE = 0.5


class Fault(StrEnum):
    """What may be found; the first six can break a column, the others are told only.

    MISSING: no row has the column. RETYPED: values of another type than in training. ALL_NULL and
    NULL_SPIKE: values are gone. INFINITE: they overflowed. FAR_OUT: most lie further outside the
    training range than that is wide. OUT_OF_RANGE, UNSEEN, CONSTANT: values beyond those of
    training, categories it had not, one value where it had several.
    """

    MISSING = "missing"
    RETYPED = "retyped"
    ALL_NULL = "all_null"
    NULL_SPIKE = "null_spike"
    INFINITE = "infinite"
    FAR_OUT = "far_out_of_range"
    OUT_OF_RANGE = "out_of_range"
    UNSEEN = "unseen_category"
    CONSTANT = "constant"


# Facts about the schema need no number of rows.
OF_SCHEMA = frozenset({Fault.MISSING, Fault.RETYPED})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault of a column, the share of the window's rows that have it, and whether it breaks."""

    fault: Fault
    share: float
    breaks: bool


def findings(sketch: ColumnSketch, profile: ColumnProfile) -> tuple[Finding, ...]:
    """What is wrong with a column's data; nothing for a window without rows."""
    if not sketch.rows:
        return ()
    if sketch.absent == sketch.rows:
        return (Finding(fault=Fault.MISSING, share=1.0, breaks=True),)
    found = [*_retyped(sketch), *_nulls(sketch, profile)]
    if profile["kind"] == "numeric":
        found += _range(sketch, profile)
    else:
        found += _categories(sketch, profile)
    return tuple(found)


def _retyped(sketch: ColumnSketch) -> Iterator[Finding]:
    if sketch.retyped:
        share = sketch.retyped / sketch.rows
        valued = max(sketch.retyped, sketch.present)
        breaks = sketch.retyped > RETYPED_SHARE * valued
        yield Finding(fault=Fault.RETYPED, share=share, breaks=breaks)


def _nulls(sketch: ColumnSketch, profile: ColumnProfile) -> Iterator[Finding]:
    # Values of another type that cannot be read are there, and told as such.
    gone = max(sketch.nulls - sketch.retyped, 0) / sketch.rows
    usual = max(profile["null_share"], profile.get("null_threshold", 0.0))
    spike = gone > usual + NULL_RISE
    if gone == 1 and profile["null_share"] < 1:
        yield Finding(fault=Fault.ALL_NULL, share=1.0, breaks=spike)
    elif spike:
        yield Finding(fault=Fault.NULL_SPIKE, share=gone, breaks=True)


def _range(sketch: ColumnSketch, profile: NumericProfile) -> Iterator[Finding]:
    cut = cuts(profile)
    infinite = int(sketch.counts[0] + sketch.counts[-1]) / sketch.rows
    if infinite > profile.get("infinite_share", 0.0):
        breaks = infinite > profile.get("infinite_share", 0.0) + INFINITE_RISE
        yield Finding(fault=Fault.INFINITE, share=infinite, breaks=breaks)
    least, greatest = profile["minimum"], profile["maximum"]
    if least is None or greatest is None:
        return
    low, high = far(profile)
    beyond = _outside(sketch, cut, low, high) / sketch.rows
    outside = _outside(sketch, cut, cut_below(cut, least), greatest) / sketch.rows
    if beyond > FAR_SHARE and infinite <= FAR_SHARE:
        yield Finding(fault=Fault.FAR_OUT, share=beyond, breaks=True)
    elif outside > infinite:
        yield Finding(fault=Fault.OUT_OF_RANGE, share=outside - infinite, breaks=False)
    if least < greatest and sketch.present and sketch.least == sketch.greatest:
        yield Finding(fault=Fault.CONSTANT, share=sketch.present / sketch.rows, breaks=False)


def _outside(sketch: ColumnSketch, cut: list[float], low: float, high: float) -> int:
    below, _, above = between(sketch.counts, cut, [low, high])
    return int(below + above)


def cut_below(cut: list[float], value: float) -> float:
    """The greatest cut below a value: what is no more than it is less than the value."""
    return max(one for one in cut if one < value)


def _categories(sketch: ColumnSketch, profile: CategoricalProfile) -> Iterator[Finding]:
    unseen = int(sketch.counts[-1])
    if unseen:
        yield Finding(fault=Fault.UNSEEN, share=unseen / sketch.rows, breaks=False)
    held = int((sketch.counts > 0).sum())
    if held == 1 and not unseen and len(profile["categories"]) > 1:
        yield Finding(fault=Fault.CONSTANT, share=sketch.present / sketch.rows, breaks=False)
