"""Subcommands about rules: compare, audit, exposure."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from adlopt import policies
from adlopt.axioms import audit as audit_policy
from adlopt.cli import output, render, render_rules
from adlopt.cli.command import app
from adlopt.cli.flags import with_problem_flags
from adlopt.cli.options import ConstraintTexts, Json, Policies, option
from adlopt.datasets import examples
from adlopt.model.problem import Problem
from adlopt.policies.reading import read_policy
from adlopt.policies.standard import BY_NAME
from adlopt.studies.account_exposure import exposure as account_exposure
from adlopt.studies.comparison import compare as compare_policies


def compare_demo(wanted: bool) -> None:
    """Show the paper's four accounts under several rules, and exit."""
    if not wanted:
        return
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # as in `demo`
    rules = policies.standard(examples.paper_problem())
    queue = policies.Queue(policies.features.leverage, name="gross-leverage queue")
    render_rules.show_compare_demo(
        render.console(), compare_policies(examples.paper_problem(), [queue, *rules]), str(queue)
    )
    raise typer.Exit


@app.command(
    epilog="Example: adlopt compare book.csv --reduce BTC=-10 --direction BTC=6654 "
    "--policy bitmex --policy pro-rata:pnl"
)
@with_problem_flags
def compare(
    problem: Problem,
    policy: Policies = None,
    constraint: ConstraintTexts = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            is_eager=True,
            callback=compare_demo,
            help="Show the paper's four accounts, and exit.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Compare rules of venues and of the literature with the optimum."""
    chosen = None if not policy else [read_policy(name) for name in policy]
    comparison = compare_policies(problem, chosen, constraints=constraint or ())
    if json:
        print(comparison.to_json())
    else:
        render_rules.show_comparison(render.console(), comparison)


@app.command(epilog="Example: adlopt audit bitmex")
def audit(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help=f"One of {', '.join(BY_NAME)}, or with a parameter as in pro-rata:pnl.",
        ),
    ],
    trials: Annotated[int, option("COUNT", "Number of random books per axiom.")] = 200,
    seed: Annotated[int, option("SEED", "Seed of the random books.")] = 0,
    json: Json = False,
) -> None:
    """Test which axioms a rule satisfies, and print a small counterexample to each other one."""
    # With books of a few accounts, compiling would take longer.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    report = audit_policy(read_policy(policy), trials=trials, seed=seed)
    if json:
        print(render_rules.audit_json(report))
    else:
        render_rules.show_audit(render.console(), report)


@app.command(
    epilog="Example: adlopt exposure book.csv --account alice --reduce BTC=-10 "
    "--multiple 0.5 --multiple 1"
)
@with_problem_flags
def exposure(
    problem: Problem,
    account: Annotated[str, option("NAME", "The account to show.")],
    multiple: Annotated[
        list[float] | None,
        option("X", "Multiples of the reduction. Repeatable. [default: 0.25 to 1]"),
    ] = None,
    policy: Policies = None,
    json: Json = False,
) -> None:
    """Show one account's rank and loss under each rule, for several sizes of the reduction."""
    chosen = None if not policy else [read_policy(name) for name in policy]
    ladder = [
        dict(problem.with_changes(multiple=each).reduction)
        for each in multiple or (0.25, 0.5, 0.75, 1.0)
    ]
    standing = account_exposure(
        problem.book,
        account,
        ladder=ladder,
        policies=chosen,
        prices=problem.prices,
        objective=problem.objective,
        settlement=problem.settlement,
    )
    if json:
        print(output.to_json(output.records(standing.table)))
    else:
        render_rules.show_exposure(render.console(), standing)
