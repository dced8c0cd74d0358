"""The subcommand simulate: a book through crashes, rule by rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, cast

import typer

from adlopt.cli import flags, output, problem_file, render, render_simulation
from adlopt.cli import simulation_options as opt
from adlopt.cli.command import app
from adlopt.cli.options import Json
from adlopt.cli.reading import numbers, read_book, read_objective, read_prices
from adlopt.errors import InputError
from adlopt.model.book import Book, Margin
from adlopt.objectives import Objective
from adlopt.policies import Optimal, Policy
from adlopt.policies.reading import read_policy
from adlopt.prices import PriceModel
from adlopt.simulation import Exchange, Paths, Simulation, StressTest, simulate, stress_test
from adlopt.simulation.exchange import MAINTENANCE
from adlopt.simulation.paths import SHAPES

BOOK_FLAGS = ("book", "config", "accounts", "mark", "marks", "margin")


def _with_book_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of book, price model and objective that all commands share, and
    what they mean as its first three arguments.
    """
    shared = inspect.signature(flags.read_problem, eval_str=True).parameters
    stated = {name: shared[name] for name in (*BOOK_FLAGS, *problem_file.MODEL, "objective")}
    own = list(inspect.signature(command, eval_str=True).parameters.values())[3:]
    entries = {one.name: one for one in own if one.annotation is not typer.Context}
    problem_file.SIMULATION_PARAMETERS.update(entries)

    @wraps(command)
    def wrapper(**given: Any) -> None:
        statement = {name: given.pop(name) for name in stated}
        for written in (given.get("out"), given.get("report")):
            output.refuse_inputs(written, statement.values())
        with render.spinner("reading the book"):
            book = read_book(*(statement[name] for name in ("book", "accounts", "mark", "marks")))
            if statement["margin"] is not None:
                book = book.with_margin(cast(Margin, statement["margin"]))
            model = read_prices(**{name: statement[name] for name in problem_file.MODEL})
        command(book, model, read_objective(statement["objective"]), **given)

    return flags.with_parameters(wrapper, [*stated.values(), *own])


@app.command(
    name=problem_file.SIMULATION,
    epilog="Example: adlopt simulate book.csv --shape flash-crash --policy hyperliquid --policy "
    "optimal --fund 1e6 --paths 200",
)
@_with_book_flags
def simulate_crashes(
    book: Book,
    model: PriceModel | None,
    objective: Objective,
    context: typer.Context,
    shape: opt.Shape = "flash-crash",
    policy: opt.Policies = None,
    paths: opt.PathCount = 1,
    steps: opt.Steps = None,
    fall: opt.Fall = None,
    path_seed: opt.PathSeed = 0,
    fund: opt.Fund = 0.0,
    maintenance: opt.MaintenanceRate = MAINTENANCE,
    depth: opt.Depth = None,
    spread: opt.Spread = 0.0,
    impact: opt.Impact = 0.01,
    permanent_impact: opt.PermanentImpact = 0.0,
    inventory_limit: opt.InventoryLimit = 0.0,
    floor: opt.Floor = 0.0,
    settle: opt.Settle = "mark",
    workers: opt.Workers = None,
    out: opt.OutcomesFile = None,
    report: opt.ReportFile = None,
    json: Json = False,
) -> None:
    """Simulate crashes: liquidations, sales, the fund, and deleveraging by each rule."""
    output.check_writable(out)
    if report is not None:
        from adlopt.report.content import check_writable

        check_writable(report)
    exchange = Exchange(
        maintenance=maintenance,
        depth=numbers("--depth", depth or []),
        spread=spread,
        impact=impact,
        permanent_impact=permanent_impact,
        fund=fund,
        floor=floor,
        inventory_limit=inventory_limit,
        settlement=cast(Any, settle),
    )
    given = read_paths(book, shape, count=paths, steps=steps, fall=fall, seed=path_seed)
    names = policy or ("pro-rata", "minimax-leverage")
    rules = [_with_model(read_policy(name), given, model) for name in names]
    stated: dict[str, Any] = {"exchange": exchange, "prices": model, "objective": objective}
    if paths == 1 and out is None:
        crashes = [simulate(book, given, rule, **stated) for rule in rules]
        _write_report(report, crashes, context)
        render_simulation.show_crashes(render.console(), crashes, as_json=json)
        return
    test = stress_test(book, given, rules, workers=workers, **stated)
    if out is not None:
        output.write(test.outcomes.reset_index(), out)
    _write_report(report, test, context)
    render_simulation.show_stress_test(render.console(), test, as_json=json)


def _write_report(
    path: Path | None, done: list[Simulation] | StressTest, context: typer.Context
) -> None:
    if path is None:
        return
    from adlopt.report.crashes import write_crashes

    inputs = flags.files_read(context, path)
    seed = context.params["path_seed"]
    with render.spinner("writing"):
        write_crashes(path, done, command=context.obj or "", inputs=inputs, seed=seed)


def read_paths(
    book: Book, shape: str, *, count: int, steps: int | None, fall: float | None, seed: int
) -> Paths:
    """The paths that the flags describe."""
    name = shape.replace("-", "_")
    if name not in SHAPES:
        raise InputError(f"--shape {shape!r} is unknown; use one of {', '.join(opt.SHAPE_NAMES)}")
    make = SHAPES[name]
    options: dict[str, Any] = {"count": count, "seed": seed}
    if steps is not None:
        options["steps"] = steps
    if fall is not None:
        if "fall" not in inspect.signature(make).parameters:
            raise InputError(f"--fall has no effect with --shape {shape}; leave it out")
        options["fall"] = fall
    return make(book, **options)


def _with_model(policy: Policy, paths: Paths, model: PriceModel | None) -> Policy:
    """The optimum needs a price model: without one it takes the paths' own moves of one step."""
    if isinstance(policy, Optimal) and model is None and paths.steps > 1:
        return replace(policy, prices=paths.model())
    return policy
