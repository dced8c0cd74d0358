"""The command simulate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.cli.test_commands import run
from tests.typed import cell


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> adl.Book:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    book = adl.synthetic.crash(60, 2, seed=3)
    book.to_csv("book.csv")
    return book


def test_many_paths_under_two_rules(book: adl.Book) -> None:
    answer = json.loads(
        run(
            *("simulate", "book.csv", "--shape", "flash-crash", "--steps", "4", "--paths", "6"),
            *("--policy", "hyperliquid", "--policy", "optimal", "--fund", "1e4", "--json"),
        )
    )
    assert answer["paths"] == 6
    paths = adl.paths.flash_crash(book, steps=4, count=6)
    rule = adl.policies.Hyperliquid()
    same = adl.stress_test(book, paths, [rule], exchange=adl.Exchange(fund=1e4), workers=1)
    given = {row["policy"]: row for row in answer["summary"]["deficit"]}
    assert set(given) == {"Hyperliquid", "Optimal"}
    mean = cell(same.summary, ("deficit", "Hyperliquid"), "mean")
    assert np.isclose(given["Hyperliquid"]["mean"], mean)
    assert answer["fund"][0]["upper"] is None  # six paths give no upper limit
    assert [row["policy"] for row in answer["differences"]] == ["Optimal"]


def test_one_path_is_shown_step_by_step(book: adl.Book) -> None:
    text = run("simulate", "book.csv", "--shape", "whipsaw", "--steps", "4", "--policy", "pro-rata")
    assert "ProRata(contracts) on whipsaw" in text
    answer = json.loads(run("simulate", "book.csv", "--steps", "3", "--json"))
    assert list(answer["policies"]) == ["ProRata(contracts)", "MinimaxLeverage"]
    assert [row["step"] for row in answer["policies"]["MinimaxLeverage"]["steps"]] == [1, 2, 3]


def test_the_exchange_of_the_flags(book: adl.Book) -> None:
    flags = ("--depth", "A0=1", "--spread", "0.01", "--maintenance", "0.02", "--fund", "500")
    more = ("--settle", "bankruptcy", "--inventory-limit", "10", "--floor", "3")
    answer = json.loads(
        run("simulate", "book.csv", "--fall", "0.3", *flags, *more, "--policy", "bitmex", "--json")
    )
    exchange = adl.Exchange(
        depth={"A0": 1.0},
        spread=0.01,
        maintenance=0.02,
        fund=500.0,
        settlement="bankruptcy",
        inventory_limit=10.0,
        floor=3.0,
    )
    path = adl.paths.flash_crash(book, fall=0.3)
    crash = adl.simulate(book, path, adl.policies.BitMEX(), exchange=exchange)
    totals = answer["policies"]["BitMEX"]["totals"]
    assert {name: pytest.approx(value) for name, value in crash.totals.items()} == totals


def test_a_section_of_a_file_states_the_crash(book: adl.Book) -> None:
    with open("crash.toml", "w") as file:
        file.write(
            'book = "book.csv"\nreduce = {A0 = -1.0}\n[simulate]\nshape = "slow-bleed"\n'
            'steps = 3\npolicy = ["pro-rata"]\nfund = 1e4\n'
        )
    answer = json.loads(run("simulate", "--config", "crash.toml", "--json"))
    assert answer["path"] == "slow_bleed"
    assert len(answer["policies"]["ProRata(contracts)"]["steps"]) == 3
    over = json.loads(run("simulate", "--config", "crash.toml", "--steps", "2", "--json"))
    assert len(over["policies"]["ProRata(contracts)"]["steps"]) == 2
    solved = json.loads(run("solve", "--config", "crash.toml", "--margin", "isolated", "--json"))
    assert solved["method"] == "water_filling"


def test_outcomes_are_written(book: adl.Book) -> None:
    run("simulate", "book.csv", "--steps", "3", "--paths", "4", "--out", "paths.csv")
    table = pd.read_csv("paths.csv")
    assert len(table) == 8
    assert {"policy", "path", "socialised_loss"} <= set(table.columns)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--shape", "earthquake"), "flash-crash"),
        (("--shape", "funding-squeeze", "--fall", "0.3"), "no effect"),
        (("--policy", "luck"), "unknown"),
        (("--fund", "-1"), "money at hand"),
        (("--depth", "DOGE=1"), "unknown asset 'DOGE'"),
        (("--out", "paths.txt", "--paths", "2"), "must end in one of"),
    ],
)
def test_flags_that_make_no_sense(book: adl.Book, flags: tuple[str, ...], message: str) -> None:
    assert message in run("simulate", "book.csv", "--steps", "3", *flags, code=2)


def test_a_report_of_one_path_and_of_many(book: adl.Book) -> None:
    run("simulate", "book.csv", "--steps", "3", "--policy", "pro-rata", "--report", "one.html")
    page = Path("one.html").read_text()
    assert "adlopt simulate book.csv --steps 3" in page
    assert "input book.csv" in page
    run("simulate", "book.csv", "--steps", "3", "--paths", "3", "--report", "many.md")
    assert "Size of the fund" in Path("many.md").read_text()
    assert "must end in" in run("simulate", "book.csv", "--report", "one.txt", code=2)
    text = run("simulate", "book.csv", "--report", "book.csv", code=2)
    assert Path("book.csv").read_text().startswith("account")
    assert text
