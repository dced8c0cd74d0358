"""The report: every number stands in it, nothing that users supply becomes markup, and it opens
offline.
"""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import adlopt as adl
from adlopt import cli, report
from adlopt.datasets.examples import PAPER_REDUCTION, paper_book, paper_direction
from adlopt.plots import _canvas
from adlopt.policies.protocol import AnyPolicy
from tests.report.browser import CHROMIUM, browser
from tests.typed import Priced, priced

HOSTILE = [
    "<script>document.title='taken over'</script>",
    '"><img src="http://example.org/x.png" onerror="alert(1)">',
    "</td></table><style>*{display:none}</style>",
    "$\\frac{1}{0}$ | `code` **bold** [link](http://example.org) "
    "![](http://example.org/y.png) &amp; <!--",
    "_名前\n계정",
]


class Reader(HTMLParser):
    """Tags, cells by row, pictures and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.sources: list[str] = []
        self.targets: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "img":
            self.sources.append(given["src"])
        elif tag == "a":
            self.targets.append((given["download"], given["href"]))
        assert not any(name.startswith("on") for name in given)

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n") if data.strip() else ""


def hostile_problem(**options: Any) -> adl.Problem:
    table = pd.DataFrame(
        {
            "account": HOSTILE,
            "asset": "<b>$A_",
            "size": -np.arange(1.0, 6),
            "equity": [1.0, 1, 1, 1, -2],
            "mark": 2.0,
        }
    )
    return adl.Problem(adl.Book.from_frame(table), {"<b>$A_": -4.0}, **options)


def comparison_of(problem: adl.Problem) -> adl.Comparison:
    """The optimum, a rule that meets the requirement and one that does not, with a name that is not
    to be trusted.
    """
    rules: dict[str, AnyPolicy] = {
        "ProRata": adl.policies.ProRata(),
        HOSTILE[0]: lambda posed: 0.5 * posed.max_reduction,
    }
    return adl.compare(problem, rules)


@pytest.fixture(scope="module")
def paper_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Priced, Path]:
    problem = adl.Problem(
        paper_book(),
        PAPER_REDUCTION,
        prices=adl.OneFactor(paper_direction(), points=512),
        objective=adl.CVaR(0.9),
    )
    solution = priced(adl.solve(problem))
    path = tmp_path_factory.mktemp("report") / "report.html"
    report.write(
        path, problem, solution, comparison_of(problem), command="adlopt report 'a <b>' --seed 1"
    )
    return solution, path


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    problem = hostile_problem(prices=adl.Scenarios([[1.5], [2.5], [4.0]]))
    solution = adl.solve(problem)
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    report.write(path, problem, solution, comparison_of(problem), command=HOSTILE[0])
    return path


def test_everything_stands_in_it(paper_report: tuple[Priced, Path]) -> None:
    solution, path = paper_report
    page = Reader(path.read_text(encoding="utf-8"))
    text = "".join(page.text)
    assert "Auto-deleveraging: 10 BTC off the shorts" in text
    for title in (
        "problem",
        "answer",
        "proof",
        "Comparison with other rules",
        "Pictures",
        "How to reproduce this",
    ):
        assert title in text
    facts = {row[0]: row[1] for row in page.rows if len(row) == 2}
    assert facts["accounts reduced"] == "3 of 4"
    assert float(facts["value"].replace(",", "")) == pytest.approx(solution.value, rel=1e-11)
    assert float(facts["proven lower bound"].replace(",", "")) == pytest.approx(
        solution.lower_bound, rel=1e-11
    )
    assert facts["method"] == solution.method
    assert facts["objective"] == "CVaR 90 %, the mean of the worst 10 % of losses"
    assert f"adlopt {adl.__version__}" in facts["versions"]
    assert "on 512 scenarios" in text or "the 512 scenarios" in text
    reduced = {row[0]: float(row[4]) for row in page.rows if len(row) == 9 and row[1] == "BTC"}
    expected = solution.reduced.set_index("account")["reduction"]
    assert reduced == {
        account: pytest.approx(amount, abs=1e-4) for account, amount in expected.items()
    }
    assert "adlopt report 'a <b>' --seed 1" in text
    rules = [
        row for row in page.rows if row and row[0] in ("rule", "Optimal", "ProRata", HOSTILE[0])
    ]
    assert rules[0] == [
        "rule",
        "objective",
        "above the best possible, %",
        "worst case",
        "highest leverage left",
        "accounts reduced",
        "positions closed",
        "largest share taken",
        "hedges taken apart",
        "CVaR 99 %",
    ]
    assert [row[0] for row in rules[1:]] == ["Optimal", "ProRata", HOSTILE[0]]
    assert [row[5:7] for row in rules[1:3]] == [["3", "0"], ["4", "0"]]
    assert rules[1][2] == "0"
    assert float(rules[2][1].replace(",", "")) > solution.value
    assert [float(row[7]) for row in rules[2:]] == [pytest.approx(10 / 33, abs=1e-3), 0.5]
    assert f"not comparable: {HOSTILE[0]}" in text


def test_it_carries_pictures_and_tables(paper_report: tuple[Priced, Path]) -> None:
    solution, path = paper_report
    page = Reader(path.read_text(encoding="utf-8"))
    # Leverage, factor leverage, shadow prices, exceedance, stress, rules.
    assert len(page.sources) == 6
    for source in page.sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size in {(900, 480), (1080, 432)}
    files = dict(page.targets)
    carried = {
        name: base64.b64decode(target.partition("base64,")[2]) for name, target in files.items()
    }
    table = pd.read_csv(io.BytesIO(carried["allocation.csv"]))
    assert table["reduction"].tolist() == solution.allocation["reduction"].tolist()
    assert "objective" in pd.read_csv(io.BytesIO(carried["comparison.csv"])).columns
    assert path.stat().st_size < 400_000


def test_users_text_stays_text(hostile_report: Path) -> None:
    text = hostile_report.read_text(encoding="utf-8")
    page = Reader(text)
    # Other than that, what there is comes from the report itself.
    assert set(page.tags) == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "section",
        "p",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "figure",
        "img",
        "figcaption",
        "a",
        "pre",
        "code",
        "wbr",
    }
    assert page.tags.count("style") == page.tags.count("title") == 1
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert all(target.startswith("data:text/csv;") for _, target in page.targets)
    cells = {cell for row in page.rows for cell in row}
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3]} <= cells
    assert (
        re.search(
            r"<(?!/?(?:html|head|meta|title|style|body|h1|h2|section|p|div|table|caption|thead|tbody|tr|th|td|figure"
            r"|img|figcaption|a|pre|code|wbr|!DOCTYPE)\b)",
            text,
        )
        is None
    )


def test_markdown(tmp_path: Path) -> None:
    problem = hostile_problem(prices=adl.Scenarios([[1.5], [2.5], [4.0]]), objective=adl.CVaR(0.5))
    solution = adl.solve(problem)
    path = tmp_path / "report.md"
    report.write(path, problem, solution, comparison_of(problem), command="adlopt `x`\n```")
    text = path.read_text(encoding="utf-8")
    markdown_it = pytest.importorskip("markdown_it")
    page = Reader(markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(text))
    assert {"h1", "h2", "table", "td", "strong", "li", "code"} <= set(page.tags)
    assert not {"script", "img", "a", "style", "em", "b"} & set(page.tags)
    rows = [row for row in page.rows if len(row) == 9]
    assert {row[0] for row in rows} == {
        "account",
        *(" ".join(name.split()) for name in solution.reduced["account"]),
    }
    assert "adlopt `x`\n```" in "".join(page.text)
    assert "Pictures" not in text


def test_without_a_price_model_the_theorem_is_the_proof() -> None:
    problem = hostile_problem()
    text = report.to_html(
        report.build(problem, adl.solve(problem), adl.compare(problem, [adl.policies.ProRata()]))
    )
    assert "ProRata(contracts)" in text
    assert "worst case" not in text
    assert "optimal for every price path" in text
    assert text.count("<img") == 1
    assert "Bankrupt, and so not reduced" in text
    assert "objective after" not in text


def test_long_tables_say_how_many_more() -> None:
    problem = adl.synthetic.problem(30_000, assets=1, scenarios=8, seed=5)
    solution = adl.solve(problem)
    text = report.to_html(report.build(problem, solution, drawn=False))
    assert f"and {len(solution.reduced) - 40:,} more reduced positions" in text
    assert "allocation.csv" not in text
    assert len(text) < 20_000


def test_settlement_fund_and_caps_are_stated() -> None:
    caps = pd.DataFrame({"account": ["3"], "asset": ["BTC"], "cap": [2.0]})
    problem = adl.Problem(
        paper_book(),
        PAPER_REDUCTION,
        prices=adl.examples.paper_lognormal(64, seed=7),
        caps=caps,
        settlement={"BTC": 66_000.0},
        insurance_fund=1000.0,
    )
    text = report.to_markdown(
        report.build(problem, adl.solve(problem, tolerance=1e-12), drawn=False)
    )
    assert "at the settlement prices below" in text
    assert "| settlement price |\n" in text
    assert "| 66,000 |\n" in text
    assert "**insurance fund**: 1,000" in text
    assert "1 rows of caps, in contracts or as fractions" in text
    assert "**seed**: 7" in text


# ---------------------------------------------------------------------- the command


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    paper_book().to_csv("book.csv")
    return "book.csv"


FLAGS = ["--reduce", "BTC=-10", "--direction", "BTC=6654", "--direction", "ETH=200.6"]


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_command(book: str, tmp_path: Path, name: str) -> None:
    arguments = ["report", book, *FLAGS, "--points", "64", "--out", name]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, (result.output, result.stderr)
    assert "factor_leverage, optimal" in result.stdout
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert f"adlopt {' '.join(arguments)}" in text
    assert "10 BTC off the shorts" in text


def test_refused_before_any_work(
    book: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*arguments: str) -> str:
        result = CliRunner().invoke(cli.app, ["report", book, *FLAGS, *arguments])
        assert result.exit_code == cli.BAD_INPUT
        assert result.stdout == ""
        assert not list(tmp_path.glob("*.html"))
        return result.stderr

    assert "must end in one of .html, .md" in refused("--out", "report.pdf")
    assert "does not exist" in refused("--points", "64", "--out", "nowhere/report.md")
    assert "'--out'" in refused()
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert 'pip install "adlopt[plots]"' in refused("--out", "report.html")
    with pytest.raises(adl.AdlError, match=r"adlopt\[plots\]"):
        _canvas.axes(None)
    assert (
        CliRunner()
        .invoke(cli.app, ["report", book, *FLAGS, "--points", "64", "--out", "report.md"])
        .exit_code
        == 0
    )


def test_pictures_of_the_demonstration(tmp_path: Path) -> None:
    from adlopt.cli.demo import write_pictures

    written = write_pictures(tmp_path / "docs")
    assert [path.name for path in written] == ["water_filling.png", "factor_leverage.png"]
    for path in written:
        assert path.stat().st_size < 60_000
        Image.open(path).verify()
    (tmp_path / "file").write_text("")
    with pytest.raises(adl.InputError, match="cannot write there"):
        write_pictures(tmp_path / "file")


# ---------------------------------------------------------------------- the browser


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian package chromium)")
def test_it_opens_in_a_browser_without_a_request(
    paper_report: tuple[Priced, Path], hostile_report: Path, tmp_path: Path
) -> None:
    _, path = paper_report
    with browser(tmp_path / "profile") as page:
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=680,
            height=990,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.call("Emulation.setEmulatedMedia", media="print")  # on A4 between its margins
        for file, pictures in ((path, 6), (hostile_report, 4)):
            page.requests.clear()
            page.open(file.as_uri())
            assert page.evaluate("document.title").startswith("Auto-deleveraging: ")
            assert (
                page.evaluate("[...document.images].map(image => image.naturalWidth > 500)")
                == [True] * pictures
            )
            assert page.evaluate(
                "[...document.querySelectorAll('table')].every(table => table.offsetHeight > 20)"
            )
            assert page.evaluate("document.querySelectorAll('table').length") >= 5
            assert page.evaluate("document.scripts.length") == 0
            edges = page.evaluate(
                "[...document.querySelectorAll('table, img, p, pre')]"
                ".map(e => e.getBoundingClientRect().right)"
            )
            assert max(edges) <= 680  # nothing is cut
            asked = [url for url in page.requests if not url.startswith("data:")]
            assert asked == [file.as_uri()]
        assert page.complaints == []
        # A page that does ask is noticed, and its policy stops it.
        breaking = tmp_path / "breaking.html"
        breaking.write_text(
            hostile_report.read_text(encoding="utf-8").replace(
                "<h1>", '<img src="http://example.org/z.png"><h1>'
            )
        )
        page.open(breaking.as_uri())
        assert any("Content Security Policy" in complaint for complaint in page.complaints)
