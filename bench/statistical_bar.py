"""The statistical bar: every claim about chance, simulated with fixed seeds, as one table.

python -m bench.statistical_bar
"""

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "statistical_bar.json"
# Each has `rows()`: claim, bar, measured, holds.
PARTS = ("bench.bar_drift", "bench.bar_sequential", "bench.bar_estimate")


def rows() -> list[dict[str, Any]]:
    """The rows of all parts that are there."""
    return [row for part in PARTS if find_spec(part) for row in import_module(part).rows()]


def table(found: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"| {row['claim']} | {row['bar']} | {row['measured']} | {'yes' if row['holds'] else 'NO'} |"
        for row in found
    ]
    return "\n".join(["| claim | bar | measured | holds |", "|---|---|---|---|", *lines, ""])


def main() -> int:
    """Print the table and write the results; 1 where a claim does not hold."""
    found = rows()
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(table(found))
    return 0 if all(row["holds"] for row in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
