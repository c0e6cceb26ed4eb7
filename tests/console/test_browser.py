"""The console as a person uses it: a real browser, from the first page to an approval."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from mlplat_assets.console.desk import COOKIE
from tests.console.homes import console, furnished, tokens
from tests.services import chromium
from tests.small_home import APPROVER, MODEL, PREDICTION, open_registry, settings_at

ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
PATIENCE = 20_000  # milliseconds


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium()), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def test_an_approver_follows_the_waiting_version_and_approves_it(
    page: Page, tmp_path: Path
) -> None:
    furnished(tmp_path)
    issued = tokens(tmp_path)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with console(settings_at(tmp_path)) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("svg.split rect")).to_have_count(2)
        page.get_by_role("link", name="version 3").click()
        expect(page.get_by_text("It has 0 of 1 approval.")).to_be_visible()
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        page.get_by_role("main").get_by_role("link", name="Log in").click()
        page.get_by_label("Registry token").fill(issued[APPROVER])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text(f"{APPROVER}, approver")).to_be_visible()
        cookie = next(each for each in page.context.cookies() if each.get("name") == COOKIE)
        assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
        page.get_by_role("link", name="Approvals").click()
        page.get_by_role("link", name="3", exact=True).click()
        page.get_by_label("Reason, kept on the audit log").fill("better in every slice")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text("It has the 1 approval that it needs.")).to_be_visible()
        page.screenshot(path=str(tmp_path / "approved.png"))
        page.get_by_role("link", name="Predictions").click()
        page.get_by_label("Prediction id").fill(PREDICTION)
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("heading", name="0.2371")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_text("reading only")).to_be_visible()
    given = open_registry(tmp_path).standing_approvals(MODEL, 3)
    assert [(each.approver, each.reason) for each in given] == [(APPROVER, "better in every slice")]
    # The policy forbids inline styles and scripts; a page that has some complains.
    assert complaints == []


def test_the_heat_map_is_coloured_under_the_policy_and_narrow_screens_scroll_inside(
    page: Page, read_port: int
) -> None:
    page.goto(f"http://127.0.0.1:{read_port}/models/{MODEL}/drift?to=2013-02-20")
    hot = page.locator("td.h3").first
    expect(hot).to_have_text("X")
    calm = page.locator("td.h0").first
    colour = "element => getComputedStyle(element).backgroundColor"
    assert hot.evaluate(colour) != calm.evaluate(colour)
    page.set_viewport_size({"width": 500, "height": 900})
    for path in ("/", f"/models/{MODEL}", f"/models/{MODEL}/versions/3", f"/models/{MODEL}/drift"):
        page.goto(f"http://127.0.0.1:{read_port}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 500, path
