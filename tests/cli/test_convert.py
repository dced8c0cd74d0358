"""`adlopt convert`: records of every format to books."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import adlopt as adl
from adlopt import cli
from adlopt.datasets.examples import paper_book, paper_tables
from tests.sources.golden import BINANCE, BYBIT, BYBIT_INVERSE, CCXT, HYPERLIQUID, HYPERREPLAY


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def convert(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, ["convert", *[str(argument) for argument in arguments]])
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    return result.stderr if code else result.stdout


def put(name: str, record: object) -> str:
    Path(name).write_text(json.dumps(record))
    return name


@pytest.mark.parametrize("out", ["book.csv", "book.parquet"])
@pytest.mark.parametrize(
    ("name", "record", "flags", "equity"),
    [
        ("hyperliquid", HYPERLIQUID, [], 4.967826),
        ("ccxt", [CCXT], ["--equity", "12"], 12.0),
        ("ccxt", {"x": CCXT}, ["--wallet", "x=12"], 12.25),
        ("binance", BINANCE, ["--wallet", "10", "--account", "me"], 10.764277),
        ("bybit", BYBIT, [], 595.9),
        ("hyperreplay", [HYPERREPLAY], ["--mark", "SOL=180.5"], 1295.0),
    ],
)
def test_formats(name: str, record: object, flags: list[str], equity: float, out: str) -> None:
    text = convert(name, put("in.json", record), out, *flags)
    assert text.startswith(f"{out}: 1 positions of 1 accounts in ")
    read = adl.Book.read_csv if out.endswith("csv") else adl.Book.read_parquet
    held = read(out).to_frame().dropna(subset="size")  # the others are accounts without positions
    assert held["equity"].tolist() == [pytest.approx(equity)]


def test_money_in_the_venues_own_answer() -> None:
    put("in.json", CCXT)
    put("balance.json", {"info": {}, "total": {"USDT": 77}})
    convert("ccxt", "in.json", "book.csv", "--accounts", "balance.json")
    assert pd.read_csv("book.csv")["equity"].tolist() == [77]
    assert "are alternatives" in convert(
        "bybit", "in.json", "b.csv", "--accounts", "balance.json", "--equity", "5", code=2
    )


def test_tables() -> None:
    positions, accounts = paper_tables()
    positions.to_csv("positions.csv", index=False)
    accounts.to_csv("accounts.csv", index=False)
    pd.DataFrame({"asset": ["BTC", "ETH"], "mark": [67_000.0, 1_900.0]}).to_csv(
        "marks.csv", index=False
    )
    convert(
        "tables",
        "positions.csv",
        "book.parquet",
        "--accounts",
        "accounts.csv",
        "--marks",
        "marks.csv",
    )
    assert adl.Book.read_parquet("book.parquet").equity == pytest.approx(
        paper_book().equity, rel=1e-14
    )


def test_rejected_rows_are_shown_written_and_told() -> None:
    put("in.json", [BYBIT, BYBIT_INVERSE, BYBIT | {"symbol": "ETHUSDT", "size": None}])
    text = convert("bybit", "in.json", "book.csv", "--rejected", "no.csv")
    assert "2 rows were not taken" in text
    assert "inverse contract: BTCUSD is valued in coin" in text
    assert pd.read_csv("no.csv")["symbol"].tolist() == ["BTCUSD", "ETHUSDT"]
    convert("bybit", "in.json", "book.csv", "--rejected", "no.parquet")
    assert len(pd.read_parquet("no.parquet")) == 2
    told = json.loads(convert("bybit", "in.json", "book.csv", "--json"))
    assert (told["positions"], told["accounts"], told["marks"]) == (1, 1, {"BTCUSDT": 28224.5})
    assert [row["record"] for row in told["rejected"]] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kraken", "in.json", "book.csv"], "'kraken' is unknown; use one of hyperliquid"),
        (["bybit", "none.json", "book.csv"], "cannot read none.json"),
        (["bybit", "in.json", "book.xlsx"], "must end in one of .csv, .parquet"),
        (
            ["bybit", "in.json", "book.csv", "--rejected", "no.txt"],
            "--rejected no.txt: the name must end",
        ),
        (["bybit", "in.json", "nowhere/book.csv"], "OUT nowhere/book.csv: the directory"),
        (
            ["hyperliquid", "in.json", "book.csv", "--currency", "USDC"],
            "--currency has no effect on hyperliquid",
        ),
        (
            ["hyperliquid", "in.json", "book.csv", "--accounts", "in.json"],
            "--accounts has no effect",
        ),
        (["bybit", "in.json", "book.csv", "--margin", "both"], "expected 'cross' or 'isolated'"),
        (["bybit", "in.json", "book.csv", "--equity", "lots"], "'lots' is not a number"),
        (
            ["bybit", "in.json", "book.csv", "--equity", "a=1", "--equity", "a=2"],
            "account 'a' is given twice",
        ),
        (
            ["bybit", "inverse.json", "book.csv"],
            "no position could be taken; the first: inverse contract",
        ),
        (["bybit"], "IN"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    put("in.json", BYBIT)
    put("inverse.json", BYBIT_INVERSE)
    errors = convert(*arguments, code=cli.BAD_INPUT)
    assert message in errors
    assert errors.count("\n") == 1
    assert not Path("book.csv").exists()
