"""adlopt prove and adlopt check."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from adlopt import cli
from adlopt.datasets.examples import paper_book

FLAGS = ("--reduce", "BTC=-10", "--scenarios", "prices.csv", "--objective", "cvar:0.9")


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paper_book().to_csv("book.csv")
    rng = np.random.default_rng(1)
    moves = np.exp(rng.normal(0.0, [0.10, 0.15], (60, 2))) * [67_000.0, 1_900.0]
    pd.DataFrame(moves, columns=["BTC", "ETH"]).to_csv("prices.csv", index=False)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result.stderr if code else result.stdout


def test_a_proof_is_written_and_checked() -> None:
    written = json.loads(run("prove", "book.csv", *FLAGS, "--out", "p.json.gz", "--json"))
    checked = json.loads(run("check", "p.json.gz", "--json"))
    assert written == checked
    assert float(checked["gap"]) < 1e-6
    assert set(checked["exact"]) == {"value", "lower_bound", "gap"}
    text = run("check", "p.json.gz")
    assert f"value        {checked['value']}" in text
    assert "exactly 0x" in text


def test_rules_and_tables_are_proven_too() -> None:
    run("prove", "book.csv", *FLAGS, "--policy", "pro-rata", "--out", "rule.json")
    assert float(json.loads(run("check", "rule.json", "--json"))["gap"]) > 0.01
    table = pd.DataFrame({"account": ["1", "3"], "asset": "BTC", "reduction": [-4.0, -6.0]})
    table.to_csv("mine.csv", index=False)
    run("prove", "book.csv", *FLAGS, "--allocation", "mine.csv", "--out", "mine.json")
    run("check", "mine.json")
    both = ("--policy", "pro-rata", "--allocation", "mine.csv", "--out", "x.json")
    assert "not both" in run("prove", "book.csv", *FLAGS, *both, code=cli.BAD_INPUT)


def test_a_false_claim_is_refused() -> None:
    run("prove", "book.csv", *FLAGS, "--out", "p.json")
    text = Path("p.json").read_text()
    Path("p.json").write_text(text.replace('"fund":[0]', '"fund":[1]'))
    message = run("check", "p.json", code=cli.FAILED)
    assert "is refused" in message
    assert "claimed value" in message
    assert message.count("\n") == 1
    assert "is refused" in run("check", "none.json", code=cli.FAILED)


def test_what_cannot_be_proven_says_why() -> None:
    direction = ("--direction", "BTC=6654", "--direction", "ETH=201")
    flags = ("book.csv", "--reduce", "BTC=-10", *direction, "--out", "p.json")
    assert "an integral" in run("prove", *flags, code=cli.BAD_INPUT)
    assert not Path("p.json").exists()
