"""Names are shown as they are, and files are written whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adlopt import cli

from .test_commands import run

ROOT = Path(__file__).parents[2]
NAMES = (
    "[/x]",
    "[vault] 7",
    "[bold]loud[/bold]",
    "\x1b[31mred",
    "over\u202ewritten",
    "a\rb",
    ":skull:",
    "[link=https://example.com]x",
    "{braces} %s \\n",
)
FLAGS = ("--mark", "BTC=10", "--reduce", "BTC=-5", "--direction", "BTC=3")


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


def book_of(names: list[str], path: str = "book.csv") -> str:
    equity = np.linspace(5.0, 20.0, len(names))
    frame = pd.DataFrame({"account": names, "asset": "BTC", "size": -2.0, "equity": equity})
    frame.to_csv(path, index=False, quoting=1)
    return path


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["solve", "verify", "compare", "exposure"])
def test_names_are_shown_as_they_are(command: str, name: str) -> None:
    flags = ("--account", name) if command == "exposure" else ()
    text = run(command, book_of([name, "b", "c"]), *FLAGS, *flags)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\r" not in text
    if command in ("solve", "exposure"):
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
        assert shown in text


@pytest.mark.parametrize("name", NAMES)
def test_names_are_exact_in_json(name: str) -> None:
    answer = json.loads(run("solve", book_of([name, "b", "c"]), *FLAGS, "--json"))
    assert {row["account"] for row in answer["allocation"]} == {name, "b", "c"}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_errors(name: str) -> None:
    table = pd.DataFrame({"account": [name], "asset": ["BTC"], "size": ["many"], "equity": [1.0]})
    table.to_csv("book.csv", index=False, quoting=1)
    message = run("solve", "book.csv", *FLAGS, code=cli.BAD_INPUT)
    assert message.strip().isprintable()


def test_names_of_assets_and_bankrupt_accounts() -> None:
    pd.DataFrame(
        {
            "account": ["\x1b[2Ja", "b", "[/c]"],
            "asset": ["[red]X"] * 3,
            "size": [-2.0, -3.0, -1.0],
            "equity": [50.0, 60.0, -1.0],
        }
    ).to_csv("book.csv", index=False)
    asked = ("--mark", "[red]X=10", "--reduce", "[red]X=-3", "--direction", "[red]X=4")
    text = run("solve", "book.csv", *asked)
    assert "shadow price [red]X" in text
    assert "account [/c] (cross)" in text
    assert r"\x1b[2Ja" in text
    assert "shadow" in run("frontier", "book.csv", *asked, "--multiples", "0.5,1")


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "flags",
    [
        ("--out", "book.csv"),
        ("--out", "./book.csv"),
        ("--out", "link.csv"),
        ("--scenarios", "prices.csv", "--out", "prices.csv"),
        ("--correlation", "rho.csv", "--volatility", "BTC=0.5", "--out", "rho.csv"),
    ],
)
def test_an_input_is_not_overwritten(flags: tuple[str, ...]) -> None:
    book_of(["a", "b", "c"])
    os.symlink("book.csv", "link.csv")
    Path("prices.csv").write_text("BTC\n9\n12\n")
    Path("rho.csv").write_text(",BTC\nBTC,1\n")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    asked = FLAGS[:4] if "--scenarios" in flags or "--volatility" in flags else FLAGS
    message = run("solve", "book.csv", *asked, *flags, code=cli.BAD_INPUT)
    assert "is an input; write to another one" in message
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_convert_does_not_overwrite_its_records() -> None:
    book_of(["a"], "records.csv")
    message = run("convert", "tables", "records.csv", "records.csv", code=cli.BAD_INPUT)
    assert "OUT records.csv: this file is an input" in message


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_a_full_disk_leaves_the_old_file(ending: str) -> None:
    """Files may be created, and nothing be written into them."""
    book_of(["a", "b", "c"])
    out = Path(f"out.{ending}")
    out.write_text("old")
    code = (
        "import resource, sys; from adlopt import cli; sys.argv[0] = 'adlopt';"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); cli.main()"
    )
    asked = ("solve", "book.csv", *FLAGS[:4], "--margin", "isolated", "--out", str(out))
    done = subprocess.run(
        [sys.executable, "-c", code, *asked],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == cli.BAD_INPUT, done.stderr
    assert done.stderr.startswith("adlopt: --out: cannot write")
    assert out.read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["book.csv", out.name]


# Ctrl-C while the table lies beside the old file, after its last line and before the rename.
INTERRUPTED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs behind a shell's "&"
from adlopt._internal import files
files._sync = lambda path: os.kill(os.getpid(), signal.SIGINT)
from adlopt.cli import main
main()
"""


def test_an_interruption_leaves_the_old_file() -> None:
    Path("book.csv").write_text("account,asset,size,equity\na,BTC,-5,20\nb,BTC,-3,9\n")
    Path("out.csv").write_text("old")
    stated = ["solve", "book.csv", "--mark", "BTC=10", "--reduce", "BTC=-30%"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *stated, "--margin", "isolated", "--out", "out.csv"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode not in (0, cli.BAD_INPUT), done.stderr
    assert "Traceback" not in done.stderr
    assert Path("out.csv").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["book.csv", "out.csv"]
