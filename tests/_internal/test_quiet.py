"""Nothing that HiGHS prints unasked reaches standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adlopt._internal.quiet import no_banner, silent_highs

ROOT = Path(__file__).parents[2]

SETUP = """
import cvxpy as cp, numpy as np, pandas as pd
import adlopt as adl
from adlopt._internal.quiet import silent_highs
book = adl.Book.from_frame(pd.DataFrame({
    "account": list("abcd"), "asset": "BTC", "size": [-4.0, -3.0, -5.0, 12.0],
    "equity": [9.0, 20.0, 31.0, 500.0]}), marks={"BTC": 10.0})
prices = adl.Scenarios(pd.DataFrame({"BTC": [8.0, 12.0, 14.0, 17.0, 21.0]}))
problem = adl.Problem(book, {"BTC": -5.0}, prices=prices, objective=adl.CVaR(0.5))
"""

# Several assets and both sides: limits on unstressed losses couple the positions.
LIMITED = """
rng = np.random.default_rng(3)
sizes = -rng.integers(1, 6, 12).astype(float)
rng.choice([1, 1, 1], 12)
table = pd.DataFrame({
    "account": list("abcdef") * 2, "asset": ["A"] * 6 + ["B"] * 6, "size": sizes,
    "equity": np.tile(rng.uniform(1, 10, 6), 2)})
table.loc[0, "size"] *= -1
moved = adl.Scenarios(pd.DataFrame({"A": rng.uniform(5, 16, 12), "B": rng.uniform(5, 16, 12)}))
limited = adl.optimal_set(adl.Problem(
    adl.Book.from_frame(table, marks={"A": 10.0, "B": 10.0}).with_margin("isolated"),
    {"A": -4.0, "B": -3.0}, prices=moved, objective=adl.CVaR(0.5)))
assert limited.binding_scenarios.size
limited.select("fewest_accounts")
"""

ROADS = {
    "conic": "assert adl.solve(problem, 'conic', solver='HIGHS').status == 'optimal'",
    "auto": "assert adl.solve(problem).status == 'optimal'",
    "verify": "adl.verify(problem)",
    "cvxpy": "adl.to_cvxpy(problem).solve(solver='HIGHS')",
    "optimal_set": "adl.optimal_set(problem).select('fewest_accounts')",
    "limited set": LIMITED,
    "rounding": "adl.round_to_lots(problem, adl.solve(problem).allocation, lots={'BTC': 1.0})",
    "construction": "silent_highs().run()",
}


def printed_by(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_standard_output_stays_clean() -> None:
    """In one process, so that a line that is printed late is noticed too."""
    code = SETUP + "".join(f"\nprint({name!r}, flush=True)\n{use}" for name, use in ROADS.items())
    assert printed_by(code).splitlines() == list(ROADS)


def test_command_line_prints_json_alone(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_text(
        "account,asset,size,equity\na,BTC,-4,9\nb,BTC,-3,20\nc,BTC,7,500\n"
    )
    (tmp_path / "prices.csv").write_text("BTC\n8\n12\n17\n")
    flags = "--mark BTC=10 --reduce BTC=-5 --scenarios prices.csv --objective cvar:0.5 --json"
    code = (
        "import sys; from adlopt.cli import main; "
        f"sys.argv = 'adlopt solve book.csv --method conic --solver HIGHS {flags}'.split(); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "optimal"


def test_other_output_is_written_after_the_block() -> None:
    """What other code writes in the block comes out, in order, without the banner."""
    code = """
import os, highspy
from adlopt._internal.quiet import no_banner
print("before")
with no_banner():
    with no_banner():
        highspy.Highs()
        print("python", flush=True)
    os.write(1, b"descriptor without end of line")
print(", after")
"""
    assert printed_by(code) == "before\npython\ndescriptor without end of line, after\n"


def test_solvers_talk_when_asked() -> None:
    assert "HiGHS" in printed_by(
        f"{SETUP}\nadl.to_cvxpy(problem).solve(solver='HIGHS', verbose=True)"
    )


def test_several_threads() -> None:
    code = """
import threading
from adlopt._internal.quiet import silent_highs
threads = [threading.Thread(target=silent_highs) for _ in range(20)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print("done")
"""
    assert printed_by(code) == "done\n"


def test_process_without_standard_output() -> None:
    code = "import os, sys; os.close(1); sys.stdout = None\n" + (
        "from adlopt._internal.quiet import silent_highs; silent_highs().run()"
    )
    assert printed_by(code) == ""


def test_text_stream_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """As in notebooks: `sys.stdout` is an object without a file descriptor."""
    with no_banner():
        print("kept")
    silent_highs()
    assert capsys.readouterr().out == "kept\n"


def test_under_capture_of_descriptors(capfd: pytest.CaptureFixture[str]) -> None:
    silent_highs()
    with no_banner():
        os.write(1, b"kept\n")
    assert capfd.readouterr().out == "kept\n"


def test_no_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with no_banner():
        pass
    silent_highs()
