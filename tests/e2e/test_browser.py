"""The asset graph as a person sees it: a real browser on the real webserver."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.bentos.servers import ROOT, free_port
from tests.services import chromium
from tests.small_world import World, in_environment

pytestmark = pytest.mark.xdist_group("world")
READY_SECONDS = 60
PATIENCE = 30_000  # milliseconds; the first page loads the whole application
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# From a source table to the running service and on to drift, one click each.
WALK = [
    "features/flights/carrier_recent",
    "training_sets/flights/arrival_delay",
    "candidates/flights/arrival_delay",
    "evaluations/flights/arrival_delay",
    "versions/flights/arrival_delay",
    "champions/flights/arrival_delay",
    "bentos/flights/arrival_delay",
    "endpoints/flights/arrival_delay",
    "predictions/flights/arrival_delay",
    "drift/flights/arrival_delay",
]


@pytest.fixture(scope="module")
def webserver(world: World) -> Iterator[str]:
    """The address of a real dagster-webserver on the world's instance."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "dagster-webserver"), "-h", "127.0.0.1"]
    command += ["-p", str(port), "-w", str(ROOT / "workspace.yaml")]
    log = world.home / "webserver.log"
    with in_environment(world.settings), log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    ticking = Event()
    try:
        for _ in range(READY_SECONDS * 10):
            assert process.poll() is None, log.read_text()
            if answers(address):
                break
            ticking.wait(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def page(webserver: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium()), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.goto(f"{webserver}/asset-groups")
        # Dagster greets a new user once, at any moment of the first seconds.
        page.add_locator_handler(
            page.get_by_role("button", name="Skip"), lambda greeting: greeting.click()
        )
        yield page
        browser.close()


def test_the_lineage_of_drift_goes_back_through_the_whole_flow(
    page: Page, webserver: str, world: World
) -> None:
    drift = f"{webserver}/assets/drift/flights/arrival_delay"
    page.goto(f"{drift}?view=lineage&lineageScope=upstream&lineageDepth=20")
    stages = {step.partition("/")[0] for step in WALK} | {"raw", "staging", "labels"}
    for stage in sorted(stages):
        expect(page.locator("foreignObject").filter(has_text=stage).first).to_be_visible()
    page.screenshot(path=world.home / "lineage.png")


def test_clicks_lead_from_a_source_table_to_the_endpoint_and_to_drift(
    page: Page, webserver: str, world: World
) -> None:
    here = "raw/flights/arrivals"
    for step in WALK:
        page.goto(f"{webserver}/assets/{here}?view=lineage&lineageScope=downstream&lineageDepth=1")
        node(page, step).click()
        page.wait_for_url(f"**/assets/{step}?**")
        here = step
        if step.startswith(("features", "endpoints", "drift")):
            name = page.get_by_text(step.rpartition("/")[2], exact=True).first
            expect(name).to_be_visible()
            page.screenshot(path=world.home / f"{step.partition('/')[0]}.png")
    expect(page.get_by_role("button", name="Upstream")).to_be_visible()


def test_the_evaluation_shows_its_metrics_and_their_plot(
    page: Page, webserver: str, world: World
) -> None:
    page.goto(f"{webserver}/assets/evaluations/flights/arrival_delay")
    expect(page.get_by_text("holdout_rows", exact=True)).to_be_visible()
    page.get_by_text("[Show Markdown]").first.click()
    plot = page.locator("img[src^='data:image/png;base64,']")
    expect(plot).to_be_visible()
    page.wait_for_function(
        "() => document.querySelector('img[src^=\"data:\"]')?.naturalWidth > 400"
    )
    page.screenshot(path=world.home / "evaluation.png")
    page.keyboard.press("Escape")
    # The card comes after the plots.
    page.get_by_text("[Show Markdown]").last.click()
    expect(page.get_by_text("average_precision").first).to_be_visible()
    page.screenshot(path=world.home / "card.png")


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def node(page: Page, asset: str) -> Locator:
    """The node of an asset: the one of its name inside the box of its group."""
    stage, _, name = asset.split("/")
    group = page.locator("foreignObject").filter(has_text=stage).first
    group.wait_for()
    area = group.bounding_box()
    assert area is not None
    for found in page.locator("foreignObject").filter(has_text=name).all():
        box = found.bounding_box()
        if box is None or box == area:
            continue
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if area["x"] < middle[0] < area["x"] + area["width"] and (
            area["y"] < middle[1] < area["y"] + area["height"]
        ):
            return found
    raise AssertionError(f"{asset} is not on the page")
