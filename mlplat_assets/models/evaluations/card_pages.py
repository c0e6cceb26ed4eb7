"""A document of sections, as Markdown and as one self-contained page of HTML.

Whatever a declaration or a data value says is text: both forms escape it.
"""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

APPROVALS = "<!-- approvals -->"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #e6e9ed; }
table { border-collapse: collapse; margin: .8rem 0; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e6e9ed;
  vertical-align: top; overflow-wrap: anywhere; }
th { color: #6b7785; font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; } img { max-width: 100%; } .PASS { color: #00734d; }
.FAIL, .INCONCLUSIVE { color: #b3261e; font-weight: 600; }
"""
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( \[.*\])?( (ms|MB))?|-")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of texts; its first column names the rows."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A PNG and what it shows."""

    title: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Points:
    """Sentences, one a line."""

    texts: Sequence[str]


class Approvals:
    """Where the registry's decisions go when the document is shown."""


Block = str | Grid | Plot | Points | Approvals


@dataclass(frozen=True, kw_only=True)
class Document:
    """A title, and sections of blocks by heading. A text is a paragraph."""

    title: str
    sections: Mapping[str, Sequence[Block]]


def markdown(document: Document, *, plots: bool = True) -> str:
    """The document in CommonMark with tables; `plots` are images within."""
    lines = [f"# {_md(document.title)}"]
    for heading, blocks in document.sections.items():
        lines.append(f"## {_md(heading)}")
        lines += [_md_block(each) for each in blocks if plots or not isinstance(each, Plot)]
    return "\n\n".join(lines) + "\n"


def page(document: Document) -> str:
    """The document as HTML that loads nothing: no script, no font, no address."""
    parts = [
        f"<section><h2>{html.escape(heading)}</h2>"
        + "".join(_html_block(each) for each in blocks)
        + "</section>"
        for heading, blocks in document.sections.items()
    ]
    title = html.escape(document.title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
    )


def with_approvals(text: str, decisions: Grid | str, *, as_html: bool) -> str:
    """A stored document with the registry's decisions in their place."""
    return text.replace(APPROVALS, _html_block(decisions) if as_html else _md_block(decisions))


def without_plots(text: str) -> str:
    """A stored document in Markdown without its images, for a terminal."""
    return re.sub(r"^!\[.*\]\(data:image/png;base64,[A-Za-z0-9+/=]*\)\n\n", "", text, flags=re.M)


def _md_block(block: Block) -> str:
    match block:
        case Grid():
            rows = [block.header, ["---"] * len(block.header), *block.rows]
            return "\n".join(
                "| " + " | ".join(cell if row is rows[1] else _md(cell) for cell in row) + " |"
                for row in rows
            )
        case Plot():
            return f"![{_md(block.title)}]({_data(block.png)})"
        case Points():
            return "\n".join(f"- {_md_line(text)}" for text in block.texts)
        case Approvals():
            return APPROVALS
        case str():
            return _md_line(block)


def _html_block(block: Block) -> str:
    match block:
        case Grid():
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.header)
            rows = "".join(
                "<tr>" + "".join(_html_cell(cell) for cell in row) + "</tr>" for row in block.rows
            )
            return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        case Plot():
            title = html.escape(block.title)
            return f'<figure><img alt="{title}" src="{_data(block.png)}"></figure>'
        case Points():
            items = "".join(f"<li>{html.escape(text)}</li>" for text in block.texts)
            return f"<ul>{items}</ul>"
        case Approvals():
            return APPROVALS
        case str():
            return f"<p>{html.escape(block)}</p>"


def _html_cell(cell: str) -> str:
    kind = ' class="n"' if _NUMBER.fullmatch(cell) else ""
    if cell in ("PASS", "FAIL", "INCONCLUSIVE"):
        kind = f' class="{cell}"'
    return f"<td{kind}>{html.escape(cell)}</td>"


def _md(text: str) -> str:
    """One line of text that CommonMark shows as it is, within a line."""
    line = re.sub(r"[\\`*<>|!&~]", r"\\\g<0>", " ".join(text.split()))
    # Numbers in brackets are an interval, all else could be a link.
    line = re.sub(r"\[(?![-+\d., e]*\](?![(\[:]))", r"\\[", line)
    # An underscore within a word is one.
    edge = r"(?<![A-Za-z0-9_])_+|_+(?![A-Za-z0-9_])"
    return re.sub(edge, lambda found: found.group().replace("_", r"\_"), line)


def _md_line(text: str) -> str:
    """The same at the start of a line, where a mark would make a heading or a list."""
    line = re.sub(r"^([#+=-])", r"\\\1", _md(text))
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", line)


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
