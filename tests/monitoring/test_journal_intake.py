"""The journal's way into the lake: chunk by chunk, each line once."""

import json
import re
import tempfile
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bentos.model_server.journal.segments import Journal, JournalCorrupted
from mlplat_assets.commands.explain import print_explanation
from mlplat_assets.monitoring.explanation import explain
from mlplat_assets.monitoring.journal_chunks import lengths, next_chunk
from mlplat_assets.monitoring.journal_intake import Intake
from mlplat_assets.monitoring.journal_leftovers import taken_in
from mlplat_assets.monitoring.journal_records import SHADOWS, Predicted, Shadowed
from tests.small_home import (
    DAY,
    MODEL,
    PREDICTION,
    crown,
    open_lake,
    open_registry,
    settings_at,
    write_prediction,
)

TABLE = "predictions.flights__arrival_delay"


class Numbered(msgspec.Struct):
    """A record of nothing but its number."""

    n: int


def test_a_segment_that_grows_meanwhile_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    segment = tmp_path / "0.ndjson"
    segment.write_text('{"n":1}\n{"n":2}\n')
    ends, decoder = lengths(tmp_path), msgspec.json.Decoder(Numbered)
    offsets: dict[str, int] = {}
    found: list[int] = []
    while (chunk := next_chunk(tmp_path, offsets, ends, decoder, 8)).records:
        found += [record.n for record in chunk.records]
        offsets |= chunk.offsets
        with segment.open("a") as stream:
            stream.write('{"n":3}\n' * len(chunk.records))
    assert found == [1, 2]


@settings(deadline=None)
@given(
    lines=st.lists(st.lists(st.integers(0, 10**9), max_size=9), max_size=4),
    torn=st.booleans(),
    size=st.integers(1, 60),
)
def test_chunks_of_any_size_hold_every_whole_line_once_and_in_order(
    lines: list[list[int]], torn: bool, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for place, numbers in enumerate(lines):
            text = "".join(f'{{"n":{n}}}\n' for n in numbers) + ('{"n":1' if torn else "")
            (Path(folder) / f"{place}.ndjson").write_text(text)
        decoder, offsets, found = msgspec.json.Decoder(Numbered), {}, []
        ends = lengths(Path(folder))
        (Path(folder) / "later.ndjson").write_text('{"n":2}\n')
        while (chunk := next_chunk(Path(folder), offsets, ends, decoder, size)).records:
            found += [record.n for record in chunk.records]
            offsets |= chunk.offsets
    assert found == [n for numbers in lines for n in numbers]


def test_a_line_that_is_no_record_names_its_segment_and_byte(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"n":1}\n{"n":"two"}\n')
    with pytest.raises(JournalCorrupted, match=r"a\.ndjson at byte 8: .*int"):
        next_chunk(tmp_path, {}, lengths(tmp_path), msgspec.json.Decoder(Numbered), 1000)


def intake(home: Path, chunk_bytes: int = 1) -> Intake:
    """By default a transaction for each line."""
    folder = settings_at(home).journal / MODEL
    return Intake(folder=folder, record=Predicted, table=TABLE, chunk_bytes=chunk_bytes)


def row_of(home: Path, prediction_id: str) -> dict[str, Any]:
    found = open_lake(home).read(f"select * from {TABLE} where prediction_id = ?", [prediction_id])
    (row,) = found.to_pylist()
    return row


def test_what_chose_a_version_and_who_asked_are_in_the_lake(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    told = {"bucket": 17, "revision": 3, "client": "check-in", "trace_id": "0af7"}
    write_prediction(tmp_path, version, prediction_id="a", flags={"distance": "clipped"}, **told)
    write_prediction(tmp_path, version, prediction_id="b")
    assert intake(tmp_path).run(open_lake(tmp_path)) == 2
    row = row_of(tmp_path, "a")
    assert {name: row[name] for name in told} == told
    assert json.loads(row["flags"]) == {"distance": "clipped"}
    plain = row_of(tmp_path, "b")
    assert {plain[name] for name in (*told, "flags", "stream", "probabilities")} == {None}
    assert (plain["partition_day"], plain["latency_ms"]) == (DAY, 0.612)
    assert json.loads(plain["context"]) == {"distance": 1400, "is_holiday": False}


def test_a_table_of_an_earlier_release_gets_the_new_columns(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    write_prediction(tmp_path, version, prediction_id="before")
    lake, new = open_lake(tmp_path), ("bucket", "revision", "flags", "client", "trace_id", "stream")
    intake(tmp_path).run(lake)
    with lake.write() as connection:
        for name in new:
            connection.execute(f"alter table {TABLE} drop column {name}")
    write_prediction(tmp_path, version, prediction_id="after", bucket=5)
    assert intake(tmp_path).run(lake) == 1
    assert [row_of(tmp_path, name)["bucket"] for name in ("before", "after")] == [None, 5]


def test_an_event_that_a_stream_delivered_again_is_in_the_lake_once(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    lake = open_lake(tmp_path)

    def written(prediction: float, served_at: str) -> None:
        again = {"prediction_id": "e", "variant": "stream", "stream": "flights.departures"}
        write_prediction(tmp_path, version, prediction=prediction, served_at=served_at, **again)

    written(0.1, "2013-01-05T12:00:00+00:00")
    written(0.2, "2013-01-05T12:00:01+00:00")
    assert intake(tmp_path, chunk_bytes=10**6).run(lake) == 1
    written(0.3, "2013-01-05T12:00:02+00:00")
    assert intake(tmp_path).run(lake) == 0
    assert row_of(tmp_path, "e")["prediction"] == 0.1, "the first one counts"


def test_a_segment_goes_when_the_lake_has_it_and_nobody_writes_to_it(tmp_path: Path) -> None:
    version, lake = crown(tmp_path, "first"), open_lake(tmp_path)
    journal = settings_at(tmp_path).journal
    later = datetime.now(UTC) + timedelta(days=2)
    record = write_prediction(tmp_path, version)
    (segment,) = (journal / MODEL).iterdir()
    assert list(taken_in(lake, journal, later)) == [], "nothing was taken in yet"
    intake(tmp_path).run(lake)
    with segment.open("a") as torn:
        torn.write('{"prediction_id":')
    assert list(taken_in(lake, journal, later)) == [segment]
    assert list(taken_in(lake, journal, later - timedelta(days=3))) == [], "it is too young"
    written = Journal(journal / MODEL, lambda: datetime.now(UTC))
    written.append(record | {"prediction_id": "another"})
    intake(tmp_path).run(lake)
    assert list(taken_in(lake, journal, later)) == [segment], "the other is written to"
    written.append(record | {"prediction_id": "a third"})
    written.close()
    assert list(taken_in(lake, journal, later)) == [segment], "the other has a line more"
    intake(tmp_path).run(lake)
    assert len(list(taken_in(lake, journal, later))) == 2


def test_the_line_of_a_shadow_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    write_prediction(tmp_path, version)
    shadow = {"prediction_id": PREDICTION, "model": MODEL, "version": 77, "served_at": "later"}
    folder = settings_at(tmp_path).journal / f"{MODEL}{SHADOWS}"
    folder.mkdir()
    (folder / "20990105T000000000000Z-1-a.ndjson").write_text(json.dumps(shadow) + "\n")
    lake, versions = open_lake(tmp_path), open_registry(tmp_path)
    with pytest.raises(LookupError, match=r"arrival_delay version 1, .* not in the lake yet"):
        explain(PREDICTION, lake, versions, settings_at(tmp_path).journal)


def test_what_a_caller_brought_along_is_told_from_what_was_read(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    brought = {
        "features": {"weather__temp": 3.5, "weather__wind_gust": None},
        "feature_status": {"weather__temp": "GIVEN", "weather__wind_gust": "NULL"},
        "feature_times": {},
        "feature_partitions": {},
    }
    flags = {"distance": "clipped"}
    write_prediction(tmp_path, version, bucket=17, revision=3, flags=flags, **brought)
    lake = open_lake(tmp_path)
    intake(tmp_path).run(lake)
    found = explain(PREDICTION, lake, open_registry(tmp_path))
    assert (found.given, found.views) == (brought["features"], ())
    assert (found.bucket, found.revision, found.flags) == (17, 3, flags)
    shown = Console(width=160, record=True, file=StringIO())
    print_explanation(shown, found)
    text = shown.export_text()
    assert "bucket 17 by revision 3 of the traffic table" in text
    assert re.search(r"distance +1400 +request +clipped", text)
    assert re.search(r"weather__temp +3\.5 +request, as a feature", text)


def test_shadows_are_taken_in_once_with_their_errors(tmp_path: Path) -> None:
    line = {
        "prediction_id": "a", "model": MODEL, "version": 2, "artifact_digest": "sha256:0",
        "prediction": None, "error": "OnDemandFailed: no", "unit_id": "u", "latency_ms": 0.4,
        "served_at": "2013-01-05T12:00:00.000001+00:00",
        "event_timestamp": "2013-01-05T13:00:00+01:00",
    }  # fmt: skip
    (tmp_path / "a.ndjson").write_text(json.dumps(line) + "\n")
    shadows = Intake(folder=tmp_path, record=Shadowed, table="shadow_predictions.flights__x")
    lake = open_lake(tmp_path / "home")
    assert (shadows.run(lake), shadows.run(lake)) == (1, 0)
    (row,) = lake.read("select * from shadow_predictions.flights__x").to_pylist()
    assert (row["prediction"], row["error"]) == (None, "OnDemandFailed: no")
    assert (row["event_timestamp"].hour, row["partition_day"]) == (12, DAY)
