"""The command line: answers, exit codes and one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import adlopt as adl
from adlopt import cli
from adlopt._internal.tables import EXACT
from adlopt.cli import render
from adlopt.datasets.examples import paper_book, paper_direction, paper_tables
from tests.support import DATA

HYPERLIQUID = DATA / "hyperliquid_20251010_accounts.csv"
DIRECTION = [
    flag
    for asset, move in paper_direction().items()
    for flag in ("--direction", f"{asset}={move!r}")
]


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def book() -> str:
    paper_book().to_csv("book.csv")
    return "book.csv"


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if code in (cli.FAILED, cli.BAD_INPUT, cli.INFEASIBLE):
        assert result.stdout == ""
        assert result.stderr.startswith("adlopt: ")
        assert result.stderr.count("\n") == 1
        return result.stderr
    assert result.stderr == ""
    return result.stdout


def solve_json(*arguments: object, code: int = 0) -> Any:
    return json.loads(run("solve", *arguments, "--json", code=code))


# ---------------------------------------------------------------------- solve


def test_one_factor_example(book: str) -> None:
    answer = solve_json(book, "--reduce", "BTC=-10", *DIRECTION)
    assert answer["method"] == "factor_leverage"
    assert answer["status"] == "optimal"
    assert answer["value"] == pytest.approx(500.4633, rel=1e-6)
    assert answer["water_level"] == pytest.approx(0.40456263, rel=1e-6)
    assert answer["shadow_prices"] == {"BTC": pytest.approx(125.1004, rel=1e-5)}
    assert answer["bankrupt"] == []
    reduction = {row["account"]: row["reduction"] for row in answer["allocation"]}
    expected = {"1": -3.0158, "2": -0.1391, "3": -6.8451, "4": 0}
    assert reduction == {name: pytest.approx(amount, abs=1e-3) for name, amount in expected.items()}


def test_json_carries_floats_in_full(book: str) -> None:
    answer = solve_json(book, "--reduce", "BTC=-10", *DIRECTION)
    problem = adl.Problem(paper_book(), {"BTC": -10.0}, prices=adl.OneFactor(paper_direction()))
    exact = adl.solve(problem)
    assert [row["reduction"] for row in answer["allocation"]] == exact.allocation[
        "reduction"
    ].tolist()
    assert answer["value"] == exact.value


def test_readable_tables(book: str) -> None:
    text = run("solve", book, "--reduce", "BTC=-10", *DIRECTION)
    for part in (
        "factor_leverage",
        "500.46",
        "water level",
        "shadow price BTC",
        "85.6 %",
        "3 of 4",
    ):
        assert part in text
    assert "\x1b" not in text


def test_isolated_needs_no_price_model(book: str) -> None:
    answer = solve_json(book, "--reduce", "BTC=-10", "--margin", "isolated")
    assert answer["method"] == "water_filling"
    assert [answer[name] for name in ("value", "lower_bound", "gap", "shadow_prices")] == [None] * 4
    assert answer["water_level"] == pytest.approx(3.9352742)
    assert "every price path" in run("solve", book, "--reduce", "BTC=-10", "--margin", "isolated")


def test_several_reduced_assets_have_their_own_levels(book: str) -> None:
    answer = solve_json(book, "--reduce", "BTC=-10", "--reduce", "ETH=-100", "--margin", "isolated")
    assert set(answer["water_level"]) == {"BTC", "ETH"}


def test_shares_of_open_interest(book: str) -> None:
    by_share = solve_json(
        book, "--reduce", "BTC=-50%", "--reduce", "ETH=10%", "--margin", "isolated"
    )
    total = pd.DataFrame(by_share["allocation"]).groupby("asset")["reduction"].sum()
    assert total["BTC"] == pytest.approx(-33 / 2, rel=1e-12)
    assert total["ETH"] == pytest.approx((38.7 + 190) / 10, rel=1e-12)


def covariance_csv() -> pd.DataFrame:
    matrix = pd.DataFrame(
        [[4.4e7, 1.2e6], [1.2e6, 4.1e4]], index=["BTC", "ETH"], columns=["BTC", "ETH"]
    )
    matrix.to_csv("covariance.csv")
    return matrix


@pytest.mark.parametrize("degrees", [None, 4.0])
def test_elliptical_prices_are_those_of_the_library(book: str, degrees: float | None) -> None:
    matrix = covariance_csv()
    flags = [] if degrees is None else ["--degrees", degrees]
    answer = solve_json(book, "--reduce", "BTC=-10", "--covariance", "covariance.csv", *flags)
    prices = adl.Gaussian(matrix) if degrees is None else adl.StudentT(matrix, degrees)
    assert answer["value"] == pytest.approx(
        adl.solve(adl.Problem(paper_book(), {"BTC": -10.0}, prices=prices)).value, rel=1e-12
    )


@pytest.mark.parametrize("window", [["--window", "2"], ["--window", "2D"], []])
def test_history_of_prices(book: str, window: list[str]) -> None:
    times = pd.date_range("2025-10-01", periods=60, freq="D", name="time")
    walk = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.08, (60, 2)), axis=0))
    past = pd.DataFrame(walk * [67_000.0, 1_900.0], index=times, columns=["BTC", "ETH"])
    past.to_csv("history.csv")
    answer = solve_json(
        book, "--reduce", "BTC=-10", "--history", "history.csv", *window, "--objective", "cvar:0.9"
    )
    prices = adl.History(past, 2 if window else 1)
    exact = adl.solve(
        adl.Problem(paper_book(), {"BTC": -10.0}, prices=prices, objective=adl.CVaR(0.9))
    )
    assert answer["value"] == pytest.approx(exact.value, rel=1e-9)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (
            ["--covariance", "covariance.csv", *DIRECTION],
            "--direction and --covariance are different price models",
        ),
        ([*DIRECTION, "--degrees", "4"], "--degrees has no effect without --covariance"),
        ([*DIRECTION, "--window", "4"], "--window has no effect without --history"),
        (["--covariance", "none.csv"], "'none.csv' is not a readable .csv matrix"),
        (["--covariance", "covariance.csv", "--degrees", "1"], "df"),
        (["--history", "covariance.csv"], "expected times such as"),
    ],
)
def test_price_models_that_do_not_stand(book: str, flags: list[str], part: str) -> None:
    covariance_csv()
    assert part in run("solve", book, "--reduce", "BTC=-10", *flags, code=cli.BAD_INPUT)


@pytest.mark.parametrize(
    "objective",
    [
        "evar:0.9",
        "entropic:0.0001",
        "expectile:0.8",
        "semideviation:0.5",
        "chi-square:0.3",
        "worst-case",
    ],
)
def test_every_objective_has_a_name(book: str, objective: str) -> None:
    pd.DataFrame({"BTC": [60e3, 67e3, 130e3], "ETH": [1.5e3, 1.9e3, 1.9e3]}).to_csv(
        "prices.csv", index=False
    )
    assert (
        solve_json(
            book, "--reduce", "BTC=-10", "--scenarios", "prices.csv", "--objective", objective
        )["value"]
        > 0
    )


def test_tables_given_apart(book: str) -> None:
    positions, accounts = paper_tables()
    positions.to_parquet("positions.parquet")
    accounts.assign(account=accounts["account"].astype(int)).to_parquet("accounts.parquet")
    pd.DataFrame({"asset": ["BTC", "ETH"], "mark": [67_000.0, 1.0]}).to_csv(
        "marks.csv", index=False
    )
    whole = solve_json(book, "--reduce", "BTC=-10", *DIRECTION)
    apart = solve_json(
        "positions.parquet",
        "--accounts",
        "accounts.parquet",
        "--marks",
        "marks.csv",
        "--mark",
        "ETH=1900",
        "--reduce",
        "BTC=-10",
        *DIRECTION,
    )
    assert apart["allocation"] == whole["allocation"]


def test_lognormal_with_a_correlation_number_or_file(book: str) -> None:
    pd.DataFrame([[1, 0.85], [0.85, 1]], index=["BTC", "ETH"], columns=["BTC", "ETH"]).to_csv(
        "correlation.csv"
    )
    flags = [
        "--reduce",
        "BTC=-10",
        "--volatility",
        "BTC=0.6",
        "--volatility",
        "ETH=0.75",
        "--horizon-days",
        "10",
    ]
    few = ["--points", "1024", "--seed", "3"]
    by_number = solve_json(book, *flags, "--correlation", "0.85", *few)
    by_file = solve_json(book, *flags, "--correlation", "correlation.csv", *few)
    other = solve_json(book, *flags, "--correlation", "0.85", "--points", "1024", "--seed", "4")
    assert by_number["method"] == "shadow_price"
    assert by_number["value"] == by_file["value"] != other["value"]
    assert by_number["value"] == pytest.approx(2194.89, rel=0.05)


def test_scenarios_objective_and_fund(book: str) -> None:
    prices = pd.DataFrame(
        {"ETH": [1900.0, 2100, 2300], "BTC": [60_000.0, 80_000, 95_000], "weight": [0.5, 0.3, 0.2]}
    )
    prices.to_csv("scenarios.csv", index=False)
    flags = ["--reduce", "BTC=-10", "--scenarios", "scenarios.csv"]
    model = adl.Scenarios(prices[["ETH", "BTC"]], weights=prices["weight"])
    objective = adl.ExpectedLoss() + 0.5 * adl.CVaR(0.6)
    problem = adl.Problem(
        paper_book(), {"BTC": -10.0}, prices=model, objective=objective, insurance_fund=1000.0
    )
    answer = solve_json(
        book, *flags, "--objective", "expected-loss + 0.5*cvar:0.6", "--insurance-fund", "1000"
    )
    assert answer["value"] == pytest.approx(adl.solve(problem).value, rel=1e-9)


def test_caps_and_settlement(book: str) -> None:
    pd.DataFrame({"account": ["3"], "asset": ["BTC"], "cap": [2.0]}).to_csv("caps.csv", index=False)
    capped = solve_json(book, "--reduce", "BTC=-10", "--caps", "caps.csv", *DIRECTION)
    assert {row["account"]: row["reduction"] for row in capped["allocation"]}["3"] == pytest.approx(
        -2
    )
    off_mark = solve_json(
        book,
        "--reduce",
        "BTC=-10",
        "--settlement",
        "BTC=66000",
        *DIRECTION,
        "--points",
        "512",
        "--objective",
        "cvar:0.9",
    )
    assert off_mark["method"] == "shadow_price"


def test_method_and_solver(book: str) -> None:
    flags = [book, "--reduce", "BTC=-10", *DIRECTION, "--points", "256", "--objective", "cvar:0.9"]
    general = solve_json(*flags, "--method", "conic", "--solver", "HIGHS", "--tolerance", "1e-5")
    fast = solve_json(*flags)
    assert (general["method"], fast["method"]) == ("conic", "factor_leverage")
    assert general["tolerance"] == 1e-5
    assert general["value"] == pytest.approx(fast["value"], rel=1e-6)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.json"])
def test_out_round_trip(book: str, name: str) -> None:
    answer = solve_json(book, "--reduce", "BTC=-10", *DIRECTION, "--out", name)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": lambda path: pd.read_csv(path, **EXACT),
        ".parquet": pd.read_parquet,
        ".json": lambda path: pd.DataFrame(json.loads(path.read_text())),
    }
    table = readers[Path(name).suffix](Path(name))
    assert table["reduction"].tolist() == [row["reduction"] for row in answer["allocation"]]
    problem = adl.Problem(paper_book(), {"BTC": -10.0}, prices=adl.OneFactor(paper_direction()))
    proof = adl.certify(problem, table.assign(account=table["account"].astype(str)))
    assert proof.gap < 1e-9


def test_bankrupt_accounts_are_listed(book: str) -> None:
    table = paper_book().to_frame()
    table.loc[table["account"] == "2", "equity"] = -5.0
    table.to_csv(book, index=False)
    flags = [book, "--reduce", "BTC=-10", *DIRECTION]
    assert [row["account"] for row in solve_json(*flags)["bankrupt"]] == ["2"]
    assert "account 2 (cross): equity -5, notional 743,530" in run("solve", *flags)
    assert "Bankrupt" in run("verify", *flags, "--method", "factor_leverage")


@pytest.mark.skipif(
    not HYPERLIQUID.exists(), reason="the shared table of Hyperliquid accounts is absent"
)
def test_hyperliquid_accounts() -> None:
    answer = solve_json(HYPERLIQUID, "--mark", "MARKET=1", "--reduce", "MARKET=-30%")
    assert answer["method"] == "water_filling"
    table = pd.DataFrame(answer["allocation"])
    required = 0.3 * table["size"].sum()
    assert table["reduction"].sum() == pytest.approx(required, rel=1e-9)
    level = answer["water_level"]
    assert isinstance(level, float)
    assert (table["leverage_after"] <= level * (1 + 1e-6)).all()
    untouched = table["reduction"] == 0
    np.testing.assert_array_less(table.loc[untouched, "leverage_before"], level * (1 + 1e-9))


# ---------------------------------------------------------------------- verify, demo, and the rest


def test_verify(book: str) -> None:
    flags = ["verify", book, "--reduce", "BTC=-10", *DIRECTION]
    check = json.loads(run(*flags, "--json"))
    assert check["agree"]
    assert abs(check["difference"]) < 1e-6
    assert check["value"] == pytest.approx(check["check_value"], rel=1e-6)
    assert "They agree" in run(*flags)


def test_frontier(book: str) -> None:
    flags = ["frontier", book, "--reduce", "BTC=-10", *DIRECTION]
    points = json.loads(run(*flags, "--multiples", "0.5:1.5:3", "--json", "--out", "points.csv"))
    expected = adl.frontier(
        adl.Problem(paper_book(), {"BTC": -10.0}, prices=adl.OneFactor(paper_direction())),
        [0.5, 1.0, 1.5],
    ).table
    for name in ("multiple", "value", "lower_bound", "shadow_price_BTC", "water_level_BTC"):
        assert (
            [point[name] for point in points]
            == expected[name].tolist()
            == pytest.approx(pd.read_csv("points.csv")[name].tolist(), rel=1e-15)
        )
    text = run(*flags)
    assert text.count("optimal") == 10
    assert "shadow" in text
    funds = json.loads(run(*flags, "--funds", "0,1000", "--json"))
    assert [point["insurance_fund"] for point in funds] == [0, 1000]
    levels = json.loads(run(*flags, "--objective", "cvar:0.5", "--levels", "0.5,0.9", "--json"))
    assert levels[0]["value"] < levels[1]["value"]
    assert "isolated" not in run("frontier", book, "--reduce", "BTC=-10", "--margin", "isolated")
    run(
        *flags,
        "--method",
        "conic",
        "--points",
        "64",
        "--multiples",
        "1",
        "--tolerance",
        "1e-300",
        code=cli.NOT_PROVEN,
    )


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--multiples", "1:2"], "FROM:TO:COUNT"),
        (["--multiples", "1:2:0"], "FROM:TO:COUNT"),
        (["--multiples", "a,b"], "--multiples: 'a' is not a number"),
        (["--multiples", "-1"], "must be > 0"),
        (["--multiples", "1", "--funds", "1"], "sweep one of"),
        (["--levels", "0.5"], "needs the objective CVaR"),
        (["--out", "points.xlsx"], ".csv, .parquet, .json"),
    ],
)
def test_bad_frontier(book: str, flags: list[str], part: str) -> None:
    assert part in run(
        "frontier", book, "--reduce", "BTC=-10", *DIRECTION, *flags, code=cli.BAD_INPUT
    )


@pytest.mark.parametrize(
    ("typed", "at", "offered"),
    [("adlopt fr", 1, "frontier"), ("adlopt convert hyperl", 2, "hyperliquid")],
)
def test_shell_completion(
    monkeypatch: pytest.MonkeyPatch, typed: str, at: int, offered: str
) -> None:
    for name, value in {
        "_ADLOPT_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(at),
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli.app, [], prog_name="adlopt")
    assert result.stdout.split() == [offered]


def test_progress_is_shown_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(render.progress_bar("solving", [1, 2])) == [1, 2]
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if standard error were a terminal
    assert list(render.progress_bar("solving", [1, 2])) == [1, 2]
    with render.spinner("solving"):
        pass


def test_demo_shows_that_gross_leverage_misleads() -> None:
    # In a process of its own: it runs the inner loops uncompiled.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "adlopt", "demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert (done.returncode, done.stderr) == (0, "")
    flat = " ".join(done.stdout.split())
    assert (
        "Account 4 has the highest gross leverage, 7.10, and the lowest factor leverage, 0.072"
        in flat
    )
    assert "3.5 times the expected loss" in flat
    for figure in (
        "4,316",
        "1,766.58",
        "500.46",
        "125.10",
        "3.9353",
        "0.4046",
        "-6.8451",
        "Clarabel agree",
    ):
        assert figure in flat


def test_help_names_an_example_for_every_command() -> None:
    for command in ("demo", "solve", "verify", "frontier", "convert"):
        assert "Example" in run(command, "--help")
    assert "solve" in run("--help")
    assert run("--version").split() == ["adlopt", adl.__version__]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['adlopt', 'solve', '--help']\n"
        "from adlopt.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert not {'cvxpy', 'numba', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[1]
    )


def test_module_runs_as_a_command(book: str) -> None:
    def module(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "adlopt", *arguments, str(Path(book).resolve())],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[1],
        )

    done = module("solve", "--reduce", "BTC=-10", "--margin", "isolated", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["method"] == "water_filling"
    beyond = module("solve", "--reduce", "BTC=-1000", "--margin", "isolated")
    assert (beyond.returncode, beyond.stdout) == (cli.INFEASIBLE, "")
    assert "Traceback" not in beyond.stderr


# ---------------------------------------------------------------------- exit codes


def test_infeasible_says_how_much_is_there(book: str) -> None:
    message = run("solve", book, "--reduce", "BTC=-40", code=cli.INFEASIBLE)
    assert "BTC: required 40 contracts, available 33" in message


def test_unproven_answers_are_printed_with_their_own_code(book: str) -> None:
    flags = [
        book,
        "--reduce",
        "BTC=-10",
        *DIRECTION,
        "--method",
        "conic",
        "--points",
        "64",
        "--tolerance",
        "1e-300",
    ]
    answer = solve_json(*flags, code=cli.NOT_PROVEN)
    assert answer["status"] == "unproven"


def test_disagreement_has_the_same_code(book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from adlopt.solving.verification import Verification

    wrong = Verification(
        "a",
        2.0,
        check="b",
        check_value=1.0,
        seconds=(0.0, 0.0),
        before=3.0,
        scenarios=4,
        tolerance=1e-6,
    )
    monkeypatch.setattr(cli.solve_commands, "verify_problem", lambda *_, **__: wrong)
    assert "DISAGREE" in run("verify", book, "--reduce", "BTC=-1", *DIRECTION, code=cli.NOT_PROVEN)


def test_solver_failure(book: str) -> None:
    flags = [
        "--reduce",
        "BTC=-10",
        *DIRECTION,
        "--method",
        "conic",
        "--points",
        "64",
        "--solver",
        "NOSUCH",
    ]
    assert "NOSUCH" in run("solve", book, *flags, code=cli.FAILED)


SCENARIOS = {"BTC": [60_000.0, 80_000.0], "ETH": [1900.0, 2100.0]}


def changed(**columns: Any) -> pd.DataFrame:
    """The example's table with the first row's columns changed."""
    table = paper_book().to_frame().astype({"margin_mode": str})
    for name, value in columns.items():
        table[name] = table[name].astype(object)
        table.loc[0, name] = value
    return table


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        (changed(size=np.nan), ["line 2", "'size'", "not a finite number"]),
        (changed(size="inf"), ["line 2", "'size'", "not a finite number"]),
        (changed(size="ten"), ["line 2", "'size'", "'ten' is not a number"]),
        (changed(mark=np.nan), ["line 2", "'mark'", "not a finite number"]),
        (changed(mark=0.0), ["line 2", "'mark'", "not a price > 0"]),
        (changed(mark=-1.0), ["line 2", "'mark'", "not a price > 0"]),
        (changed(entry_price="inf"), ["line 2", "'entry_price'"]),
        (changed(equity=np.nan), ["'equity'"]),
        (changed(equity="inf"), ["line 2", "'equity'", "not a finite number"]),
        (changed(asset="ETH", mark=1900.0), ["line 3", "already has a position in 'ETH'"]),
        (changed().iloc[:0], ["no rows"]),
        (changed().drop(columns="size"), ["column 'size' is missing"]),
        (changed().drop(columns="mark"), ["--mark ASSET=PRICE"]),
        (changed().drop(columns="equity"), ["no equity is known for '1'"]),
    ],
)
def test_bad_tables(table: pd.DataFrame, parts: list[str]) -> None:
    table.to_csv("book.csv", index=False)
    message = run("solve", "book.csv", "--reduce", "BTC=-1", *DIRECTION, code=cli.BAD_INPUT)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--mark", "BTC=67000"], ["no mark for 'ETH'"]),
        (["--mark", "BTC=0", "--mark", "ETH=1"], ["'BTC'", "not a price > 0"]),
        (["--mark", "BTC=nan", "--mark", "ETH=1"], ["'BTC'", "not a finite number"]),
        (["--mark", "BTC"], ["ASSET=NUMBER"]),
        (["--mark", "BTC=1", "--mark", "BTC=2"], ["given twice"]),
        (["--reduce", "DOGE=-1"], ["unknown asset 'DOGE'", "BTC, ETH"]),
        (["--reduce", "DOGE=-1%"], ["'DOGE'", "unknown asset"]),
        (["--reduce", "ETH=0"], ["'ETH'", "zero"]),
        (["--reduce", "ETH=x%"], ["'ETH'", "not a number"]),
        (["--margin", "portfolio"], ["'portfolio'", "'cross' or 'isolated'"]),
        (["--objective", "cvar:1"], ["[0, 1)"]),
        (["--objective", "cvar:-0.1"], ["[0, 1)"]),
        (["--objective", "cvar"], ["cvar:0.99"]),
        (["--objective", "expected-loss:1"], ["no number"]),
        (["--objective", "variance"], ["expected-loss, cvar"]),
        (["--objective", "-1*cvar:0.9"], [">= 0"]),
        (["--insurance-fund", "-1"], ["insurance_fund", ">= 0"]),
        (["--method", "magic"], ["'magic'", "water_filling"]),
        (["--method", "water_filling", *DIRECTION], ["more than one asset"]),
        (["--solver", "CLARABEL", *DIRECTION], ["conic"]),
        ([], ["without a price model", "--direction"]),
        (["--direction", "BTC=1"], ["'ETH'"]),
        ([*DIRECTION, "--volatility", "BTC=1"], ["give one"]),
        (["--points", "8"], ["--points has no effect"]),
        ([*DIRECTION, "--correlation", "0.5"], ["--correlation has no effect"]),
        ([*DIRECTION, "--points", "1"], [">= 3"]),
        ([*DIRECTION, "--points", "many"], ["--points"]),
        (
            ["--volatility", "BTC=1", "--volatility", "ETH=1", "--correlation", "2"],
            ["must lie in [-1, 1]"],
        ),
        (
            ["--volatility", "BTC=1", "--volatility", "ETH=1", "--correlation", "none.csv"],
            ["none.csv"],
        ),
        (["--volatility", "BTC=1", "--volatility", "ETH=1", "--horizon-days", "0"], ["horizon"]),
        (["--scenarios", "none.csv"], ["cannot read none.csv"]),
        (["--accounts", "none.parquet"], ["cannot read none.parquet"]),
        (["--caps", "book.csv"], ["caps", "'cap' is missing"]),
        ([*DIRECTION, "--out", "answer.xlsx"], [".csv, .parquet, .json"]),
        ([*DIRECTION, "--out", "nowhere/answer.csv"], ["nowhere/answer.csv"]),
        (["--bogus"], ["--bogus"]),
    ],
)
def test_bad_flags(book: str, flags: list[str], parts: list[str]) -> None:
    asked = [] if "--reduce" in flags else ["--reduce", "BTC=-1"]
    message = run("solve", book, *asked, *flags, code=cli.BAD_INPUT)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ({"BTC": [1.0, 2.0]}, ["no prices for asset 'ETH'"]),
        (SCENARIOS | {"weight": [1.5, -0.5]}, ["weight 1 is -0.5", ">= 0"]),
        (SCENARIOS | {"weight": [0.5, 0.6]}, ["sum to 1.1"]),
        (SCENARIOS | {"weight": [0.5, "half"]}, ["'half' is not a number"]),
        (SCENARIOS | {"ETH": [1.0, np.nan]}, ["'ETH'", "not a finite number"]),
    ],
)
def test_bad_scenarios(book: str, table: dict[str, list[float]], parts: list[str]) -> None:
    pd.DataFrame(table).to_csv("scenarios.csv", index=False)
    message = run(
        "solve", book, "--reduce", "BTC=-1", "--scenarios", "scenarios.csv", code=cli.BAD_INPUT
    )
    for part in parts:
        assert part in message


def test_correlation_matrix_that_is_none(book: str) -> None:
    pd.DataFrame([[1, 3], [3, 1]], index=["BTC", "ETH"], columns=["BTC", "ETH"]).to_csv(
        "correlation.csv"
    )
    flags = ["--volatility", "BTC=1", "--volatility", "ETH=1", "--correlation", "correlation.csv"]
    assert "not positive semidefinite" in run(
        "solve", book, "--reduce", "BTC=-1", *flags, code=cli.BAD_INPUT
    )


def test_share_of_nothing(book: str) -> None:
    table = paper_book().to_frame()
    table[table["asset"] == "BTC"].to_csv(book, index=False)
    message = run("solve", book, "--reduce", "BTC=5%", code=cli.BAD_INPUT)
    assert "no solvent account is long" in message
    assert "available 33" in run("solve", book, "--reduce", "BTC=-101%", code=cli.INFEASIBLE)


def test_unreadable_tables() -> None:
    assert "cannot read none.csv" in run(
        "solve", "none.csv", "--reduce", "BTC=-1", code=cli.BAD_INPUT
    )
    Path("book.parquet").write_text("no parquet")
    assert "cannot read book.parquet" in run(
        "solve", "book.parquet", "--reduce", "BTC=-1", code=cli.BAD_INPUT
    )
    Path("book.csv").write_text("account,asset,size\n1,BTC,-1,5\n")
    assert "more fields than its header" in run(
        "solve", "book.csv", "--reduce", "BTC=-1", code=cli.BAD_INPUT
    )


def test_nothing_asked(book: str) -> None:
    assert "BOOK" in run("solve", code=cli.BAD_INPUT)
    assert "--reduce" in run("solve", book, code=cli.BAD_INPUT)
    assert "resolve" in run("resolve", book, code=cli.BAD_INPUT)


def test_from_bankrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [("broke", "BTC", 2.0, -30.0), ("a", "BTC", -3.0, 200.0), ("b", "BTC", -1.0, 20.0)]
    table = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"]).assign(mark=100.0)
    table.to_csv("book.csv", index=False)
    flags = ["--scenarios", "prices.csv"]
    pd.DataFrame({"BTC": [90.0, 200.0]}).to_csv("prices.csv", index=False)
    taken = {
        row["account"]: row["reduction"]
        for row in solve_json("book.csv", "--from-bankrupt", "mark", *flags)["allocation"]
    }
    assert taken["a"] + taken["b"] == -2.0
    at_price = solve_json(
        "book.csv", "--from-bankrupt", "bankruptcy", *flags
    )  # 115: b pays 15 for its contract
    assert at_price["value"] != solve_json("book.csv", "--from-bankrupt", "mark", *flags)["value"]
