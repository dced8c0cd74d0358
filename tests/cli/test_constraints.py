"""Constraints and further criteria on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adlopt import cli
from adlopt.datasets import synthetic
from tests.cli.test_commands import run


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    problem = synthetic.problem(30, 2, scenarios=20, seed=1)
    path = Path(tmp_path_factory.mktemp("book")) / "book.csv"
    problem.book.to_csv(path)
    first, second = problem.book.assets
    return [
        *(str(path), "--reduce", f"{first}=-20%"),
        *("--direction", f"{first}=10", "--direction", f"{second}=0.1"),
        *("--objective", "cvar:0.9", "--points", "64"),
    ]


def test_constraint_by_name(flags: list[str]) -> None:
    answer = json.loads(run("solve", *flags, "--constraint", "at-most-fraction:0.3", "--json"))
    assert max(row["fraction"] for row in answer["allocation"]) <= 0.3 + 1e-7
    assert answer["method"] == "conic"
    assert "agree" in run("verify", *flags, "--constraint", "at-most-fraction:0.3", "--json")
    compared = json.loads(
        run(
            "compare",
            *flags,
            "--policy",
            "pro-rata",
            "--constraint",
            "at-most-fraction:0.3",
            "--json",
        )
    )
    assert compared["lower_bound"] == pytest.approx(answer["lower_bound"], rel=1e-5)


def test_infeasible_constraint_says_what_would_do(flags: list[str]) -> None:
    error = run("solve", *flags, "--constraint", "at-most-fraction:0.1", code=cli.INFEASIBLE)
    assert "at least 20 % of each position must be allowed" in error
    run("solve", *flags, "--constraint", "at-most-luck:0.1", code=cli.BAD_INPUT)


def test_further_criteria(flags: list[str]) -> None:
    alone = json.loads(run("solve", *flags, "--json"))
    both = json.loads(run("solve", *flags, "--then", "fewest-accounts", "--json"))
    assert both["value"] == pytest.approx(alone["value"], rel=1e-6, abs=1e-6)
    assert both["accounts_reduced"] <= alone["accounts_reduced"]
    assert "fewest_accounts" in both["details"]["stages"]
