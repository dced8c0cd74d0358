"""One spelling of the horizon on the command line, in problem files and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import adlopt as adl
from adlopt.cli.command import app

BASE = ["solve", "book.csv", "--reduce", "BTC=-10", "--json"]
MODEL = ["--volatility", "BTC=0.6", "--volatility", "ETH=0.75", "--points", "64"]


@pytest.fixture(autouse=True)
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    adl.examples.paper_book().to_frame().to_csv("book.csv", index=False)
    marks = [f"{name}={mark}" for name, mark in adl.examples.PAPER_MARKS.items()]
    Path("marks.txt").write_text(" ".join(f"--mark {mark}" for mark in marks))


def value(*flags: str) -> float:
    marks = Path("marks.txt").read_text().split()
    result = CliRunner().invoke(app, [*BASE, *marks, *flags])
    assert result.exit_code == 0, result.output
    return float(json.loads(result.stdout)["value"])


def test_horizons_agree(tmp_path: Path) -> None:
    wanted = value(*MODEL, "--horizon-days", "10")
    assert value(*MODEL, "--horizon", "10D") == pytest.approx(wanted, rel=1e-12)
    assert value(*MODEL, "--horizon", str(10 / 365)) == pytest.approx(wanted, rel=1e-12)
    (tmp_path / "problem.toml").write_text(
        'horizon = "10D"\npoints = 64\nvolatility = { BTC = 0.6, ETH = 0.75 }\n'
    )
    assert value("--config", "problem.toml") == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    "flags", [["--horizon", "soon"], ["--horizon", "1D", "--horizon-days", "1"]]
)
def test_bad_horizons_are_named(flags: list[str]) -> None:
    result = CliRunner().invoke(
        app, [*BASE, *MODEL, *Path("marks.txt").read_text().split(), *flags]
    )
    assert result.exit_code == 2
    assert "--horizon" in result.output


def test_sampling_tolerance() -> None:
    marks = Path("marks.txt").read_text().split()
    flags = ["--horizon", "10D", "--sampling-tolerance", "0.05"]
    result = CliRunner().invoke(app, [*BASE, *MODEL, *marks, *flags])
    answer = json.loads(result.stdout)
    assert 0 < answer["standard_error"] <= 0.05 * answer["value"]
