"""The closed loop under the real daemon and the real service, with faults from outside.

`python -m bench.closed_loop [--only d] [--pictures FOLDER] [--home FOLDER]` tells what happened
when, what decided, and the audit trail of each scenario; status 1 if one did not end as it should.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.closed_loop.live import Live, at_work
from bench.closed_loop.pages import photographed
from bench.closed_loop.report import quiet, say, tell
from bench.closed_loop.scenarios import SCENARIOS, Unexpected
from bench.closed_loop.world import build, copied
from tests.bentos.servers import free_port


def main() -> int:
    """Play the scenarios; how many ended otherwise than they should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="".join(SCENARIOS), help="letters of scenarios")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of both interfaces")
    parser.add_argument("--home", type=Path, help="folder to keep; a base in it is used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlplat-loop-") as scratch:
        folder = (given.home or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with quiet(folder / "loop.log"):
            if not (folder / "base" / "built").exists():
                began = time.monotonic()
                build(folder / "base")
                (folder / "base" / "built").touch()
                say(f"the base was built in {time.monotonic() - began:.0f} s")
            wrong = [one for one in given.only if not play(one, folder, given.pictures)]
    say(f"ended otherwise than they should: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


def play(letter: str, folder: Path, pictures: Path | None) -> bool:
    """Play one scenario in a fresh copy of the base; whether it ended as it should."""
    scenario = SCENARIOS[letter]
    say(f"\n({letter}) {scenario.title}")
    home = folder / f"{letter}-{time.strftime('%H%M%S')}"
    url = f"http://127.0.0.1:{free_port()}"
    with copied(folder / "base", home, scenario.wrong, url) as at:
        with at_work(at) as live:
            held = _played(letter, live)
        if pictures is not None:
            for picture in photographed(at, pictures, letter, scenario.stages):
                say(f"        {picture}")
        at.world.lake.close()
    return held


def _played(letter: str, live: Live) -> bool:
    try:
        SCENARIOS[letter].play(live)
    except (Unexpected, TimeoutError) as error:
        live.say(f"NOT AS IT SHOULD: {type(error).__name__}: {error}")
        held = False
    else:
        held = True
    live.count_answers()
    live.registry.verify_audit()
    tell(live.audit())
    return held


if __name__ == "__main__":
    sys.exit(main())
