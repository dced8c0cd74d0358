"""Subcommands about exact proofs: prove, check."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from adlopt.cli import output, render
from adlopt.cli.command import FAILED, NOT_PROVEN, app, fail
from adlopt.cli.flags import with_problem_flags
from adlopt.cli.options import OUTPUT, SOLVING, Json, Method, Tolerance, option
from adlopt.cli.reading import read_table
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.policies.reading import read_policy
from adlopt.proof import checker
from adlopt.proof.exact import decimal
from adlopt.solving.certification import prove as prove_allocation
from adlopt.solving.dispatch import solve as solve_problem


@app.command(
    epilog="Example: adlopt prove book.csv --reduce BTC=-10 --scenarios prices.csv --objective "
    "cvar:0.99 --out proof.json.gz"
)
@with_problem_flags
def prove(
    problem: Problem,
    out: Annotated[
        Path,
        option("FILE", "Write the proof: .json, or .json.gz to compress it.", OUTPUT),
    ],
    allocation: Annotated[
        Path | None,
        option(
            "FILE", "Prove this allocation (account, asset, reduction), not the optimum.", SOLVING
        ),
    ] = None,
    policy: Annotated[
        str | None,
        option("NAME", "Prove the allocation of this rule, not the optimum.", SOLVING),
    ] = None,
    method: Method = "auto",
    tolerance: Tolerance = 1e-6,
    json: Json = False,
) -> None:
    """Solve, and write a proof in exact arithmetic that `adlopt check` or anyone can check."""
    if allocation is not None and policy is not None:
        raise InputError("prove: give --allocation or --policy, not both")
    output.refuse_inputs(out, [allocation])
    with render.spinner("solving"):
        if allocation is not None:
            given: object = read_table(allocation)
        elif policy is not None:
            given = read_policy(policy).allocate(problem)
        else:
            given = solve_problem(problem, method, tolerance=tolerance)
    with render.spinner("proving"):
        proof = prove_allocation(problem, given)
        proof.save(out)
    _show({"value": proof.value, "lower_bound": proof.lower_bound, "gap": proof.gap}, out, json)
    if given is not None and allocation is None and policy is None and proof.gap > tolerance:
        raise typer.Exit(NOT_PROVEN)


@app.command(epilog="Example: adlopt check proof.json.gz")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that `prove` wrote.")],
    limits: Annotated[
        int,
        option("N", "Allow N times the usual size and work, for large books.", min=1),
    ] = 1,
    json: Json = False,
) -> None:
    """Recompute every claim of a proof in integers; exit code 1 at the first that is false."""
    try:
        data = checker.read(str(file), checker.MAX_BYTES * limits)
        found = checker.check(data, checker.MAX_WORK * limits)
    except Exception as error:
        fail(f"{str(file)!r} is refused: {error!r}"[:2000], FAILED)
    _show(found, file, json)


def _show(numbers: dict[str, Fraction], path: Path, json: bool) -> None:
    """The three numbers in decimal and exact form."""
    exact = {name: f"{x.numerator:#x}/{x.denominator:#x}" for name, x in numbers.items()}
    short = {name: decimal(x, 17) for name, x in numbers.items()}
    if json:
        print(output.to_json({"file": str(path), **short, "exact": exact}))
        return
    for name in numbers:
        print(f"{name:12} {short[name]}")
    for name in numbers:
        print(f"{name:12} exactly {exact[name]}")
