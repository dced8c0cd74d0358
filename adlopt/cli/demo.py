"""The demonstration: the paper's four accounts, both margin regimes, and why gross leverage
misleads.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from adlopt._internal.arrays import FloatArray
from adlopt._internal.number_format import format_column, format_number
from adlopt.cli.render import heading, paragraph, table, verification_table
from adlopt.datasets import examples
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices import OneFactor
from adlopt.solving.certification import certify
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.solving.verification import Verification, verify


def run(out: Console) -> bool:
    """Print the demonstration; False if a check against Clarabel fails."""
    prices = OneFactor(examples.paper_direction(), points=2**12)
    isolated, cross = _problems(prices)
    _state(out, cross.book, prices)
    by_gross = solve(isolated)
    _show_isolated(out, isolated, by_gross)
    by_factor = solve(cross)
    _show_cross(out, cross, by_factor, by_gross)
    return _show_checks(out, [verify(isolated), verify(cross)], [by_gross, by_factor])


def write_pictures(directory: Path) -> list[Path]:
    """Draw both margin regimes into PNG files, water-filling and factor leverage; their paths."""
    from adlopt import plots
    from adlopt.report.pictures import picture

    isolated, cross = _problems(OneFactor(examples.paper_direction()))
    drawn = {
        "water_filling.png": picture("", partial(plots.water_filling, isolated, solve(isolated))),
        "factor_leverage.png": picture("", partial(plots.factor_leverage, cross), panels=2),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, made in drawn.items():
            (directory / name).write_bytes(made.png)
    except OSError as error:
        raise InputError(f"--pictures {directory}: cannot write there ({error})") from error
    return [directory / name for name in drawn]


def _problems(prices: OneFactor) -> tuple[Problem, Problem]:
    """The paper's problem under isolated and under cross margin."""
    book = examples.paper_book()
    isolated = Problem(book.with_margin("isolated"), examples.PAPER_REDUCTION, prices=prices)
    return isolated, Problem(book, examples.PAPER_REDUCTION, prices=prices)


def _state(out: Console, book: Book, prices: OneFactor) -> None:
    v = prices.vector(book.assets)
    paragraph(
        out,
        "A bankrupt trader has left the exchange a long position of 10 BTC that nobody buys. "
        "Auto-deleveraging closes it against solvent shorts, at the mark: 10 BTC must come off "
        "their positions. Whose? The best choice minimizes what the exchange can expect to lose "
        "from accounts that go bankrupt within the next ten days.",
        lead="The problem.",
    )
    moves = ", ".join(f"{asset} by {move:,.0f}" for asset, move in zip(book.assets, v, strict=True))
    marks = ", ".join(
        f"{asset} {mark:,.0f}" for asset, mark in zip(book.assets, book.marks, strict=True)
    )
    gross, factor = book.pools["leverage"].to_numpy(), _factor_leverage(book.equity, book, v)
    highest = int(np.argmax(gross))
    sizes = (
        book.positions_frame()
        .pivot(index="account", columns="asset", values="size")
        .loc[book.account_names]
    )
    columns = {"account": list(book.account_names)}
    columns |= {f"{asset} size": format_column(sizes[asset], 4) for asset in book.assets}
    columns |= {
        "equity": format_column(book.equity),
        "gross leverage": [f"{value:.2f}" for value in gross],
        "factor leverage": [f"{value:.3f}" for value in factor],
    }
    out.print(table(f"Four accounts of the paper, marks {marks}", columns, bold=highest))
    paragraph(
        out,
        f"One factor moves both prices: {moves} per standard deviation. Gross "
        "leverage adds notionals over equity. Factor leverage is the share of equity lost when "
        "the factor rises by one standard deviation.",
    )
    paragraph(
        out,
        f"Account {book.account_names[highest]} has the highest gross leverage, "
        f"{gross[highest]:.2f}, and the lowest factor leverage, {factor[highest]:.3f}: what it "
        "loses on short BTC it earns on long ETH. It is the safest of the four.",
        lead="Gross leverage misleads.",
    )


def _show_isolated(out: Console, problem: Problem, solution: Solution) -> None:
    rows = solution.allocation
    losses = (objective_value(problem, None), solution.value or 0.0)
    before, after = (format_number(loss, 6) for loss in losses)
    heading(out, "Isolated margin: every position has its own equity")
    paragraph(
        out,
        "Each account's equity is split over its positions by notional, so hedges do not count "
        "and gross leverage is what matters. Water-filling reduces all positions above one level "
        "of leverage to that level. It is optimal for every price path, so no price model is "
        f"needed. The level is {_level(solution)}. Under this factor the expected loss falls from "
        f"{before} to {after}.",
    )
    out.print(
        table(
            "10 BTC off the shorts, isolated margin",
            {
                "account": rows["account"].tolist(),
                "BTC size": format_column(rows["size"]),
                "reduction": format_column(rows["reduction"], 5),
                "leverage\nbefore": [f"{value:.2f}" for value in rows["leverage_before"]],
                "leverage\nafter": [f"{value:.2f}" for value in rows["leverage_after"]],
            },
            bold=int(np.argmax(rows["leverage_before"])),
        )
    )


def _show_cross(out: Console, problem: Problem, solution: Solution, by_gross: Solution) -> None:
    rows = solution.allocation
    book = problem.book
    v = examples.paper_direction()
    before = _factor_leverage(book.equity, book, np.array([v[asset] for asset in book.assets]))
    after = before + rows["reduction"].to_numpy() * v["BTC"] / book.equity
    heading(out, "Cross margin: the equity of an account covers all its positions")
    paragraph(
        out,
        "Now hedges count, and factor leverage is what is reduced to one level. The level is "
        f"{_level(solution)}. Accounts below it, such as account 4, are not reduced.",
    )
    out.print(
        table(
            "10 BTC off the shorts, cross margin",
            {
                "account": rows["account"].tolist(),
                "BTC size": format_column(rows["size"]),
                "reduction": format_column(rows["reduction"], 5),
                "gross\nleverage": [f"{value:.2f}" for value in rows["leverage_before"]],
                "factor leverage\nbefore": [f"{value:.3f}" for value in before],
                "factor leverage\nafter": [f"{value:.3f}" for value in after],
            },
            bold=int(np.argmax(rows["leverage_before"])),
        )
    )
    _compare_rules(out, problem, solution, by_gross)


def _compare_rules(out: Console, problem: Problem, solution: Solution, by_gross: Solution) -> None:
    gross_rule = certify(problem, by_gross.allocation.drop(columns="margin_mode"))
    assert solution.value is not None
    assert solution.lower_bound is not None
    assert solution.shadow_prices is not None
    from_fourth = [
        rule.allocation.set_index("account")["reduction"]["4"] for rule in (by_gross, solution)
    ]
    out.print(
        table(
            "What each rule leaves the exchange to expect, cross margin",
            {
                "rule": [
                    "no reduction",
                    "gross leverage (water-filling)",
                    "factor leverage (optimal)",
                ],
                "taken from\naccount 4": format_column([0.0, *from_fourth], 5),
                "expected loss": format_column(
                    [objective_value(problem, None), gross_rule.value, solution.value]
                ),
            },
            bold=2,
        )
    )
    paragraph(
        out,
        "The gross-leverage rule takes most from the safest account and leaves "
        f"{gross_rule.value / solution.value:.1f} times the expected loss of the optimum. The "
        f"optimum is proven: no allocation has less than {solution.lower_bound:,.2f}. One more BTC "
        f"of reduction would save the exchange {solution.shadow_prices['BTC']:,.2f} (the shadow "
        "price).",
    )


def _show_checks(out: Console, checks: list[Verification], solutions: list[Solution]) -> bool:
    heading(out, "The same problems, solved again by a general conic solver")
    out.print(
        verification_table(
            f"Expected loss on {checks[0].scenarios:,} scenarios", checks, ["isolated", "cross"]
        )
    )
    agree = all(check.agree for check in checks)
    worst = max(abs(check.difference) for check in checks)
    gap = max(solution.gap or 0.0 for solution in solutions)
    paragraph(
        out,
        f"Closed forms and Clarabel {'agree' if agree else 'DISAGREE'}: relative difference at "
        f"most {worst:.1g} (tolerance {checks[0].tolerance:g}); proven relative gap at most "
        f"{gap:.1g}. The seconds of the first conic solve include loading cvxpy.",
    )
    return agree


def _factor_leverage(equity: FloatArray, book: Book, v: FloatArray) -> FloatArray:
    """(n,) loss over equity when the factor rises by one standard deviation: -(size . v) /
    equity.
    """
    exposure = pd.Series(book.size * v[book.asset]).groupby(book.pool).sum().to_numpy()
    return np.asarray(-exposure / equity)


def _level(solution: Solution) -> str:
    assert isinstance(solution.water_level, float)
    return f"{solution.water_level:.4f}"
