"""Names are shown as they are, and files are written whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
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


def test_an_interruption_leaves_the_old_file() -> None:
    """Interrupted as soon as something is written beside the old file."""
    rng = np.random.default_rng(1)
    count = 150_000
    pd.DataFrame(
        {
            "account": [f"account {i}" for i in range(count)],
            "asset": "BTC",
            "size": -rng.uniform(1, 5, count),
            "equity": rng.uniform(5, 50, count),
        }
    ).to_csv("book.csv", index=False)
    Path("out.csv").write_text("old")
    asked = [
        "solve",
        "book.csv",
        "--mark",
        "BTC=10",
        "--reduce",
        "BTC=-30%",
        "--margin",
        "isolated",
        "--out",
        "out.csv",
    ]
    for _ in range(5):  # a busy machine may deliver the signal after the last line is written
        Path("out.csv").write_text("old")
        process = subprocess.Popen(
            [sys.executable, "-m", "adlopt", *asked],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            beside = [path for path in Path().glob(".out.csv.*") if path.stat().st_size > 10_000]
            if beside:
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.002)
        process.communicate(timeout=60)
        if process.returncode != 0:
            break
        assert len(Path("out.csv").read_text().splitlines()) == count + 1  # whole
    assert process.returncode != 0
    assert Path("out.csv").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["book.csv", "out.csv"]
