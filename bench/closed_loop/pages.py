"""The two interfaces of a home, the console and Dagster, and pictures of their pages."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.closed_loop.world import MODEL, Home
from mlplat_assets.demo.workplace import running
from resources.settings import REPOSITORY
from tests.bentos.servers import free_port
from tests.services import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
READY_SECONDS = 120
PATIENCE = 60_000  # milliseconds; the first page of Dagster loads the whole application


@contextmanager
def console(home: Home) -> Iterator[int]:
    """`mlplat console` of the home's catalogue; its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.closed_loop.console", str(port)]
    with (home.settings.home / "console.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/", process)
        yield port
    finally:
        process.terminate()
        process.wait()


def photographed(home: Home, folder: Path, name: str, assets: Sequence[str]) -> list[Path]:
    """Pictures of the console's pages and of Dagster's pages of assets, `STAGE` each.

    The first asset is shown with the four stages before it.
    """
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_ones:
        port = open_ones.enter_context(console(home))
        dagster = open_ones.enter_context(_webserver(home))
        browser = open_ones.enter_context(sync_playwright()).chromium.launch(
            executable_path=str(chromium()), args=ARGUMENTS
        )
        open_ones.callback(browser.close)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE)
        pages = {"model": f"/models/{MODEL}", "alerts": "/alerts", "audit": "/audit"}
        made = [_of(page, f"http://127.0.0.1:{port}{path}", folder / f"{name}-console-{what}.png")
                for what, path in pages.items()]  # fmt: skip
        where = f"{dagster}/assets/{assets[0]}/{MODEL.replace('.', '/')}"
        lineage = f"{where}?view=lineage&lineageScope=upstream&lineageDepth=4"
        made.append(_of_dagster(page, lineage, folder / f"{name}-lineage.png", drawn=True))
        for stage in assets:
            where = f"{dagster}/assets/{stage}/{MODEL.replace('.', '/')}?view=overview"
            made.append(_of_dagster(page, where, folder / f"{name}-{stage}.png"))
    return made


def _of(page: "Page", address: str, picture: Path) -> Path:
    page.goto(address)
    page.screenshot(path=picture, full_page=True)
    return picture


def _of_dagster(page: "Page", address: str, picture: Path, *, drawn: bool = False) -> Path:
    page.goto(address)
    if drawn:
        page.locator("foreignObject").first.wait_for()
    page.get_by_text("arrival_delay").first.wait_for()
    page.wait_for_timeout(4000)  # panels fade in after the last answer; it never stops asking
    page.screenshot(path=picture)
    return picture


@contextmanager
def _webserver(home: Home) -> Iterator[str]:
    port = free_port()
    command = [str(Path(sys.executable).parent / "dagster-webserver"), "-h", "127.0.0.1"]
    command += ["-p", str(port), "-w", str(home.settings.home / "workspace.yaml")]
    with running("webserver", command, home.settings) as process:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/server_info", process)
        yield address


def _wait(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise TimeoutError(f"{address} does not answer within {READY_SECONDS} s")
