"""What is broken on purpose is called what the documentation says, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.broken_cases import CASES
from bench.broken_on_purpose import rows, tell

PAGE = Path(__file__).resolve().parents[3] / "docs" / "monitoring.md"
BY_NAME = {case.name: case for case in CASES}


def test_every_verdict_is_as_specified_and_as_documented(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tell(rows()) == 0
    printed = capsys.readouterr().out
    assert printed.count("| yes |") == len(CASES) >= 8
    assert printed in PAGE.read_text()


def test_another_verdict_than_specified_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    spoilt = replace(BY_NAME["a column missing"], broken=lambda week: week)
    found = rows([spoilt])
    assert [row["found"] for row in found] == ["OK; x0 OK (out_of_range); others OK"]
    assert tell(found) == 1
    assert "| NO |" in capsys.readouterr().out


def test_a_second_broken_column_is_named() -> None:
    both = replace(
        BY_NAME["a column missing"], broken=lambda week: week.drop("x0", "x1", "carrier")
    )
    (row,) = rows([both])
    assert not row["holds"]
    assert row["found"] == (
        "WARNING; x0 broken (missing); x1, carrier broken; x2, x3, x4, prediction OK"
    )
