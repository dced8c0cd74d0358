"""Problems in TOML files, beside flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from adlopt import cli
from adlopt.datasets.examples import paper_book, paper_tables

PROBLEM = """
book = "tables/book.csv"
objective = "expected-loss"
tolerance = 1e-5

[reduce]
BTC = -10

[direction]
BTC = 6654.0
ETH = 200.6
"""
FLAGS = [
    "tables/book.csv",
    "--reduce",
    "BTC=-10",
    "--direction",
    "BTC=6654.0",
    "--direction",
    "ETH=200.6",
    "--tolerance",
    "1e-5",
]


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tables").mkdir()
    paper_book().to_csv("tables/book.csv")
    Path("problem.toml").write_text(PROBLEM)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    return result.stderr if code == cli.BAD_INPUT else result.stdout


def solved(*arguments: object) -> dict[str, Any]:
    answer = json.loads(run("solve", *arguments, "--json"))
    return {key: value for key, value in answer.items() if key != "seconds"}


def test_a_file_says_what_flags_say(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = solved(*FLAGS)
    assert expected["tolerance"] == 1e-5
    assert solved("--config", "problem.toml") == expected
    monkeypatch.chdir("tables")  # its paths are relative to the file
    assert solved("--config", "../problem.toml") == expected


def test_flags_win() -> None:
    asked = ["--reduce", "ETH=50", "--objective", "cvar:0.9", "--tolerance", "1e-4"]
    answer = solved("--config", "problem.toml", *asked)
    assert answer == solved(*FLAGS[:1], *asked, *FLAGS[3:7])
    Path("other.csv").write_text(Path("tables/book.csv").read_text().replace("-323", "-300"))
    book = solved("other.csv", "--config", "problem.toml")
    assert book == solved("other.csv", *FLAGS[1:])


def test_a_price_model_on_the_command_line_replaces_the_files() -> None:
    Path("problem.toml").write_text(
        """
        book = "tables/book.csv"
        horizon_days = 10
        correlation = 0.85
        points = 32
        seed = 3
        reduce = {BTC = "-30%"}
        volatility = {BTC = 0.6, ETH = 0.75}
        """
    )
    lognormal = [
        "--volatility",
        "BTC=0.6",
        "--volatility",
        "ETH=0.75",
        "--correlation",
        "0.85",
        "--horizon-days",
        "10",
    ]
    drawn = solved("--config", "problem.toml")
    assert drawn == solved(
        "tables/book.csv", "--reduce", "BTC=-30%", *lognormal, "--points", "32", "--seed", "3"
    )
    assert solved("--config", "problem.toml", "--seed", "4") != drawn
    replaced = solved("--config", "problem.toml", *FLAGS[3:7])
    assert replaced == solved("tables/book.csv", "--reduce", "BTC=-30%", *FLAGS[3:7])


def test_every_entry() -> None:
    positions, accounts = paper_tables()
    positions.to_parquet("tables/positions.parquet")
    accounts.to_csv("tables/accounts.csv", index=False)
    pd.DataFrame({"account": ["3"], "asset": ["BTC"], "cap": [2.0]}).to_csv(
        "tables/caps.csv", index=False
    )
    matrix = pd.DataFrame([[1, 0.85], [0.85, 1]], index=["BTC", "ETH"], columns=["BTC", "ETH"])
    matrix.to_csv("tables/correlation.csv")
    Path("problem.toml").write_text(
        """
        book = "tables/positions.parquet"
        accounts = "tables/accounts.csv"
        caps = "tables/caps.csv"
        correlation = "tables/correlation.csv"
        horizon_days = 10
        points = 64
        insurance_fund = 100
        method = "conic"
        solver = "HIGHS"
        json = true
        [marks]
        BTC = 67000
        ETH = 1900.0
        [reduce]
        BTC = -10
        [settlement]
        BTC = 66500
        [volatility]
        BTC = 0.6
        ETH = 0.75
        """
    )
    answer = json.loads(run("solve", "--config", "problem.toml"))
    assert answer["method"] == "conic"
    assert {row["account"]: row["reduction"] for row in answer["allocation"]}["3"] >= -2 - 1e-9
    verified = run(
        "verify", "--config", "problem.toml", "--tolerance", "1e-4"
    )  # which takes no solver
    assert json.loads(verified)["agree"]
    points = json.loads(run("frontier", "--config", "problem.toml", "--multiples", "0.5,1"))
    assert [point["multiple"] for point in points] == [0.5, 1]


def test_sweeps_may_be_lists() -> None:
    Path("problem.toml").write_text("multiples = [0.5, 1]\n" + PROBLEM)
    points = json.loads(run("frontier", "--config", "problem.toml", "--json"))
    assert [point["multiple"] for point in points] == [0.5, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tolerence = 1e-6", "problem.toml: unknown entry 'tolerence'; did you mean 'tolerance'?"),
        ("reduction = {BTC = -1}", "unknown entry 'reduction'; did you mean 'direction'"),
        ("xyzzy = 1", "unknown entry 'xyzzy'"),
        ('config = "x.toml"', "unknown entry 'config'"),
        ('tolerance = "small"', "entry 'tolerance': 'small' is not a number"),
        ("tolerance = true", "entry 'tolerance': True is not a number"),
        ("points = 1.5", "entry 'points': 1.5 is not a whole number"),
        ("json = 1", "entry 'json': 1 is not true or false"),
        ("book = 5", "entry 'book': 5 is not the name of a file"),
        ("reduce = -10", "entry 'reduce': write a table of numbers by asset, not -10"),
        ("reduce = {BTC = true}", "entry 'reduce', 'BTC': True is neither a number nor text"),
        ('reduce = {BTC = "ten"}', "'ten' is not a number"),
        ("objective = false", "entry 'objective': False is neither"),
        ('book = "none.csv"', "cannot read none.csv"),
        ("book = ", "cannot read problem.toml"),
    ],
)
def test_bad_files(text: str, message: str) -> None:
    Path("problem.toml").write_text(
        text + ("" if text.startswith("book") else '\nbook = "tables/book.csv"')
    )
    flags = [] if text.startswith("reduce") else ["--reduce", "BTC=-1"]
    errors = run("solve", "--config", "problem.toml", *flags, code=cli.BAD_INPUT)
    assert message in errors
    assert errors.count("\n") == 1


def test_no_file() -> None:
    assert "cannot read none.toml" in run("solve", "--config", "none.toml", code=cli.BAD_INPUT)
    assert "--config problem.toml" in run(
        "solve", "problem.toml", "--reduce", "BTC=-1", code=cli.BAD_INPUT
    )
    Path("problem.toml").write_text("objective = 'expected-loss'")
    assert "BOOK" in run("solve", "--config", "problem.toml", code=cli.BAD_INPUT)
