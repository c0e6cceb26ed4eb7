"""What a model's page tells of performance and experiments, as the assets have written them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.console.clients import Answer, Client
from tests.console.homes import PERFORMANCE_TABLE, console
from tests.console.measured import DAYS, EVIL, LABELLED, experimented, measured
from tests.console.watched import write_experiment
from tests.services import chromium
from tests.small_home import MODEL, crown, open_lake, settings_at

DAGSTER = "http://127.0.0.1:3001/assets"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("measured")
    measured(home)
    write_experiment(home, verdict="SHIP")
    return home


@pytest.fixture(scope="module")
def page(home: Path) -> Iterator[Answer]:
    with console(settings_at(home), declared=experimented()) as port:
        yield Client(port=port).get(f"/models/{MODEL}")


def section(page: Answer, title: str) -> str:
    """The HTML below one of the page's headings."""
    return page.text.partition(f"<h2>{title}</h2>")[2].partition("<h2>")[0]


def test_the_primary_metric_is_drawn_by_day_realised_and_before_labels_estimated(
    page: Answer,
) -> None:
    drawn = section(page, "Performance").partition("<svg")[2].partition("</svg>")[0]
    titles = [part.partition("</title>")[0] for part in drawn.split("<title>")[1:]]
    assert len(titles) == DAYS
    assert titles[0].startswith("2013-01-05, version 1; realised 0.7")
    assert "on 400 labelled rows; estimated 0.7" in titles[0]
    for place, title in enumerate(titles):
        assert ("realised" in title) == (place < LABELLED)
        assert title.endswith("of 400 served, assumes no concept drift")
    assert drawn.count('<circle class="realised"') == LABELLED
    assert drawn.count('<rect class="estimated"') == DAYS
    assert "auc of the champion by day" in page.words
    assert "estimated, assumes no concept drift both with their 95% interval" in page.words


def test_the_newest_finding_of_each_claim_on_the_champion_is_told(page: Answer) -> None:
    told = section(page, "Performance")
    # The canary, who had fewer answers, is not the champion.
    assert told.count("performs as promised") == told.count("no concept drift</td>") == 1
    assert "2013-01-12 1 no concept drift auc INCONCLUSIVE auc of 2,000 labelled" in page.words
    assert "2013-01-12 1 performs as promised auc" in page.words
    assert "promised 0.7312" in page.words
    assert "p99 ms" not in told and "p99_ms" in told


def test_what_was_measured_is_told_until_something_newer_was(tmp_path: Path) -> None:
    crown(tmp_path, "first")
    days = [date(2013, 1, 12), date(2013, 1, 13)]
    rows = pl.DataFrame(
        {
            "partition_day": days,
            "version": [1, 2],
            "variant": ["champion"] * 2,
            "claim": ["no_concept_drift"] * 2,
            "subject": ["auc"] * 2,
            "verdict": ["CONCEPT_DRIFT", "INCONCLUSIVE"],
            "value": [-0.1, None],
            "reason": ["auc is 0.1 beside its estimate", f"0 labelled rows {EVIL}"],
        }
    )

    def told() -> Answer:
        open_lake(tmp_path).replace_days(
            f"{PERFORMANCE_TABLE}__findings", rows.to_arrow(), days[0], days[1]
        )
        with console(settings_at(tmp_path)) as port:
            return Client(port=port).get(f"/models/{MODEL}")

    page = told()
    assert "2013-01-12 1 no concept drift auc CONCEPT DRIFT auc is 0.1 beside" in page.words
    assert '<span class="badge bad">CONCEPT DRIFT' in page.text
    assert "2013-01-13" not in page.text
    rows = rows.with_columns(value=pl.lit(None, pl.Float64))
    page = told()
    assert "2013-01-13 2 no concept drift auc INCONCLUSIVE 0 labelled rows <script" in page.words
    assert "<script" not in page.text


def test_a_model_that_was_not_measured_says_so_and_what_measures_it(reader: Client) -> None:
    page = reader.get("/models/flights.departure_delay")
    assert "Nothing was measured of what was served yet." in page.words
    assert "by the asset performance/flights/departure_delay" in page.words
    assert "No experiment is declared on this model." in page.words
    told = section(page, "Performance")
    assert f'href="{DAGSTER}/performance/flights/departure_delay"' in told
    assert "<svg" not in told


def test_the_experiments_on_the_model_are_told_with_their_verdicts(page: Answer) -> None:
    told = section(page, "Experiments")
    assert '<a href="/experiments#flights.morning">flights.morning</a>' in told
    assert "flights.elsewhere" not in told
    days = f"Mornings are told better {EVIL} 2013-03-01 2013-03-30"
    assert f"flights.evening {days} no result yet" in page.words
    why = "SHIP: candidate the effect is surely below 0 2013-03-02"
    assert f"flights.morning {days} {why}" in page.words
    assert "<script" not in page.text and "&lt;script&gt;" in told


def test_the_assets_of_both_are_linked(page: Answer) -> None:
    assert f'href="{DAGSTER}/performance/flights/arrival_delay"' in section(page, "Performance")
    told = section(page, "Experiments")
    for name in ("morning", "evening"):
        assert f'href="{DAGSTER}/experiments/flights/{name}"' in told


def test_a_link_to_an_experiment_meets_it_whether_it_was_analysed_or_not(home: Path) -> None:
    with console(settings_at(home), declared=experimented()) as port:
        page = Client(port=port).get("/experiments")
    for name in ("morning", "evening"):
        assert page.text.count(f'id="flights.{name}"') == 1


def test_a_metric_is_drawn_under_the_policy_and_its_marks_differ_in_shape_and_colour(
    home: Path,
) -> None:
    complaints: list[str] = []
    with (
        console(settings_at(home)) as port,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=str(chromium()), args=["--no-sandbox", "--disable-gpu"]
        ) as browser,
    ):
        page = browser.new_page(viewport={"width": 260, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"http://127.0.0.1:{port}/models/{MODEL}")
        drawn = page.get_by_role("img", name="auc of the champion by day")
        expect(drawn.locator("circle.realised")).to_have_count(LABELLED)
        expect(drawn.locator("rect.estimated")).to_have_count(DAYS)
        colour = "element => getComputedStyle(element).fill"
        marks = [drawn.locator(each).first for each in ("circle.realised", "rect.estimated")]
        assert len({each.evaluate(colour) for each in marks} | {"rgb(0, 0, 0)"}) == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= 260
    assert complaints == []
