"""Command lines with hostile files and values, for tools/fuzz.py."""

from __future__ import annotations

import importlib
import json
import random
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

records: Any = importlib.import_module("tests.sources.test_fuzz")  # documented records, damaged


class Finding(AssertionError):
    """An answer that cannot be right."""


def require(condition: object, what: str) -> None:
    if not condition:
        raise Finding(what)


HOSTILE = (
    *("", " ", "0", "-1", "1e999", "nan", "inf", "1e-320", "1_000", "0x10", "٣", "true", "None"),
    *("[/x]", "[bold]", "\x1b[31m", "\u202e", "a=b", "=", "=1", "BTC=", "BTC=-5%", "BTC=1e400"),
    *("BTC=-5", "cvar:0.9", "cvar:2", "cvar:", "1+", "2*", "evar:0.9", "0.5*cvar:0.9", "0:1:3"),
    *("0:1:0", "1:2:3:4", "../x.csv", "/nowhere/x.csv", "http://a/b.csv", "out.csv", "out.exe"),
    *("book.csv", "prices.csv", "broken.csv", "cross", "isolated", "both", "mark", "pro-rata:x"),
)
# Options, each with a value that is right for the book of `hostile_files`.
RIGHT = """
    --reduce BTC=-30% --mark BTC=11 --margin isolated --caps caps.csv --settlement BTC=9.5
    --direction BTC=3 --volatility BTC=0.5 --correlation 0.2 --horizon-days 3 --degrees 4
    --covariance matrix.csv --history prices.csv --window 2 --scenarios prices.csv --points 64
    --seed 1 --objective cvar:0.9 --insurance-fund 2 --method conic --tolerance 1e-4
    --solver HIGHS --out out.csv --accounts accounts.csv --config problem.toml
    --from-bankrupt mark --marks marks.csv
"""
OPTIONS = dict(zip(RIGHT.split()[::2], RIGHT.split()[1::2], strict=True))
COMMANDS = ("solve", "verify", "compare", "frontier", "exposure", "convert")
COUNTS = ("--points", "--seed")  # kept small: a million points may take their time


def hostile_files(rng: random.Random) -> None:
    """A good book and damaged tables in the current directory."""
    good = "account,asset,size,equity\na,BTC,-4,30\nb,BTC,-3,60\nc,BTC,7,900\n"
    Path("prices.csv").write_text("BTC\n8\n12\n17\n")
    Path("caps.csv").write_text("account,asset,cap\na,BTC,2\n")
    Path("matrix.csv").write_text(",BTC\nBTC,4\n")
    Path("marks.csv").write_text("asset,mark\nBTC,10\n")
    Path("accounts.csv").write_text("account,equity\na,30\nb,60\nc,900\n")
    Path("problem.toml").write_text('objective = "cvar:0.8"\npoints = 32\n')
    damaged = list(good)
    for _ in range(rng.choice([0, 1, 1, 3, 10])):
        index = rng.randrange(len(damaged))
        damaged[index] = rng.choice(["", ",", "\n", '"', "\x00", "-", "9", "[", "\x1b", "é", "e"])
    Path("broken.csv").write_text("".join(damaged), encoding="utf-8")
    Path("book.csv").write_text(good if rng.random() < 0.6 else "".join(damaged), encoding="utf-8")


def fuzz_command(seed: int) -> str:
    from typer.testing import CliRunner

    from adlopt import cli

    rng = random.Random(f"command {seed}")
    command, name = rng.choice(COMMANDS), ""
    typed = [command, "book.csv", "--mark", "BTC=10", "--reduce", "BTC=-3"]
    typed += rng.choice([[], ["--direction", "BTC=2"], ["--scenarios", "prices.csv"]])
    if command == "exposure":
        typed += ["--account", rng.choice("aabz")]
    if command == "convert":
        name = rng.choice([*records.FORMATS, "x"])
        typed = [command, name, rng.choice(["records.json"] * 4 + ["broken.csv"]), "made.csv"]
        typed += rng.choice([[], ["--equity", "50"], ["--account", "[/x]"]])
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        option = rng.choice(list(OPTIONS))
        value = str(rng.randint(-1, 99)) if option in COUNTS else rng.choice(HOSTILE)
        typed += [option, OPTIONS[option] if rng.random() < 0.6 else value]
    if rng.random() < 0.3:
        typed.append("--json")
    if rng.random() < 0.2:
        del typed[rng.randrange(1, len(typed))]
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        hostile_files(rng)
        if command == "convert" and name in records.FORMATS:
            record = json.loads(json.dumps(rng.choice(records.FORMATS[name][1])))
            if rng.random() < 0.5:
                records.mutate(rng, record)
            Path("records.json").write_text(json.dumps(record, default=str), encoding="utf-8")
        before = Path("book.csv").read_bytes()
        result = CliRunner().invoke(cli.app, typed, env={"COLUMNS": "100"})
        require(Path("book.csv").read_bytes() == before, f"the book was changed by {typed}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Finding(f"{typed}: {result.exception!r}") from result.exception
    shown = result.stdout + result.stderr
    require("\x1b" not in shown and "\u202e" not in shown, f"control characters from {typed}")
    require(result.exit_code in (0, 1, 2, 3, 4), f"exit code {result.exit_code} from {typed}")
    if result.exit_code in (1, 2, 3) and result.stderr:
        require(result.stderr.count("\n") == 1, f"{typed}: more than a line: {result.stderr}")
    # An option whose value was deleted takes "--json" as its value.
    asked = "--json" in typed and not typed[typed.index("--json") - 1].startswith("--")
    if result.exit_code in (0, 4) and asked and "--help" not in typed:
        json.loads(result.stdout)
    return f"{command}, exit code {result.exit_code}"
