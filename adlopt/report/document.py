"""A small document, and its two forms, HTML and Markdown.

Every text is escaped here and nowhere else, so names that users supply stay text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape as html_escape
from itertools import groupby

from adlopt._internal.text import visible


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Facts:
    """Label-value pairs."""

    rows: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Cells by column, the first `left` columns aligned left, and a note below."""

    caption: str
    columns: Mapping[str, Sequence[str]]
    left: int = 1
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG, in HTML alone; `alternative` describes it to readers who cannot see it."""

    png: bytes
    caption: str
    alternative: str = ""


@dataclass(frozen=True)
class Download:
    """A file within the page, in HTML alone."""

    name: str
    text: str
    label: str


@dataclass(frozen=True)
class Code:
    text: str


Block = Paragraph | Facts | Table | Picture | Download | Code


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    title: str
    sections: Sequence[Section]


# Addresses, e-mail, mentions and numbers of issues, of which Markdown's dialects make links.
LINK = re.compile(r"://|www\.|@|^\W*#\d|[^\W\d]\.[^\W\d]{2,}", re.IGNORECASE)
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")  # characters with a meaning in Markdown


def escape(text: str) -> str:
    """Text for HTML, with control characters shown."""
    return html_escape(visible(text))


# ---------------------------------------------------------------------- HTML

# The policy lets the page load nothing from anywhere; data: URLs hold the pictures.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

_STYLE = """body { color: #111; background: #fff;
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #999;
  break-after: avoid; }
p { max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0 .3rem; font-size: .87rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .15rem .9rem .15rem 0; text-align: right; vertical-align: bottom; }
td { white-space: nowrap; }
thead th { border-bottom: 1px solid #111; }
tbody tr { border-bottom: 1px solid #ddd; break-inside: avoid; }
.l { text-align: left; max-width: 24rem; white-space: normal; overflow-wrap: break-word; }
.facts th { text-align: left; font-weight: 600; white-space: nowrap; padding-right: 2rem;
  vertical-align: top; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.note, figcaption { font-size: .87rem; color: #333; }
figure { margin: 1.5rem 0; break-inside: avoid; }
img { max-width: 100%; height: auto; }
pre { background: #f4f4f4; padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; } th, td { padding-right: .5rem; } }
@page { margin: 15mm; }"""


def to_html(document: Document) -> str:
    """One page that needs nothing else: no scripts, no requests."""
    body = "\n".join(
        f"<section>\n<h2>{escape(section.title)}</h2>\n"
        + "\n".join(map(_html, section.blocks))
        + "\n</section>"
        for section in document.sections
    )
    return _PAGE.format(title=escape(document.title), style=_STYLE, body=body)


def _html(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Facts(rows):
            lines = "\n".join(
                f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>'
                for name, text in rows.items()
            )
            return f'<table class="facts"><tbody>\n{lines}\n</tbody></table>'
        case Table():
            return _html_table(block)
        case Picture(png, caption, alternative):
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            shown = f'<img src="{source}" alt="{escape(alternative or caption)}">'
            return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"
        case Download(name, text, label):
            target = (
                f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
            )
            link = f'<a download="{escape(name)}" href="{target}">{escape(label)}</a>'
            return f'<p class="note">{link}</p>'
        case Code(text):
            lines = "\n".join(map(escape, text.split("\n")))
            return f"<pre><code>{lines}</code></pre>"


def _html_table(table: Table) -> str:
    side = ['class="l"' if index < table.left else "" for index in range(len(table.columns))]
    head = "".join(
        f'<th scope="col" {kind}>{escape(name)}</th>'
        for name, kind in zip(table.columns, side, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td {kind}>{_breakable(cell)}</td>" for cell, kind in zip(row, side, strict=True)
        )
        + "</tr>"
        for row in zip(*table.columns.values(), strict=True)
    )
    note = f'\n<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="wide"><table><caption>{escape(table.caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _breakable(text: str) -> str:
    """Escaped text; a long name without spaces, such as an address, may be broken into lines."""
    return "<wbr>".join(map(escape, re.findall(r"\S{1,24}\s*|\s+", visible(text))))


# ---------------------------------------------------------------------- Markdown


def to_markdown(document: Document) -> str:
    """The same without pictures and files, in GitHub's dialect."""
    parts = [f"# {_plain(document.title)}"]
    for section in document.sections:
        blocks = [text for text in map(_markdown, section.blocks) if text]
        if blocks:
            parts += [f"## {_plain(section.title)}", *blocks]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Paragraph(text):
            return _plain(text)
        case Facts(rows):
            return "\n".join(f"- **{_plain(name)}**: {_plain(text)}" for name, text in rows.items())
        case Table():
            return _markdown_table(block)
        case Picture() | Download():
            return ""
        case Code(text):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            lines = "\n".join(map(visible, text.split("\n")))
            return f"{fence}\n{lines}\n{fence}"


def _markdown_table(table: Table) -> str:
    lines = [
        list(table.columns),
        [":--" if index < table.left else "--:" for index in range(len(table.columns))],
    ]
    lines[0] = [_plain(name) for name in lines[0]]
    lines += [[_plain(cell) for cell in row] for row in zip(*table.columns.values(), strict=True)]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{_plain(table.caption)}**\n\n{grid}" + (
        f"\n\n{_plain(table.note)}" if table.note else ""
    )


def _plain(text: str) -> str:
    """Text on one line that means nothing to Markdown.

    What would become a link or a mention is shown as code: no escape keeps it plain.
    """
    words = visible(" ".join(text.split())).split(" ")
    return " ".join(
        _code(" ".join(group)) if linked else SPECIAL.sub(r"\\\1", " ".join(group))
        for linked, group in groupby(words, lambda word: LINK.search(word) is not None)
    )


def _code(text: str) -> str:
    """A code span, also within a table."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text.replace('|', chr(92) + '|')}{pad}{fence}"
