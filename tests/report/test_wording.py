"""Sentences of a report, links in Markdown, the order of rules and assets, checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import adlopt as adl
from adlopt import cli
from adlopt.datasets.examples import paper_book
from adlopt.report import content, wording
from adlopt.report.document import (
    Block,
    Document,
    Facts,
    Paragraph,
    Section,
    Table,
    to_html,
    to_markdown,
)

LINKS = (
    "https://example.org/x",
    "HTTP://example.org",
    "www.example.org",
    "someone@example.org",
    "@someone",
    "#12",
    "(#12)",
    "example.org",
    "a|b@c.org",
    "``x`@y",
)


@pytest.mark.parametrize("name", LINKS)
def test_nothing_becomes_a_link_in_markdown(name: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    blocks: list[Block] = [
        Paragraph(f"see {name}"),
        Facts({name: name}),
        Table("t", {"account": [name]}),
    ]
    text = to_markdown(Document(name, [Section(name, blocks)]))
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": True})
    page = parser.render(text)
    assert "<a " not in page
    assert page.count("<code>") == 6
    assert "`" in text  # mentions and numbers of issues are linked outside of code alone


@pytest.mark.parametrize("name", ["1.5", "0.01 %", "a_b", "4,530.86", "e.g.", "C#"])
def test_other_text_is_no_code(name: str) -> None:
    assert "`" not in to_markdown(Document(name, [Section("s", [Paragraph(name)])]))


def test_control_characters_are_shown() -> None:
    document = Document("t", [Section("s", [Paragraph("\x1b[31m"), Table("c", {"a": ["\u202e"]})])])
    for text in (to_html(document), to_markdown(document)):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "x1b" in text
        assert "u202e" in text


def test_assets_by_notional() -> None:
    table = pd.DataFrame(
        {
            "account": ["a", "a", "a", "a", "b"],
            "asset": ["P", "Q", "R", "S", "P"],
            "size": [-10.0, -1.0, -5.0, -2.0, 9.0],
            "equity": 1e4,
            "mark": [1.0, 1_000.0, 10.0, 400.0, 1.0],
        }
    )
    problem = adl.Problem(adl.Book.from_frame(table), {"P": -5.0, "Q": -0.5, "R": -1.0, "S": -1.0})
    assert [problem.book.assets[k] for k in wording.by_notional(problem)] == ["Q", "S", "R", "P"]
    assert wording.required_text(problem) == (
        "0.5 Q off the shorts, 1 S off the shorts, 1 R off the shorts and 1 more assets"
    )


def test_the_nearest_rules_come_first_and_no_column_twice() -> None:
    problem = adl.examples.paper_problem(points=64).with_changes(objective=adl.CVaR(0.99))
    solution = adl.solve(problem)
    document = content.build(problem, solution, adl.compare(problem), drawn=False)
    (section,) = [each for each in document.sections if "other rules" in each.title]
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    risk = [float(text.replace(",", "")) for text in table.columns["objective"]]
    assert risk == sorted(risk)
    columns = list(map(tuple, table.columns.values()))
    assert "CVaR 99 %" not in table.columns  # it is the objective
    assert len(set(columns)) == len(columns)


def test_dates_of_a_history() -> None:
    times = pd.date_range("2025-10-01", periods=30, freq="h")
    prices = pd.DataFrame({"BTC": range(100, 130), "ETH": range(50, 80)}, times, dtype=float)
    text = wording.prices_text(adl.History(prices, horizon=3))
    assert "27 past moves" in text
    assert "2025-10-01 03:00 to 2025-10-02 05:00" in text


def test_checksums_of_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paper_book().to_csv("book.csv")
    (tmp_path / "prices.csv").write_text("BTC,ETH\n70000,2000\n80000,1900\n")
    flags = [
        "report",
        "book.csv",
        "--reduce",
        "BTC=-10",
        "--scenarios",
        "prices.csv",
        "--out",
        "r.md",
    ]
    done = CliRunner().invoke(cli.app, flags)
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "r.md").read_text()
    for name in ("book.csv", "prices.csv"):
        data = (tmp_path / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() in text
        assert f"{len(data):,} bytes" in text
