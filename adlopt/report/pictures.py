"""The pictures of a report: those that fit the problem and take seconds at most."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from adlopt import plots
from adlopt.methods import factor_leverage, water_filling
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss
from adlopt.report.document import Picture
from adlopt.report.wording import by_notional
from adlopt.solving.solution import Solution
from adlopt.studies.comparison import Comparison
from adlopt.studies.sweep import frontier

DPI = 120
MAX_ASSETS = 3  # reduced assets with a picture of their own
MAX_SWEPT = 100_000  # positions up to which sweeps are drawn
MAX_CURVES = 6  # rules whose losses are drawn
MAX_PAIRS = 1_000_000_000  # of positions and scenarios up to which losses are drawn


def draw(problem: Problem, solution: Solution, comparison: Comparison | None) -> list[Picture]:
    """Pictures of a solved problem, and of rules compared if there are any."""
    pictures = [*_leverage(problem, solution), *_factor_leverage(problem)]
    if problem.prices is None:
        return pictures
    small = problem.book.size.size <= MAX_SWEPT
    if small and solution.method in ("factor_leverage", "water_filling"):
        sweep = frontier(problem, multiples=_multiples(problem), method=solution.method)
        pictures.append(
            picture(
                "Shadow prices: what one more contract of required reduction would save, as the "
                "reduction grows.",
                partial(plots.shadow_prices, sweep),
            )
        )
    if problem.book.size.size * problem.scenarios.weights.size <= MAX_PAIRS:
        pictures += _losses(problem, solution, comparison)
    if comparison is not None:
        pictures.append(
            picture(
                "The risk that each rule leaves, and how many accounts it reduces.",
                partial(plots.risk_against_concentration, feasible(comparison)),
            )
        )
    return pictures


def _leverage(problem: Problem, solution: Solution) -> list[Picture]:
    """Leverage before and after in the assets with the largest required notional."""
    count = problem.reduced_assets.size
    shown = by_notional(problem)[:MAX_ASSETS]
    which = f" Asset {{}} of {len(shown)}, the largest of {count}." if count > len(shown) else ""
    return [
        picture(
            f"{problem.book.assets[k]}: leverage in this asset before and after. The width of a "
            f"bar is equity, so its area is money.{which.format(number)}",
            partial(plots.water_filling, problem, solution, asset=problem.book.assets[k]),
        )
        for number, k in enumerate(shown, 1)
    ]


def _factor_leverage(problem: Problem) -> list[Picture]:
    """Factor leverage along the reduction, if one factor moves prices and margin is shared."""
    if (
        problem.book.size.size > MAX_SWEPT
        or factor_leverage.reason_not_applicable(problem) is not None
        or water_filling.reason_not_applicable(problem) is None
    ):
        return []
    caption = (
        "Factor leverage and gross leverage as the reduction grows. Accounts of high gross "
        "leverage may be hedged."
    )
    return [picture(caption, partial(plots.factor_leverage, problem), panels=2)]


def _losses(problem: Problem, solution: Solution, comparison: Comparison | None) -> list[Picture]:
    """Losses by rule, the nearest rules first, and the scenarios that the objective weighs."""
    named: dict[str, Any] = {"no reduction": None}
    if comparison is None:
        named["this answer"] = solution
    else:
        rules = feasible(comparison).index[:MAX_CURVES]
        named |= {rule: comparison.allocations[rule] for rule in rules}
    pictures = [
        picture(
            "Probability that the exchange loses at least this much.",
            partial(plots.loss_exceedance, problem, named),
        )
    ]
    if not isinstance(problem.objective, ExpectedLoss):
        mean = " It is the mean loss under the stressed probabilities."
        pictures.append(
            picture(
                "The scenarios that the objective weighs most."
                + (mean if problem.objective.coherent else ""),
                partial(plots.stressed_probabilities, problem, solution),
            )
        )
    return pictures


def ranked(comparison: Comparison) -> pd.DataFrame:
    """The comparison's table, feasible rules first, and among them those of least risk."""
    table = comparison.table
    missed = ~comparison.feasibility["feasible"].to_numpy(dtype=bool)
    objective = table["objective"] if "objective" in table else pd.Series(0.0, table.index)
    order = np.lexsort((objective.fillna(np.inf).to_numpy(dtype=float), missed))
    return table.iloc[order]


def feasible(comparison: Comparison) -> pd.DataFrame:
    """Rows of the rules that meet the requirement, those of least risk first."""
    return ranked(comparison).iloc[: int(comparison.feasibility["feasible"].sum())]


def repeated(table: pd.DataFrame) -> list[str]:
    """Columns of money that repeat the objective, as CVaR does if it is the objective."""
    return [
        name
        for name in ("worst_case", "cvar", "expected_loss")
        if name in table
        and table[name].notna().any()
        and np.allclose(table[name], table["objective"], rtol=1e-9, atol=0.0, equal_nan=True)
    ]


def _multiples(problem: Problem) -> list[float]:
    """Multiples of the reduction, up to all that is eligible of some asset or four times what is
    required.
    """
    most = min(
        4.0,
        float(
            (problem.available / np.maximum(np.abs(problem.required), np.finfo(float).tiny))[
                problem.reduced_assets
            ].min()
        ),
    )
    return [*np.linspace(0.1, max(most, 1.0), 20)]


def picture(caption: str, draw_on: Callable[..., object], panels: int = 1) -> Picture:
    """One picture, drawn on a figure of its own, without a screen.

    A palette of 128 colors suffices and makes the file three times smaller.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(
        figsize=(9.0, 3.6) if panels == 2 else (7.5, 4.0), dpi=DPI, layout="constrained"
    )
    axes = figure.subplots(1, panels, squeeze=False)[0]
    draw_on(axes=list(axes)) if panels > 1 else draw_on(ax=axes[0])
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # Names may be in scripts that the font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    out = BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return Picture(out.getvalue(), caption)
