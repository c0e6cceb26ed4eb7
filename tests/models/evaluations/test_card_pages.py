"""What a declaration or a value says is text in both forms, and a page loads nothing."""

import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.markdown import Markdown

from mlplat_assets.models.evaluations.card_pages import (
    Approvals,
    Document,
    Grid,
    Plot,
    Points,
    markdown,
    page,
    with_approvals,
    without_plots,
)

PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"
HOSTILE = (
    '<script>alert("x")</script> | ![a](http://evil) [b](javascript:x) `c` *d* <!-- approvals -->'
)


class Seen(HTMLParser):
    """Tags, their attributes and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def document(text: str) -> Document:
    return Document(
        title=text,
        sections={
            "Section": [
                text,
                Grid(header=("name", text), rows=[("a", text), (text, "1.0 [0.5, 2.0]")]),
                Points(texts=[text]),
                Plot(title=text, png=PNG),
                Approvals(),
            ]
        },
    )


def read(text: str) -> Seen:
    seen = Seen()
    seen.feed(text)
    return seen


def rendered(text: str) -> str:
    """What a reader of the Markdown sees."""
    console = Console(file=StringIO(), width=4000)
    console.print(Markdown(text))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_page_shows_hostile_text_as_text_and_loads_nothing() -> None:
    seen = read(page(document(HOSTILE)))
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "a", "link", "iframe", "object"}
    sources = [attributes["src"] for _, attributes in seen.tags if "src" in attributes]
    assert len(sources) == 1 and str(sources[0]).startswith("data:image/png;base64,")
    assert not [a for _, a in seen.tags if "href" in a]
    assert seen.text.count(HOSTILE) >= 5
    policy = next(a for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])


def test_markdown_shows_hostile_text_as_text() -> None:
    text = markdown(document(HOSTILE), plots=False)
    assert "<script>" not in text.replace("\\<", "")
    shown = rendered(text)
    assert shown.count('<script>alert("x")</script>') >= 5
    assert shown.count("[b](javascript:x) `c` *d*") >= 5


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_any_line_of_text_survives_markdown(text: str) -> None:
    line = " ".join(text.split())
    found = markdown(Document(title="t", sections={"s": [Points(texts=[f"x {text}"])]}))
    assert f"x {line}".strip() in rendered(found)


@pytest.mark.parametrize(
    "line", ["# not a heading", "- no list", "1. no list", "+ no", "= no", "---"]
)
def test_a_line_that_looks_like_a_block_is_a_line(line: str) -> None:
    found = markdown(Document(title="t", sections={"s": [line]}))
    assert line in rendered(found)


def test_numbers_and_names_stay_readable_in_the_source() -> None:
    cells = ("weather__temp", "-0.0033 [-0.0230, +0.0164]")
    found = markdown(Document(title="t", sections={"s": [Grid(header=("a", "b"), rows=[cells])]}))
    assert "| weather__temp | -0.0033 [-0.0230, +0.0164] |" in found


def test_approvals_come_in_their_place_only() -> None:
    decisions = Grid(header=("what",), rows=[("promoted",)])
    for form, as_html in ((page, True), (markdown, False)):
        text = form(document(HOSTILE))
        assert text.count("<!-- approvals -->") == 1
        shown = with_approvals(text, decisions, as_html=as_html)
        assert "promoted" in shown and "<!-- approvals -->" not in shown


def test_a_terminal_gets_the_text_without_pictures() -> None:
    text = markdown(document("plain"))
    assert re.search(r"!\[plain\]\(data:image/png;base64,", text)
    assert without_plots(text) == markdown(document("plain"), plots=False)
