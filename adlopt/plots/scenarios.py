"""Losses scenario by scenario: how often they are exceeded, and which of them the objective looks
at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import AnyAllocation
from adlopt.model.losses import losses_beyond_fund, scenario_losses
from adlopt.model.problem import Problem
from adlopt.objectives.dual_set import ROUNDING
from adlopt.plots import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPAN = 1e6  # largest over smallest loss, or probability, that is shown


def loss_exceedance(
    problem: Problem,
    allocations: Mapping[str, AnyAllocation | None],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Probability that the exchange loses at least so much, by policy, both axes logarithmic.

    Losses are before the insurance fund, which is drawn as a line where there is one.

    Parameters
    ----------
    problem : Problem
        With a price model.
    allocations : mapping from name to Solution, DataFrame or array (e,)
        Allocations of any rules; None stands for no reduction.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    NotApplicable
        The problem has no price model.

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
    curves = {name: _exceedance(problem, given) for name, given in allocations.items()}
    styles = canvas.styles(len(curves))
    for (name, (loss, exceeded)), style in zip(curves.items(), styles, strict=True):
        label = canvas.safe_label(name) + ("" if loss.size else " (no loss)")
        ax.plot(
            *(loss, exceeded),
            drawstyle="steps-pre",
            markevery=max(loss.size // 10, 1),
            markersize=4,
            label=label,
            **style,
        )
    if problem.insurance_fund > 0:
        ax.axvline(problem.insurance_fund, color="0.4", linestyle=":", label="insurance fund")
    ax.set(xscale="log", yscale="log")
    _limit(ax, [curve for curve in curves.values() if curve[0].size])
    ax.set_xlabel("Loss of the exchange (money)")
    ax.set_ylabel("Probability of at least this loss")
    canvas.count_money(ax.xaxis)
    canvas.legend_beside(ax)
    return ax


def _exceedance(
    problem: Problem, allocation: AnyAllocation | None
) -> tuple[FloatArray, FloatArray]:
    """Losses > 0 in increasing order, and the probability of at least each."""
    losses = scenario_losses(problem, canvas.reductions(problem, allocation))
    order = np.argsort(losses, kind="stable")
    exceeded = np.cumsum(problem.scenarios.weights[order][::-1])[::-1]  # P(L >= loss)
    shown = (losses[order] > 0) & (exceeded > 0)
    return losses[order][shown], exceeded[shown]


def _limit(ax: Axes, curves: list[tuple[FloatArray, FloatArray]]) -> None:
    """Whole decades around the curves, at most `SPAN` below the largest loss and probability."""
    if not curves:
        ax.set(xlim=(1.0, 10.0), ylim=(0.1, 1.0))
        return
    most = max(loss[-1] for loss, _ in curves)
    ax.set_xlim(canvas.decades(max(min(loss[0] for loss, _ in curves), most / SPAN), most))
    likeliest = max(exceeded[0] for _, exceeded in curves)
    rarest = min(exceeded[-1] for _, exceeded in curves)
    ax.set_ylim(canvas.decades(max(rarest, likeliest / SPAN), likeliest))


def stressed_probabilities(
    problem: Problem, allocation: AnyAllocation | None, *, ax: Axes | None = None
) -> Axes:
    """Stressed over physical probability of each scenario at an allocation, scenarios from the
    least to the largest loss.

    Bars are as wide as physical probabilities, so their areas are stressed ones. The mean loss
    under these is the objective, if it is coherent. Where few scenarios are stressed, the picture
    shows twice their part.

    Parameters
    ----------
    problem : Problem
        With a price model.
    allocation : Solution, DataFrame, array (e,) or None
        None stands for no reduction.
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> ax = adl.plots.stressed_probabilities(problem, adl.solve(problem))
    >>> ax.get_ylabel()
    'Stressed / physical probability'
    """
    ratio, edges = _stress_ratio(problem, allocation)
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
    shown = f" (the worst {100 * (1 - left):.3g} % are shown)" if left else ""
    ax.set_xlabel(f"Probability of a smaller loss{shown}")
    ax.set_ylabel("Stressed / physical probability")
    canvas.legend_above(ax, columns=2)
    return ax


def _stress_ratio(
    problem: Problem, allocation: AnyAllocation | None
) -> tuple[FloatArray, FloatArray]:
    """Stressed over physical probability by increasing loss, and the edges of the bars."""
    weights = problem.scenarios.weights
    losses = losses_beyond_fund(problem, canvas.reductions(problem, allocation))
    stressed = problem.objective.stressed_probabilities(losses, weights)
    possible = np.flatnonzero(weights > 0)
    ratios = stressed[possible] / weights[possible]
    # Which of equal losses are stressed is arbitrary: those next to the tail.
    order = np.lexsort((ratios, losses[possible]))
    width, ratio = canvas.downsample_steps(weights[possible][order], ratios[order])
    return ratio, np.concatenate([[0.0], np.cumsum(width)])


def _short(text: str) -> str:
    text = text.replace("$", r"\$")
    return text if len(text) <= 40 else text[:39] + "…"
