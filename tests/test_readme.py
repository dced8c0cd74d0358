"""The README's examples run, print what it says, and its commands succeed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner

from adlopt.cli import app
from adlopt.datasets.examples import paper_book

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_python_examples_print_what_is_shown(capsys):
    examples, printed = blocks("python"), blocks("text")
    assert len(examples) == len(printed) > 0
    names: dict[str, object] = {}
    for example, expected in zip(examples, printed, strict=True):
        exec(compile(example, "README.md", "exec"), names)
        assert capsys.readouterr().out == expected


def test_commands_succeed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "NUMBA_DISABLE_JIT", "0"
    )  # what a command switches off is meant for a process of its own
    paper_book().to_csv("book.csv")
    prices = pd.DataFrame(
        {"BTC": [50_000.0, 67_000.0, 80_000.0, 90_000.0], "ETH": [1500.0, 1900.0, 2200.0, 2300.0]}
    )
    prices.to_csv("prices.csv", index=False)
    for kind, name in (("json", "states.json"), ("toml", "problem.toml")):
        (block,) = blocks(kind)
        Path(name).write_text(block)
    commands = [
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("adlopt ")
    ]
    assert len(commands) >= 4
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.output, result.stderr)
