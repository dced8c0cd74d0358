"""The first use of a glossary term on a page becomes a link to the glossary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes

GLOSSARY = "start/glossary"
LINKED = ("start/", "guide/")  # folders whose pages get links
PLAIN = (nodes.reference, nodes.title, nodes.literal, nodes.math, nodes.raw, nodes.caption)
"""Nodes whose text stays as it is."""


def terms(page: Path) -> dict[str, str]:
    """Anchor by term, longest terms first; abbreviations in parentheses are left out."""
    found = re.findall(r"^\| \[([^\]]+)\]\{#([\w-]+)\}", page.read_text(), re.M)
    plain = {re.sub(r"\s*\(.*\)", "", term): anchor for term, anchor in found}
    return dict(sorted(plain.items(), key=lambda item: -len(item[0])))


def link_first_uses(app: Any, doctree: nodes.document, docname: str) -> None:
    """Link each term where a page first uses it."""
    if docname == GLOSSARY or not docname.startswith(LINKED) or docname.endswith("command_line"):
        return
    home = app.builder.get_relative_uri(docname, GLOSSARY)
    open_terms = terms(Path(app.srcdir) / f"{GLOSSARY}.md")
    for text in list(doctree.findall(nodes.Text)):
        if not open_terms:
            return
        if not _may_link(text):
            continue
        _link(text, open_terms, home)


def _may_link(text: nodes.Text) -> bool:
    above = text.parent
    while above is not None:
        if isinstance(above, PLAIN):
            return False
        above = above.parent
    return True


def _link(text: nodes.Text, open_terms: dict[str, str], home: str) -> None:
    """Replace the first uses in one text; terms found are taken out of `open_terms`."""
    pattern = re.compile(
        r"\b(" + "|".join(map(re.escape, open_terms)) + r")(?:s|es)?\b", re.IGNORECASE
    )
    lower = {term.lower(): term for term in open_terms}
    parts: list[nodes.Node] = []
    at = 0
    content = text.astext()
    for match in pattern.finditer(content):
        term = lower[match.group(1).lower()]
        if term not in open_terms:
            continue
        anchor = open_terms.pop(term)
        parts.append(nodes.Text(content[at : match.start()]))
        link = nodes.reference("", match.group(0), internal=True, refuri=f"{home}#{anchor}")
        link["classes"].append("glossary-link")
        parts.append(link)
        at = match.end()
    if at:
        parts.append(nodes.Text(content[at:]))
        text.parent.replace(text, [part for part in parts if part.astext()])


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
