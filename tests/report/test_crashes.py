"""Reports of simulated crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

import adlopt as adl
from adlopt.report.crashes import write_crashes


@pytest.fixture(scope="module")
def book() -> adl.Book:
    return adl.synthetic.crash(60, 2, seed=3)


def crash(book: adl.Book) -> adl.Simulation:
    path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    return adl.simulate(book, path, adl.policies.ProRata(), exchange=adl.Exchange(fund=1e3))


def test_one_crash_with_pictures(book: adl.Book, tmp_path: Path) -> None:
    one = crash(book)
    write_crashes(tmp_path / "one.html", [one], command="adlopt simulate", seed=4)
    page = (tmp_path / "one.html").read_text()
    assert page.count("<img") == 2
    assert "ProRata(contracts)" in page
    assert "adlopt simulate" in page
    assert "http-equiv" in page
    assert "<script" not in page
    lost = f"{one.totals['socialised_loss']:,.0f}"
    assert lost.split(",", maxsplit=1)[0] in page


def test_many_paths_without_pictures(book: adl.Book, tmp_path: Path) -> None:
    paths = adl.paths.slow_bleed(book, fall=0.3, steps=3, count=6)
    rules = {"<b>queue</b>": adl.policies.Hyperliquid(), "even | shares": adl.policies.ProRata()}
    test = adl.stress_test(book, paths, rules, workers=1)
    write_crashes(tmp_path / "many.md", test)
    text = (tmp_path / "many.md").read_text()
    assert r"\<b\>queue" in text
    assert r"even \| shares" in text
    assert "Paired differences" in text
    assert "inf" in text  # six paths give no upper limit of the fund
    write_crashes(tmp_path / "many.html", test)
    page = (tmp_path / "many.html").read_text()
    assert "<b>queue" not in page
    assert "outcomes.csv" in page


def test_what_cannot_be_written(book: adl.Book, tmp_path: Path) -> None:
    with pytest.raises(adl.InputError, match=r"\.html"):
        write_crashes(tmp_path / "one.pdf", [crash(book)])
    with pytest.raises(adl.InputError, match="at least one"):
        write_crashes(tmp_path / "one.md", [])


def test_sales_are_in_the_report_of_a_problem(tmp_path: Path) -> None:
    from adlopt.report import build, to_markdown
    from tests.model.test_market import hedged_problem

    market = adl.Market(depth={"A0": 1e3}, spread=0.001, impact=0.02)
    problem = hedged_problem(2, market)
    solution = adl.solve(problem)
    assert solution.sold is not None
    text = to_markdown(build(problem, solution, drawn=False))
    assert "up to 1,000 contracts" in text
    assert "sold A0" in text
    assert ("one more would cost" in text) == bool(solution.sold["A0"])
    assert "market" not in to_markdown(build(hedged_problem(2, None), solution, drawn=False))
