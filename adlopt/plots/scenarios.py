"""Losses scenario by scenario: how often they are exceeded, and which of them the objective looks
at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from adlopt.errors import InputError
from adlopt.model.losses import losses_beyond_fund, scenario_losses
from adlopt.model.problem import Problem
from adlopt.objectives.protocol import ROUNDING
from adlopt.plots import _canvas as canvas
from adlopt.solving.solution import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPAN = 1e6  # largest over smallest loss, or probability, that is shown


def loss_exceedance(
    problem: Problem,
    allocations: Mapping[str, Solution | pd.DataFrame | None],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Probability that the exchange loses at least so much, by policy, both axes logarithmic.

    `allocations` by name: solutions or allocation tables of any rules; None stands for no
    reduction. Losses are before the
    insurance fund, which is drawn as a line where there is one. Raises NotApplicable without a
    price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> ax = adl.plots.loss_exceedance(problem, {"optimum": adl.solve(problem), "none": None})
    >>> ax.get_xscale()
    'log'
    """
    if not allocations:
        raise InputError("loss_exceedance: give at least one allocation by name")
    ax = canvas.axes(ax)
    weights = problem.scenarios.weights
    curves = {}
    for given, allocation in allocations.items():
        losses = scenario_losses(problem, canvas.reductions(problem, allocation))
        order = np.argsort(losses, kind="stable")
        exceeded = np.cumsum(weights[order][::-1])[::-1]  # P(L >= loss)
        shown = (losses[order] > 0) & (exceeded > 0)
        curves[given] = losses[order][shown], exceeded[shown]
    for (given, (loss, exceeded)), style in zip(
        curves.items(), canvas.styles(len(curves)), strict=True
    ):
        label = canvas.name(given) + ("" if loss.size else " (no loss)")
        every = max(loss.size // 10, 1)
        ax.plot(
            loss,
            exceeded,
            drawstyle="steps-pre",
            markevery=every,
            markersize=4,
            label=label,
            **style,
        )
    if problem.insurance_fund > 0:
        ax.axvline(problem.insurance_fund, color="0.4", linestyle=":", label="insurance fund")
    ax.set_xscale("log")
    ax.set_yscale("log")
    lossy = [curve for curve in curves.values() if curve[0].size]
    if not lossy:
        ax.set(xlim=(1.0, 10.0), ylim=(0.1, 1.0))
    else:
        most = max(loss[-1] for loss, _ in lossy)
        ax.set_xlim(canvas.decades(max(min(loss[0] for loss, _ in lossy), most / SPAN), most))
        likeliest = max(exceeded[0] for _, exceeded in lossy)
        ax.set_ylim(
            canvas.decades(
                max(min(exceeded[-1] for _, exceeded in lossy), likeliest / SPAN), likeliest
            )
        )
    ax.set_xlabel("Loss of the exchange (money)")
    ax.set_ylabel("Probability of at least this loss")
    canvas.count_money(ax.xaxis)
    canvas.legend_beside(ax)
    return ax


def stressed_probabilities(
    problem: Problem, solution: Solution | pd.DataFrame | None, *, ax: Axes | None = None
) -> Axes:
    """Stressed over physical probability of each scenario at an allocation, scenarios from the
    least to the largest loss.

    Bars are as wide as physical probabilities, so that areas are stressed ones: the objective is
    the mean loss under them
    (of a coherent objective). Where a small part of all scenarios is stressed, the view shows twice
    that part. None stands
    for no reduction. Raises NotApplicable without a price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> ax = adl.plots.stressed_probabilities(problem, adl.solve(problem))
    >>> ax.get_ylabel()
    'Stressed / physical probability'
    """
    weights = problem.scenarios.weights
    losses = losses_beyond_fund(problem, canvas.reductions(problem, solution))
    stressed = problem.objective.stressed_probabilities(losses, weights)
    possible = np.flatnonzero(weights > 0)
    ratios = stressed[possible] / weights[possible]
    order = np.lexsort(
        (ratios, losses[possible])
    )  # which of equal losses are stressed is arbitrary: those next to the tail
    width, ratio = canvas.merged(weights[possible][order], ratios[order])
    edges = np.concatenate([[0.0], np.cumsum(width)])
    ax = canvas.axes(ax)
    canvas.steps(
        ax,
        ratio,
        edges,
        facecolor=canvas.SKY,
        edgecolor=canvas.BLUE,
        hatch="..",
        linewidth=0,
        label=f"stressed: {_short(str(problem.objective))}",
    )
    canvas.steps(ax, ratio, edges, fill=False, edgecolor=canvas.BLUE, linewidth=1.2)
    ax.axhline(1.0, color=canvas.BLACK, linestyle="--", linewidth=1.5, label="physical")
    stressed_more = np.flatnonzero(ratio > 1 + ROUNDING)
    left = 2.0 * edges[stressed_more[0]] - 1.0 if stressed_more.size else 0.0
    left = left if left > 0.5 else 0.0
    ax.set_xlim(left, edges[-1])
    ax.set_ylim(0.0, 1.1 * max(1.0, float(ratio.max())))
    ax.set_xlabel(
        "Probability of a smaller loss"
        + (f" (the worst {100 * (1 - left):.3g} % are shown)" if left else "")
    )
    ax.set_ylabel("Stressed / physical probability")
    canvas.legend_above(ax, columns=2)
    return ax


def _short(text: str) -> str:
    text = text.replace("$", r"\$")
    return text if len(text) <= 40 else text[:39] + "…"
