"""Subcommands that solve: demo, solve, verify, frontier, report."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from adlopt.cli import output, render
from adlopt.cli.command import NOT_PROVEN, app
from adlopt.cli.flags import files_read, with_problem_flags
from adlopt.cli.options import (
    OUTPUT,
    SWEEP,
    ConstraintTexts,
    Json,
    Method,
    Out,
    Policies,
    SamplingTolerance,
    Solver,
    Then,
    Tolerance,
    option,
)
from adlopt.cli.reading import read_sweep
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.plots._canvas import require_matplotlib
from adlopt.policies.reading import read_policy
from adlopt.solving.dispatch import solve as solve_problem
from adlopt.solving.verification import verify as verify_problem
from adlopt.studies.comparison import compare as compare_policies
from adlopt.studies.sweep import frontier as sweep_problem


@app.command(epilog="Example: adlopt demo")
def demo(
    pictures: Annotated[
        Path | None,
        option("DIR", "Also write two pictures into this directory.", OUTPUT),
    ] = None,
) -> None:
    """Show the paper's four accounts: the problem, both margin regimes, the check against
    Clarabel.
    """
    # With four accounts, compiling the inner loops takes longer than running them uncompiled.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    from adlopt.cli import demo as demonstration

    if pictures is not None:
        require_matplotlib()
    out = render.console()
    agree = demonstration.run(out)
    if pictures is not None:
        render.paragraph(
            out, f"Pictures: {', '.join(map(str, demonstration.write_pictures(pictures)))}"
        )
    if not agree:
        raise typer.Exit(NOT_PROVEN)


@app.command(
    epilog="Example: adlopt solve book.csv --reduce BTC=-10 --volatility BTC=0.6 "
    "--volatility ETH=0.75 --correlation 0.85"
)
@with_problem_flags
def solve(
    problem: Problem,
    method: Method = "auto",
    solver: Solver = None,
    tolerance: Tolerance = 1e-6,
    sampling_tolerance: SamplingTolerance = None,
    constraint: ConstraintTexts = None,
    then: Then = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """Find the reductions that minimize the risk of the exchange, and prove that they do."""
    output.check_writable(out)
    with render.spinner("solving"):
        solution = solve_problem(
            problem,
            method,
            tolerance=tolerance,
            sampling_tolerance=sampling_tolerance,
            constraints=constraint or (),
            then=then or (),
            solver=solver,
        )
        before = None if problem.prices is None else objective_value(problem, None)
    if out is not None:
        output.write(solution.allocation, out)
    if json:
        print(render.solution_json(solution, problem.book, before))
    else:
        render.show_solution(render.console(), solution, problem.book, before)
    if solution.status != "optimal":
        raise typer.Exit(NOT_PROVEN)


@app.command(
    epilog="Example: adlopt verify book.csv --reduce BTC=-10 --direction BTC=6654 "
    "--direction ETH=201"
)
@with_problem_flags
def verify(
    problem: Problem,
    method: Method = "auto",
    tolerance: Tolerance = 1e-6,
    constraint: ConstraintTexts = None,
    json: Json = False,
) -> None:
    """Solve twice, by the fast method and by Clarabel, and compare the objectives."""
    with render.spinner("solving twice"):
        check = verify_problem(problem, method, constraints=constraint or (), tolerance=tolerance)
    if json:
        print(render.verification_json(check, problem.book))
    else:
        render.show_verification(render.console(), check, problem.book)
    if not check.agree:
        raise typer.Exit(NOT_PROVEN)


@app.command(
    epilog="Example: adlopt frontier book.csv --reduce BTC=-10 --margin isolated "
    "--multiples 0.25:1.5:6"
)
@with_problem_flags
def frontier(
    problem: Problem,
    multiples: Annotated[
        str | None,
        option(SWEEP, "Multiples of the reduction. [default: 0.1:1:10]"),
    ] = None,
    funds: Annotated[str | None, option(SWEEP, "Insurance funds, in money.")] = None,
    levels: Annotated[
        str | None,
        option(SWEEP, "Levels of the objective cvar, such as 0.9,0.99."),
    ] = None,
    method: Method = "auto",
    tolerance: Tolerance = 1e-6,
    constraint: ConstraintTexts = None,
    json: Json = False,
    out: Annotated[
        Path | None,
        option("FILE", "Write the points: .csv, .parquet or .json.", OUTPUT),
    ] = None,
) -> None:
    """Solve along a sweep: how risk, prices and the accounts touched change with it."""
    output.check_writable(out)
    sweeps = {"--multiples": multiples, "--funds": funds, "--levels": levels}
    if not any(sweeps.values()):
        sweeps["--multiples"] = "0.1:1:10"
    reduction, insurance_fund, level = (
        text and read_sweep(flag, text) for flag, text in sweeps.items()
    )
    points = sweep_problem(
        problem,
        reduction or None,
        insurance_fund=insurance_fund or None,
        level=level or None,
        method=method,
        tolerance=tolerance,
        constraints=constraint or (),
        progress=partial(render.progress_bar, "solving"),
    ).table
    if out is not None:
        output.write(points, out)
    if json:
        print(output.to_json(output.records(points)))
    else:
        render.show_frontier(render.console(), points)
    if (points["status"] != "optimal").any():
        raise typer.Exit(NOT_PROVEN)


@app.command(
    epilog="Example: adlopt report book.csv --reduce BTC=-30% --margin isolated --out report.html"
)
@with_problem_flags
def report(
    problem: Problem,
    out: Annotated[
        Path,
        option("FILE", "Write a report: .html, one page with pictures, or .md, without.", OUTPUT),
    ],
    context: typer.Context,
    method: Method = "auto",
    solver: Solver = None,
    tolerance: Tolerance = 1e-6,
    constraint: ConstraintTexts = None,
    policy: Policies = None,
) -> None:
    """Write one file with the problem, the answer, its proof, other rules and pictures."""
    from adlopt.report import content

    content.check_writable(out)
    limits = constraint or ()
    solution = solve_problem(
        problem, method, tolerance=tolerance, constraints=limits, solver=solver
    )
    with render.spinner("comparing rules"):
        rules = None if not policy else [read_policy(name) for name in policy]
        comparison = compare_policies(
            problem, rules, method=method, solution=solution, constraints=limits
        )
    with render.spinner("writing"):
        content.write(
            out,
            problem,
            solution,
            comparison,
            command=context.obj,
            inputs=files_read(context, out),
        )
    print(f"{out}: {solution.method}, {solution.status}")
    if solution.status != "optimal":
        raise typer.Exit(NOT_PROVEN)
