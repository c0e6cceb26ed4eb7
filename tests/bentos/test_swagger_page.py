"""The page that people open: Swagger in a real browser, over the document of the running model."""

from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.bentos.artefacts import MODEL
from tests.bentos.servers import serving
from tests.bentos.versions import promote
from tests.services import chromium

ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
PATIENCE = 30_000  # milliseconds; the page loads a megabyte of scripts


def test_swagger_lists_our_routes_and_the_fields_of_the_model(tmp_path: Path) -> None:
    browser_program = chromium()
    promote(tmp_path, -1.0)
    target = "bentos.model_server.service:ModelServer"
    with serving(target, tmp_path, MLPLAT_MODEL=MODEL) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(browser_program), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        expect.set_options(timeout=PATIENCE)
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.port}/")
        for path in ("/v1/predict", "/v1/predict/batch", "/v1/model", "/predict"):
            expect(page.locator(f'[data-path="{path}"]').first).to_be_visible()
        page.locator('[data-path="/v1/predict"]').first.click()
        expect(page.get_by_text("is_holiday").first).to_be_visible()
        page.screenshot(path=str(tmp_path / "swagger.png"))
        browser.close()
    assert not failures
    assert (tmp_path / "swagger.png").stat().st_size > 20_000
