"""The command `adlopt`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from adlopt import _render as render
from adlopt import _render_rules as rendering
from adlopt import examples, policies
from adlopt._convert import FORMATS, load_records
from adlopt._flags import read_policy, read_sweep, states_problem
from adlopt.audit import audit as audit_policy
from adlopt.compare import compare as compare_policies
from adlopt.errors import AdlError, InfeasibleReduction, InputError, SolverFailed
from adlopt.evaluation import objective_value
from adlopt.exposure import exposure as account_exposure
from adlopt.frontier import frontier as sweep_problem
from adlopt.plots._canvas import require_matplotlib
from adlopt.policies.standard import BY_NAME
from adlopt.problem import Problem
from adlopt.solve import METHODS
from adlopt.solve import solve as solve_problem
from adlopt.verify import verify as verify_problem

FAILED, BAD_INPUT, INFEASIBLE, NOT_PROVEN = 1, 2, 3, 4

# Typer brings its own click, or uses an installed one, by its version; either way this is click's UsageError.
USAGE_ERROR = cast(type[Exception], typer.BadParameter.__base__)


def exit_code(error: AdlError) -> int:
    """What a script sees of an error."""
    if isinstance(error, InfeasibleReduction):
        return INFEASIBLE
    return FAILED if isinstance(error, SolverFailed) else BAD_INPUT


class Commands(TyperGroup):
    """A group whose every failure is one line on standard error and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            # What was typed is kept for reports.
            typed = shlex.join(["adlopt", *(sys.argv[1:] if args is None else args)])
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **{"obj": typed, **extra})
            return sys.exit(code) if standalone_mode else code
        except AdlError as error:
            fail(str(error), exit_code(error))
        except USAGE_ERROR as error:
            fail(error.format_message(), BAD_INPUT)  # type: ignore[attr-defined]
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(FAILED)


def fail(message: str, code: int) -> NoReturn:
    print("adlopt:", " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


app = typer.Typer(
    cls=Commands,
    help="Risk-based auto-deleveraging as convex optimisation, with proven answers.",
    epilog="Exit codes: 0 fine, 1 solver failed, 2 bad input, 3 infeasible, 4 not proven optimal.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)

SOLVING, OUTPUT, SWEEP = "Solving", "Output", "A,B,...|FROM:TO:COUNT"
Method = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help=f"One of {', '.join(METHODS)}.",
        autocompletion=lambda: list(METHODS),
        rich_help_panel=SOLVING,
    ),
]
Tolerance = Annotated[float, typer.Option(metavar="GAP", help="Relative gap that counts as proven.", rich_help_panel=SOLVING)]
Solver = Annotated[str | None, typer.Option(metavar="NAME", help="cvxpy's name of the conic solver.", rich_help_panel=SOLVING)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, floats in full.", rich_help_panel=OUTPUT)]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the allocation: .csv, .parquet or .json.", rich_help_panel=OUTPUT)
]


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False
) -> None:
    if version:
        from adlopt import __version__

        print(f"adlopt {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(BAD_INPUT)


@app.command(epilog="Example: adlopt demo")
def demo(
    pictures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also draw two pictures into this directory.", rich_help_panel=OUTPUT)
    ] = None,
) -> None:
    """Show the paper's four accounts: the problem, both margin regimes, the check against Clarabel."""
    # Four accounts: compiling the inner loops takes seconds, running them uncompiled a fraction of one.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    from adlopt import _demo

    if pictures is not None:
        require_matplotlib()
    out = render.console()
    agree = _demo.run(out)
    if pictures is not None:
        render.paragraph(out, f"Pictures: {', '.join(map(str, _demo.write_pictures(pictures)))}")
    if not agree:
        raise typer.Exit(NOT_PROVEN)


@app.command(
    epilog="Example: adlopt solve book.csv --reduce BTC=-10 --volatility BTC=0.6 --volatility ETH=0.75 --correlation 0.85"
)
@states_problem
def solve(
    problem: Problem,
    method: Method = "auto",
    solver: Solver = None,
    tolerance: Tolerance = 1e-6,
    json: Json = False,
    out: Out = None,
) -> None:
    """Find the reductions that leave the exchange least at risk, and prove it."""
    render.check_writable(out)
    with render.working("solving"):
        solution = solve_problem(problem, method, tolerance=tolerance, solver=solver)
        before = None if problem.prices is None else objective_value(problem, None)
    if out is not None:
        render.write(solution.allocation, out)
    if json:
        print(render.solution_json(solution, problem.book, before))
    else:
        render.show_solution(render.console(), solution, problem.book, before)
    if solution.status != "optimal":
        raise typer.Exit(NOT_PROVEN)


@app.command(epilog="Example: adlopt verify book.csv --reduce BTC=-10 --direction BTC=6654 --direction ETH=201")
@states_problem
def verify(problem: Problem, method: Method = "auto", tolerance: Tolerance = 1e-6, json: Json = False) -> None:
    """Solve twice, by the fast method and by Clarabel, and compare the objectives."""
    with render.working("solving twice"):
        check = verify_problem(problem, method, tolerance=tolerance)
    if json:
        print(render.verification_json(check, problem.book))
    else:
        render.show_verification(render.console(), check, problem.book)
    if not check.agree:
        raise typer.Exit(NOT_PROVEN)


@app.command(epilog="Example: adlopt frontier book.csv --reduce BTC=-10 --margin isolated --multiples 0.25:1.5:6")
@states_problem
def frontier(
    problem: Problem,
    multiples: Annotated[str | None, typer.Option(metavar=SWEEP, help="Of the reduction. [default: 0.1:1:10]")] = None,
    funds: Annotated[str | None, typer.Option(metavar=SWEEP, help="Insurance funds, money >= 0.")] = None,
    levels: Annotated[str | None, typer.Option(metavar=SWEEP, help="Levels of the objective cvar.")] = None,
    method: Method = "auto",
    tolerance: Tolerance = 1e-6,
    json: Json = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the points: .csv, .parquet or .json.", rich_help_panel=OUTPUT)
    ] = None,
) -> None:
    """Solve along a sweep: how risk, prices and the accounts touched change with it."""
    render.check_writable(out)
    sweeps = {"--multiples": multiples, "--funds": funds, "--levels": levels}
    if not any(sweeps.values()):
        sweeps["--multiples"] = "0.1:1:10"
    reduction, insurance_fund, level = (text and read_sweep(flag, text) for flag, text in sweeps.items())
    points = sweep_problem(
        problem, reduction or None, insurance_fund=insurance_fund or None, level=level or None,
        method=method, tolerance=tolerance, track=partial(render.tracked, "solving"),
    )  # fmt: skip
    if out is not None:
        render.write(points, out)
    if json:
        print(render.to_json(render.records(points)))
    else:
        render.show_frontier(render.console(), points)
    if (points["status"] != "optimal").any():
        raise typer.Exit(NOT_PROVEN)


@app.command(epilog="Example: adlopt convert ccxt positions.json book.csv --accounts balance.json")
def convert(
    format: Annotated[
        str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.", autocompletion=lambda: list(FORMATS))
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Records: .json, .jsonl, .csv or .parquet.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The book: .csv or .parquet.")],
    accounts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The accounts' money: ccxt's fetch_balance, Binance's account, Bybit's wallet-balance, a table of accounts.",
        ),
    ] = None,
    equity: Annotated[
        list[str] | None,
        typer.Option(metavar="[ACCOUNT=]MONEY", help="Of a cross account, with unrealised profit. Repeatable."),
    ] = None,
    wallet: Annotated[
        list[str] | None, typer.Option(metavar="[ACCOUNT=]MONEY", help="The same without unrealised profit. Repeatable.")
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Of records that bring none. [default: account]")] = None,
    currency: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Settlement currency; several count as one. [default: the most frequent]"),
    ] = None,
    margin: Annotated[
        str | None, typer.Option(metavar="cross|isolated", help="Margin mode of positions that do not tell.")
    ] = None,
    contract_size: Annotated[
        list[str] | None, typer.Option(metavar="ASSET=SIZE", help="Where records leave it out. Repeatable.")
    ] = None,
    mark: Annotated[
        list[str] | None, typer.Option(metavar="ASSET=PRICE", help="Mark price; overrides --marks and the records. Repeatable.")
    ] = None,
    marks: Annotated[Path | None, typer.Option(metavar="FILE", help="Mark prices: asset, mark.")] = None,
    rejected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the rows not taken: .csv, .parquet or .json.", rich_help_panel=OUTPUT),
    ] = None,
    json: Json = False,
) -> None:
    """Turn a venue's records into a book, and name every row that was not taken and why."""
    render.check_writable(out, "OUT", (".csv", ".parquet"))
    render.check_writable(rejected, "--rejected")
    loaded = load_records(
        format, source, accounts=accounts, equity=equity, wallet=wallet, account=account, currency=currency, margin=margin,
        contract_size=contract_size, mark=mark, marks=marks,
    )  # fmt: skip
    if rejected is not None:
        texts = {name: str for name in ("symbol", "side", "size")}
        render.write(loaded.rejected.astype(texts), rejected, "--rejected")
    if loaded.book.size.size == 0:
        reasons = loaded.rejected["reason"]
        raise InputError(f"{source}: no position could be taken" + (f"; the first: {reasons.iloc[0]}" if len(reasons) else ""))
    render.write(loaded.book.to_frame(), out, "OUT")
    if json:
        print(render.loaded_json(loaded, out))
    else:
        render.show_loaded(render.console(), loaded, out)


def compare_demo(wanted: bool) -> None:
    """Show the paper's four accounts under several rules instead of a book of the user's."""
    if not wanted:
        return
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # as in `demo`
    rules = policies.standard(examples.paper_problem())
    queue = policies.Queue(policies.features.leverage, name="gross-leverage queue")
    rendering.show_compare_demo(render.console(), compare_policies(examples.paper_problem(), [queue, *rules]), str(queue))
    raise typer.Exit


Policies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help=f"One of {', '.join(BY_NAME)}; a parameter follows a colon, as in pro-rata:pnl. Repeatable. [default: all that "
        "the book has the data for]",
        rich_help_panel=SOLVING,
    ),
]


@app.command(
    epilog="Example: adlopt compare book.csv --reduce BTC=-10 --direction BTC=6654 --policy bitmex --policy pro-rata:pnl"
)
@states_problem
def compare(
    problem: Problem,
    policy: Policies = None,
    demo: Annotated[
        bool, typer.Option("--demo", is_eager=True, callback=compare_demo, help="Show the paper's four accounts, and exit.")
    ] = False,
    json: Json = False,
) -> None:
    """Put rules of venues and of the literature beside the optimum: risk, concentration, hedges."""
    chosen = None if not policy else [read_policy(name) for name in policy]
    comparison = compare_policies(problem, chosen)
    if json:
        print(rendering.comparison_json(comparison))
    else:
        rendering.show_comparison(render.console(), comparison)


@app.command(epilog="Example: adlopt audit bitmex")
def audit(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help=f"One of {', '.join(BY_NAME)}; or such as pro-rata:pnl.")],
    trials: Annotated[int, typer.Option(metavar="COUNT", help="Books per axiom.")] = 200,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Of the random books.")] = 0,
    json: Json = False,
) -> None:
    """Try which promises a rule keeps, and print the smallest counterexample to each that it breaks."""
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # books of a few accounts: compiling would take longer
    report = audit_policy(read_policy(policy), trials=trials, seed=seed)
    if json:
        print(rendering.audit_json(report))
    else:
        rendering.show_audit(render.console(), report)


@app.command(epilog="Example: adlopt exposure book.csv --account alice --reduce BTC=-10 --multiple 0.5 --multiple 1")
@states_problem
def exposure(
    problem: Problem,
    account: Annotated[str, typer.Option(metavar="NAME", help="Whose rank and loss to show.")],
    multiple: Annotated[
        list[float] | None, typer.Option(metavar="X", help="Multiples of the reduction. Repeatable. [default: 0.25 to 1]")
    ] = None,
    policy: Policies = None,
    json: Json = False,
) -> None:
    """Show where one account stands under each rule, and what it would lose as more is to be reduced."""
    chosen = None if not policy else [read_policy(name) for name in policy]
    ladder = [dict(problem.varied(multiple=each).reduction) for each in multiple or (0.25, 0.5, 0.75, 1.0)]
    standing = account_exposure(
        problem.book, account, ladder, chosen, prices=problem.prices, objective=problem.objective, settlement=problem.settlement
    )
    if json:
        print(render.to_json(render.records(standing)))
    else:
        rendering.show_exposure(render.console(), account, standing)


@app.command(epilog="Example: adlopt report book.csv --reduce BTC=-30% --margin isolated --out report.html")
@states_problem
def report(
    problem: Problem,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Written: .html, one page with pictures; .md for pull requests.", rich_help_panel=OUTPUT
        ),
    ],
    context: typer.Context,
    method: Method = "auto",
    solver: Solver = None,
    tolerance: Tolerance = 1e-6,
    policy: Policies = None,
) -> None:
    """Write the problem, the answer, its proof, other rules and pictures into one file that can be passed on."""
    from adlopt.report import content

    content.check_writable(out)
    solution = solve_problem(problem, method, tolerance=tolerance, solver=solver)
    with render.working("comparing rules"):
        comparison = compare_policies(problem, None if not policy else [read_policy(name) for name in policy], method=method)
    with render.working("writing"):
        content.write(out, problem, solution, comparison, command=context.obj)
    print(f"{out}: {solution.method}, {solution.status}")
    if solution.status != "optimal":
        raise typer.Exit(NOT_PROVEN)


def main() -> None:
    """The entry point."""
    app()
