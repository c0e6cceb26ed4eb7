"""The oracle finds each rule of the point-in-time contract when it is broken on purpose.

Each break is one edit of the source text. The edited modules are loaded apart from the real ones,
and joins of generated cases must then differ from what the oracle finds.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType

import polars as pl
import pyarrow as pa
import pytest

import mlplat_assets.features.point_in_time as real
from tests.features.small_frames import MICROSECOND
from tests.features.test_point_in_time_oracle import Row, oracle, table

PACKAGE = "mlplat_assets.features"
FOLDER = Path(real.__file__).parent
ENGINE = ("key_codes", "timeline", "as_of", "point_in_time")

# What is broken, where, which text is replaced, and by what.
MUTANTS = [
    ("inclusive bound", "timeline", 'bucket[ascending], side="right"', "bucket[ascending]"),
    (
        "inclusive bound in a bucket",
        "timeline",
        "_time[self.order[found]] > time",
        "_time[self.order[found]] >= time",
    ),
    ("ttl bound", "as_of", "event[row] <= age_limit", "event[row] < age_limit"),
    (
        "ttl at all",
        "as_of",
        "in_microseconds(ttl or timedelta.max)",
        "in_microseconds(timedelta.max)",
    ),
    ("tie order", "timeline", "(rank[rows], self._time", "(-rank[rows], self._time"),
    ("tie order, null created lowest", "as_of", "_UNKNOWN = -(2**62)", "_UNKNOWN = 2**62"),
    (
        "tie order, last written",
        "timeline",
        "(rank[rows], self._time",
        "(-rows, rank[rows], self._time",
    ),
    (
        "duplicate rows",
        "point_in_time",
        "t, *left_keys).collect()",
        "t, *left_keys).unique().collect()",
    ),
    (
        "row order",
        "point_in_time",
        "t, *left_keys).collect()",
        "t, *left_keys).sort('t').collect()",
    ),
    ("null keys", "key_codes", "otherwise(-1)", "otherwise(0)"),
    ("null keys of several columns", "key_codes", ".fill_null(-1)", ".fill_null(0)"),
    ("landing delay", "as_of", "by_event.last(key, t - delay)", "by_event.last(key, t)"),
    (
        "landing delay when known",
        "as_of",
        "np.maximum(event + delay, created)",
        "np.maximum(event, created)",
    ),
    ("known-at", "as_of", "np.maximum(event + delay, created)", "event + delay"),
    ("known-at, null created", "as_of", "t.max(initial=0) + 1", "0"),
    (
        "known-at, a late correction",
        "as_of",
        "np.maximum.accumulate(rank[by_known.order])",
        "rank[by_known.order]",
    ),
]


@pytest.mark.parametrize(
    ("name", "module", "text", "replacement"), MUTANTS, ids=[m[0] for m in MUTANTS]
)
def test_the_oracle_finds_a_broken_rule(
    name: str, module: str, text: str, replacement: str
) -> None:
    source = (FOLDER / f"{module}.py").read_text()
    assert text in source, f"{module}.py no longer has {text!r}: edit the mutant {name!r} to match"
    with loaded({module: source.replace(text, replacement)}) as engine:
        assert not agrees_with_the_oracle(engine), f"no case tells {name!r} from the real engine"


def test_the_oracle_agrees_with_the_engine_as_it_is() -> None:
    with loaded({}) as engine:
        assert agrees_with_the_oracle(engine)


@contextmanager
def loaded(edited: dict[str, str]) -> Iterator[ModuleType]:
    """The engine with some sources edited; the real modules are back afterwards."""
    names = [f"{PACKAGE}.{module}" for module in ENGINE]
    kept = {name: sys.modules.pop(name, None) for name in names}
    package = import_module(PACKAGE)
    try:
        for module, name in zip(ENGINE, names, strict=True):
            path = FOLDER / f"{module}.py"
            sys.modules[name] = made = ModuleType(name)
            exec(compile(edited.get(module, path.read_text()), str(path), "exec"), made.__dict__)
        yield sys.modules[names[-1]]
    finally:
        for name, module in kept.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
                setattr(package, name.rpartition(".")[2], module)


def agrees_with_the_oracle(engine: ModuleType) -> bool:
    """Whether 60 joins of few keys and few moments give what the oracle finds."""
    return all(case_agrees(engine, Random(seed)) for seed in range(60))


def case_agrees(engine: ModuleType, random: Random) -> bool:
    keys = random.choice([("number",), ("text", "number")])
    # Far moments among near ones make several near ones share a bucket of the timeline.
    moments = [None, *range(10), *random.choice([[], [-(2**55), 2**56]])]

    def row() -> Row:
        values = {"text": random.choice([None, "a", "b"]), "number": random.choice([None, 1, 2])}
        return random.choice(moments), random.choice(moments), tuple(values[key] for key in keys)

    asked, rows = ([row() for _ in range(random.randint(1, 40))] for _ in range(2))
    ttl, delay = random.choice([None, 2, 5]), random.choice([0, 2])
    known_at = random.random() < 0.5
    view = engine.ViewFrame(
        "team.view", table(rows, keys, None), keys, ("value",), "event_timestamp", "created",
        ttl=ttl and ttl * MICROSECOND, landing_delay=delay * MICROSECOND,
    )  # fmt: skip
    entities = table(asked, keys, None).drop_columns(["created", "value"])
    try:
        joined = engine.point_in_time_join(entities, [view], known_at=known_at, provenance=True)
    except (ValueError, TypeError, IndexError, pa.ArrowException, pl.exceptions.PolarsError):
        return False
    values, expected = table(rows, keys, None), list(oracle(asked, rows, ttl, delay, known_at))
    return all(
        joined[ours].cast(pa.int64()).to_pylist()
        == [None if i is None else values[theirs].cast(pa.int64())[i].as_py() for i in expected]
        for ours, theirs in (("value", "value"), ("view__event_timestamp", "event_timestamp"))
    )
