"""The journal's segments, whole and torn."""

import json
import math
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bentos.model_server.journal.segments import (
    Journal,
    JournalCorrupted,
    JournalUnavailable,
    read_segments,
)

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)


def journal(folder: Path, segment_bytes: int = 1 << 20) -> Journal:
    return Journal(folder, lambda: NOON, segment_bytes)


def numbers(folder: Path, offsets: dict[str, int]) -> tuple[list[int], dict[str, int]]:
    records, after = read_segments(folder, offsets)
    return [record["n"] for record in records], after


def test_what_was_appended_is_read_once_and_in_order(tmp_path: Path) -> None:
    written = journal(tmp_path / "flights.arrival_delay")
    for number in range(3):
        written.append({"n": number})
    found, offsets = numbers(tmp_path, {})
    assert found == [0, 1, 2]
    written.append({"n": 3})
    found, offsets = numbers(tmp_path, offsets)
    assert found == [3]
    assert numbers(tmp_path, offsets) == ([], offsets)
    written.close()


def test_a_segment_is_named_by_start_process_and_chance(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append({"n": 1})
    written.close()
    (segment,) = tmp_path.iterdir()
    assert segment.name.startswith(f"20130105T120000000000Z-{os.getpid()}-")


def test_a_torn_tail_is_left_alone_until_it_is_whole(tmp_path: Path) -> None:
    segment = tmp_path / "a.ndjson"
    segment.write_bytes(b'{"n":0}\n{"n":')
    found, offsets = numbers(tmp_path, {})
    assert found == [0]
    assert offsets == {"a.ndjson": 8}
    with segment.open("ab") as stream:
        stream.write(b"1}\n")
    assert numbers(tmp_path, offsets)[0] == [1]


def test_every_cut_of_a_segment_gives_only_whole_records(tmp_path: Path) -> None:
    content = b"".join(b'{"n":%d}\n' % number for number in range(4))
    for cut in range(len(content) + 1):
        (tmp_path / "a.ndjson").write_bytes(content[:cut])
        assert numbers(tmp_path, {})[0] == list(range(content[:cut].count(b"\n")))


def test_an_absent_folder_holds_no_records(tmp_path: Path) -> None:
    assert read_segments(tmp_path / "absent", {}) == ([], {})


@pytest.mark.parametrize("line", [b"{]\n", b"[1]\n", b"\n"])
def test_a_whole_line_that_is_no_record_is_corrupted(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.ndjson").write_bytes(b'{"n":0}\n' + line)
    with pytest.raises(JournalCorrupted, match=r"a\.ndjson at byte 8"):
        read_segments(tmp_path, {})


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    written = journal(tmp_path, segment_bytes=20)
    for number in range(9):
        written.append({"n": number})
    written.close()
    assert len(list(tmp_path.iterdir())) == 3
    assert sorted(numbers(tmp_path, {})[0]) == list(range(9))


def test_a_number_that_json_cannot_carry_is_journalled_as_null(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append({"n": math.inf, "features": {"temp": math.nan}})
    written.close()
    assert read_segments(tmp_path, {})[0] == [{"n": None, "features": {"temp": None}}]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.append({"n": -1})

    def append(start: int) -> None:
        for number in range(start, start + 200):
            written.append({"n": number, "padding": "x" * 500})

    threads = [threading.Thread(target=append, args=(start,)) for start in (0, 200, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written.close()
    assert sorted(numbers(tmp_path, {})[0]) == list(range(-1, 600))


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(JournalUnavailable, match="taken"):
        journal(tmp_path / "taken" / "model").append({"n": 1})


def test_a_line_cut_by_a_full_disk_stays_the_last_of_its_segment(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    signal = pytest.importorskip("signal")
    written = journal(tmp_path)
    written.append({"n": 0})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
        with pytest.raises(JournalUnavailable):
            written.append({"n": 1, "padding": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    written.append({"n": 2})
    written.close()
    assert sorted(numbers(tmp_path, {})[0]) == [0, 2]
    assert json.loads(sorted(tmp_path.iterdir())[0].read_bytes().splitlines()[0])
