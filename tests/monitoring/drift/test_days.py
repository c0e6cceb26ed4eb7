"""Served days in a real lake, counted from the journal's JSON, and what the asset says of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.drift.asset import drift
from mlplat_assets.monitoring.drift.days import daily_reports, daily_segments, served_cards
from mlplat_assets.monitoring.drift.verdict import DriftReport
from mlplat_assets.monitoring_spec import DriftPolicy
from resources.artifacts import ArtifactStore, artifact_store
from resources.lake import Lake, lake_from
from resources.settings import Settings
from tests.monitoring.drift.served_days import FIRST, SERVED, artefact, inputs, serve
from tests.small_home import settings_at

DAY = FIRST + timedelta(days=40)
MODEL = Declared(
    team="flights", name="arrival_delay", file=Path("arrival_delay.py"),
    spec=ModelSpec(task="binary", label="flights.arrivals:is_late", features=(), gates=(),
                   approvers=(), drift=DriftPolicy(segments=("carrier",))),
)  # fmt: skip
TEAM = Team(name="flights", owner="ana@flights.example.com", first_day=FIRST)
CATALOGUE = Catalogue(teams={"flights": TEAM}, models={MODEL.full_name: MODEL})


@dataclass(frozen=True, kw_only=True)
class Served:
    """A lake, an artifact store, and the digest of a profiled version."""

    settings: Settings
    lake: Lake
    artifacts: ArtifactStore
    digest: str

    def day(self, day: date, rows: int = 300, shift: float = 0.0, **changed: Any) -> None:
        """Serve a day."""
        serve(self.lake, day, self.digest, inputs(rows, day.toordinal(), shift), **changed)

    def report(self, day: date) -> DriftReport:
        """The report on a day."""
        cards = served_cards(self.lake, self.artifacts, SERVED, (day, day))
        return daily_reports(self.lake, SERVED, cards, (day, day))[day, 1]

    def drift(self, **config: bool) -> dg.ExecuteInProcessResult:
        """Run the asset over the day and the next."""
        result = dg.materialize(
            [drift(MODEL, CATALOGUE)],
            selection=[drift(MODEL, CATALOGUE).key],
            resources={
                "lake": self.lake, "artifacts": self.artifacts, "settings": self.settings,
            },
            run_config={"ops": {"drift__flights__arrival_delay": {"config": config}}},
            tags={
                "dagster/asset_partition_range_start": DAY.isoformat(),
                "dagster/asset_partition_range_end": (DAY + timedelta(days=1)).isoformat(),
            },
        )  # fmt: skip
        assert result.success
        return result


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    settings = settings_at(tmp_path / "home")
    artifacts = artifact_store(settings.artifacts_url)
    digest = artefact(artifacts, tmp_path / "artefact", segments=("carrier",))
    lake = lake_from(settings)
    yield Served(settings=settings, lake=lake, artifacts=artifacts, digest=digest)
    lake.close()


def test_a_day_like_training_is_ok_and_a_shifted_one_drifts(served: Served) -> None:
    served.day(DAY)
    served.day(DAY + timedelta(days=1), shift=1.0)
    usual, shifted = (served.report(DAY + timedelta(days=n)) for n in (0, 1))
    assert (usual.verdict, usual.rows, usual.broken) == ("OK", 300, ())
    assert [column.name for column in usual.columns][-1] == "prediction"
    assert (shifted.verdict, shifted.drifted) == ("DRIFT", ("weather__wind", "prediction"))


@pytest.mark.parametrize(
    ("changed", "broken", "fault"),
    [
        ({"weather__wind": "strong"}, "weather__wind", "retyped"),
        ({"weather__wind": "1.5"}, "weather__wind", "retyped"),
        ({"weather__wind": True}, "weather__wind", "retyped"),
        ({"weather__wind": None}, "weather__wind", "all_null"),
        ({"weather__wind": ...}, "weather__wind", "missing"),
        ({"weather__wind": 9999.0}, "weather__wind", "far_out_of_range"),
        ({"carrier": 7}, "carrier", "retyped"),
        ({"distance": None}, "distance", "all_null"),
    ],
    ids=str,
)
def test_a_broken_column_of_the_journal_is_named_and_is_no_drift(
    served: Served, changed: dict[str, Any], broken: str, fault: str
) -> None:
    served.day(DAY, **changed)
    report = served.report(DAY)
    assert (report.verdict, report.drifted, report.broken) == ("WARNING", (), (broken,))
    (column,) = (one for one in report.columns if one.broken)
    assert next(one.fault for one in column.findings if one.breaks) == fault


def test_segments_say_which_part_of_the_traffic_moved(served: Served) -> None:
    calm, windy = inputs(900, 1), inputs(900, 2, shift=2.0)
    moved = pl.concat(
        [calm.filter(carrier="AA"), windy.filter(carrier="UA"), calm.filter(carrier="B6")]
    )
    serve(served.lake, DAY, served.digest, moved)
    cards = served_cards(served.lake, served.artifacts, SERVED, (DAY, DAY))
    found = daily_segments(served.lake, SERVED, cards, (DAY, DAY))[DAY, 1]
    assert {(one.value, one.column) for one in found if one.drifted} == {
        ("UA", "weather__wind"), ("UA", "prediction"),
    }  # fmt: skip
    assert {one.value for one in found} == {"AA", "B6", "UA"}


def test_the_asset_records_days_and_looks_closer_at_a_drifted_one(served: Served) -> None:
    served.day(DAY, weather__wind=None)
    served.day(DAY + timedelta(days=1), rows=1_000, shift=1.0)
    result = served.drift()
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    tolerance, sound = checks["within_tolerance"], checks["data_is_sound"]
    assert not tolerance.passed and "2013-02-11" in str(tolerance.description)
    assert tolerance.metadata["drifted"].value == {
        "version": 1, "columns": ["prediction", "weather__wind"],
    }  # fmt: skip
    assert not sound.passed and "2013-02-10: weather__wind (all_null)" in str(sound.description)
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert Path(str(metadata["evidently_page"].value)).read_text().count("weather__wind")
    assert str(metadata["separation"].value).startswith("AUC 0.7")
    rows = served.lake.read(
        """select partition_day, verdict, "column", kind, findings, wasserstein
           from drift.flights__arrival_delay where drifted or broken order by 1, 3"""
    ).to_pylist()
    assert [(row["verdict"], row["column"], row["kind"], row["findings"]) for row in rows] == [
        ("WARNING", "weather__wind", "quality", "all_null 100%"),
        ("DRIFT", "prediction", "distribution", rows[1]["findings"]),
        ("DRIFT", "weather__wind", "distribution", rows[2]["findings"]),
    ]
    assert rows[2]["wasserstein"] == pytest.approx(1.0, abs=0.15)
    assert served.lake.read("select * from drift.flights__arrival_delay__segments").num_rows


def test_a_table_of_an_earlier_release_gets_the_new_columns(served: Served) -> None:
    served.day(DAY)
    with served.lake.write() as connection:
        connection.execute("create schema drift")
        connection.execute(
            """create table drift.flights__arrival_delay as
               select date '2013-01-30' as partition_day, 1::bigint as version, 'OK' as verdict,
                      9::bigint as "rows", 'distance' as "column", 0.1 as psi, 0.2 as threshold,
                      false as drifted, 0.0 as null_share"""
        )
    served.drift()
    rows = served.lake.read("select kind from drift.flights__arrival_delay order by partition_day")
    assert rows["kind"].to_pylist() == [None, *["none"] * 4]


def test_days_without_predictions_say_so(served: Served) -> None:
    served.day(DAY - timedelta(days=3))
    checks = served.drift().get_asset_check_evaluations()
    assert all(one.passed for one in checks)
    told = {one.check_name: one.description for one in checks}
    assert (
        told["within_tolerance"] == "no day drifted; 0 days compared, 0 of them too small to tell"
    )
