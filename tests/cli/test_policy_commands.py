"""The commands compare, audit and exposure."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import adlopt as adl
from adlopt.datasets.examples import paper_book
from tests.cli.test_commands import DIRECTION, run


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands for small books switch compilation off, which is meant for a process of their
    own.
    """
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    paper_book().to_csv("book.csv")
    return "book.csv"


def test_demo_shows_the_hedged_account(book: str) -> None:
    text = run("compare", "--demo")
    assert "gross-leverage queue hits account 4 first. It takes 7 BTC" in " ".join(text.split())
    assert "Factor leverage takes 0 from account 4" in " ".join(text.split())
    rows = {
        line.split("  ")[0].strip(): line.split()
        for line in text.splitlines()
        if line.startswith((" gross-l", " FactorL"))
    }
    assert set(rows) == {"gross-leverage queue", "FactorLeverage"}


def test_compare(book: str) -> None:
    flags = (book, "--reduce", "BTC=-10", *DIRECTION)
    answer = json.loads(
        run(
            "compare",
            *flags,
            "--policy",
            "bitmex",
            "--policy",
            "pro-rata:pnl",
            "--policy",
            "risk-aware:2",
            "--json",
        )
    )
    assert list(answer["policies"]) == ["Optimal", "BitMEX", "ProRata(pnl)", "RiskAware(power 2)"]
    assert answer["policies"]["Optimal"]["risk"]["gap"] <= 1e-6
    assert answer["lower_bound"] == pytest.approx(500.4633, rel=1e-6)
    assert [row["reduction"] for row in answer["policies"]["BitMEX"]["allocation"]] == [
        0.0,
        0.0,
        -3.0,
        -7.0,
    ]
    text = run("compare", *flags)
    for word in ("risk", "concentration", "hedges", "MinimaxLeverage", "DydxV4(seed=0)"):
        assert word in text


def test_compare_without_prices(book: str) -> None:
    assert "leverage" in run("compare", book, "--reduce", "BTC=-10", "--policy", "dydx-v4:3")


def test_rules_left_out_are_named(book: str) -> None:
    positions = pd.read_csv(book)
    assert "entry_price" in positions
    positions.drop(columns="entry_price").to_csv(book, index=False)
    for command in (["compare"], ["exposure", "--account", "4"]):
        text = run(*command, book, "--reduce", "BTC=-10")
        assert "Left out: BitMEX, Binance, Hyperliquid, ProRata(pnl): they rank by profit" in text
        assert "add the column 'entry_price' to positions." in text


def test_audit() -> None:
    answer = json.loads(run("audit", "pro-rata", "--trials", "5", "--json"))
    assert answer["holds"] == adl.audit(adl.policies.ProRata(), trials=5).holds
    assert answer["counterexamples"]["leverage priority"]["steps"][0]["positions"]
    assert "FAILS" in run("audit", "pro-rata", "--trials", "5")


def test_exposure(book: str) -> None:
    rows = json.loads(
        run(
            "exposure",
            book,
            "--reduce",
            "BTC=-10",
            "--account",
            "4",
            "--policy",
            "bitmex",
            "--multiple",
            "0.5",
            "--multiple",
            "1",
            "--json",
        )
    )
    assert [(row["rank"], row["reduction"]) for row in rows] == [(1, -5.0), (1, -7.0)]
    assert "1 of 4" in run("exposure", book, "--reduce", "BTC=-10", "--account", "4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit", "bitmax"), "policy 'bitmax' is unknown; use bitmex"),
        (("audit", "bitmex:3"), "takes no parameter"),
        (("audit", "pro-rata:size"), "by is 'size'"),
        (("audit", "dydx-v4:-1"), "seed is a whole number"),
        (("audit", "risk-aware:x"), "'x' is not a number"),
        (("audit", "bitmex", "--trials", "0"), "trials is 0"),
        (("compare",), "Missing argument"),
        (
            ("exposure", "book.csv", "--reduce", "BTC=-1", "--account", "9"),
            "account '9' is not in the book",
        ),
    ],
)
def test_bad_input(book: str, arguments: tuple[str, ...], message: str) -> None:
    assert message in run(*arguments, code=2)
