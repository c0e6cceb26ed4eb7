"""The year 2013 as it would have been: drift, retrainings, promotions, as one picture.

`python -m bench.replayed_year [--home FOLDER]` plays it (about an hour), writes
bench/results/replayed_year.json and draws docs/pictures/replayed_year.png; `--draw` only draws.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.closed_loop.report import quiet, say
from bench.machine import machine
from bench.replayed_year.account import account
from bench.replayed_year.timeline import timeline
from mlplat_assets.demo.workplace import fresh_settings
from resources.settings import REPOSITORY

RESULTS = REPOSITORY / "bench" / "results" / "replayed_year.json"
PICTURE = REPOSITORY / "docs" / "pictures" / "replayed_year.png"


def main() -> int:
    """Play the year and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="folder of the stores, to look at afterwards")
    parser.add_argument("--draw", action="store_true", help="draw the year played last")
    given = parser.parse_args()
    if not given.draw:
        with tempfile.TemporaryDirectory(prefix="mlplat-year-") as scratch:
            play((given.home or Path(scratch)).resolve())
    found = json.loads(RESULTS.read_text())
    PICTURE.write_bytes(timeline(found))
    say(account(found))
    say(f"{RESULTS.relative_to(REPOSITORY)}, {PICTURE.relative_to(REPOSITORY)}")
    return 0


def play(home: Path) -> None:
    """Play the year in a home; the results hold the weeks so far, should one break."""
    began = time.monotonic()
    settings = fresh_settings(home)
    os.environ.update(settings.environment(), DAGSTER_EVENT_BATCH_SIZE="1000")
    with quiet(home / "year.log"):
        from bench.replayed_year.play import Year  # reads the environment

        year = Year(settings)
        year.go_live()
        say(f"version 1 in production after {time.monotonic() - began:.0f} s")
        for lines in year.play():
            say("\n".join(lines))
            facts = {"machine": machine(), "seconds": round(time.monotonic() - began)}
            RESULTS.write_text(json.dumps(facts | year.record(), default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())
