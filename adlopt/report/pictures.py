"""The pictures of a report: those that say something about the problem at hand, and can be drawn in
seconds.
"""

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
from adlopt.solving.solution import Solution
from adlopt.studies.comparison import Comparison
from adlopt.studies.sweep import frontier

DPI = 120
ASSETS = 3  # reduced assets that get a picture of their own
SWEPT = 100_000  # positions up to which sweeps are drawn
CURVES = 6  # rules whose losses are drawn
PAIRS = 1_000_000_000  # of positions and scenarios up to which losses are drawn


def draw(problem: Problem, solution: Solution, comparison: Comparison | None) -> list[Picture]:
    """Pictures of a solved problem, and of rules compared where there are any."""
    pictures = []
    for k in problem.reduced_assets[:ASSETS]:
        asset = problem.book.assets[k]
        pictures.append(
            picture(
                f"{asset}: leverage in this asset before and after. Bars are as wide as equity: areas are money.",
                partial(plots.water_filling, problem, solution, asset),
            )
        )
    small = problem.book.size.size <= SWEPT
    if (
        small
        and factor_leverage.reason_not_applicable(problem) is None
        and water_filling.reason_not_applicable(problem) is not None
    ):
        pictures.append(
            picture(
                "Factor leverage and gross leverage as the reduction grows. Accounts of high gross leverage may be hedged.",
                partial(plots.factor_leverage, problem),
                panels=2,
            )
        )
    if problem.prices is None:
        return pictures
    if small and solution.method in ("factor_leverage", "water_filling"):
        sweep = frontier(problem, multiples=_multiples(problem), method=solution.method)
        pictures.append(
            picture(
                "Shadow prices: what one more contract of required reduction would save, as the reduction grows.",
                partial(plots.shadow_prices, sweep),
            )
        )
    if problem.book.size.size * problem.scenarios.weights.size <= PAIRS:
        named: dict[str, Any] = {"no reduction": None}
        if comparison is None:
            named["this answer"] = solution
        else:
            named |= {
                rule: comparison.allocations[rule] for rule in feasible(comparison).index[:CURVES]
            }
        pictures.append(
            picture(
                "How likely the exchange is to lose at least so much.",
                partial(plots.loss_exceedance, problem, named),
            )
        )
        if not isinstance(problem.objective, ExpectedLoss):
            mean = (
                " It is the mean loss under the stressed probabilities."
                if problem.objective.coherent
                else ""
            )
            pictures.append(
                picture(
                    f"The scenarios that the objective looks at.{mean}",
                    partial(plots.stressed_probabilities, problem, solution),
                )
            )
    if comparison is not None:
        pictures.append(
            picture(
                "The risk that each rule leaves, and how many accounts carry it.",
                partial(plots.risk_against_concentration, feasible(comparison)),
            )
        )
    return pictures


def feasible(comparison: Comparison) -> pd.DataFrame:
    """Rows of the rules that meet the requirement: what takes less may well leave less risk."""
    return comparison.table[comparison.feasibility["feasible"].to_numpy(dtype=bool)]


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
    """One picture, drawn on a figure of its own that no screen and no other picture knows of.

    128 colours are more than it has, and make a third of the file.
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
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font"
        )  # names in scripts that the font lacks
        canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    out = BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return Picture(out.getvalue(), caption)
