"""Pictures of a simulated crash: fund and inventory, leverage before and after, who paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.plots import _canvas as canvas
from adlopt.simulation import Simulation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP = 12  # accounts named in `who_paid`


def fund_and_inventory(
    crash: Simulation, *, axes: Sequence[Axes] | None = None
) -> tuple[Axes, Axes]:
    """Fund and socialised loss (left), and where the contracts went (right), step by step.

    Parameters
    ----------
    crash : Simulation
    axes : two matplotlib axes, optional

    Returns
    -------
    tuple of Axes

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> crash = adl.simulate(book, path, adl.policies.ProRata())
    >>> left, right = adl.plots.fund_and_inventory(crash)
    >>> left.get_xlabel()
    'Step'
    """
    _require(crash, "fund_and_inventory")
    canvas.require_matplotlib()
    from matplotlib.ticker import MaxNLocator

    left, right = canvas.pair_of_axes(axes, (9.0, 3.6))
    _draw_fund(left, crash)
    _draw_contracts(right, crash)
    for ax in (left, right):
        ax.set_xlabel("Step")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        canvas.count_money(ax.yaxis)
        canvas.legend_above(ax)
    return left, right


def _draw_fund(ax: Axes, crash: Simulation) -> None:
    """Fund, and socialised loss so far, after each step; step 0 is before the crash."""
    steps = crash.steps
    number = np.append(0.0, steps["step"])
    fund = np.append(crash.exchange.fund, steps["fund"])
    lost = np.append(0.0, steps["socialised_loss"].cumsum())
    for values, name, colour, line, marker in (
        (fund, "fund", canvas.BLUE, "-", "o"),
        (lost, "socialised loss so far", canvas.VERMILLION, "--", "s"),
    ):
        ax.plot(
            number, values, color=colour, linestyle=line, marker=marker, markersize=4, label=name
        )
    ax.set_ylabel("Money")


def _draw_contracts(ax: Axes, crash: Simulation) -> None:
    """Stacked bars by step: contracts sold, deleveraged, and left in the inventory."""
    steps = crash.steps
    base = np.zeros(len(steps))
    for column, label, colour, hatch in (
        ("sold", "sold", canvas.SKY, ""),
        ("deleveraged", "deleveraged", canvas.VERMILLION, "///"),
        ("inventory", "left in the inventory", "0.75", "..."),
    ):
        values = steps[column].to_numpy()
        style: dict[str, Any] = {
            "color": colour,
            "hatch": hatch,
            "edgecolor": "white",
            "linewidth": 0.0,
        }
        ax.bar(steps["step"], values, 0.8, bottom=base, label=label, **style)
        base = base + values
    ax.set_ylabel("Contracts at the mark (money)")


def leverage_before_after(crash: Simulation, *, ax: Axes | None = None) -> Axes:
    """Leverage of each solvent account after the crash against before.

    Accounts that were deleveraged stand out. Below the line leverage has fallen.

    Parameters
    ----------
    crash : Simulation
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> crash = adl.simulate(book, path, adl.policies.ProRata())
    >>> ax = adl.plots.leverage_before_after(crash)
    >>> ax.get_xlabel()
    'Gross leverage before'
    """
    _require(crash, "leverage_before_after")
    accounts = crash.accounts
    before = accounts["leverage_before"].to_numpy()
    after = accounts["leverage_after"].to_numpy()
    shown = (before > 0) & (after > 0)
    touched = shown & (accounts["deleveraged"].to_numpy() > 0)
    ax = canvas.axes(ax, (5.2, 4.4))
    if not shown.any():
        raise InputError("leverage_before_after: no account is solvent with positions throughout")
    low, high = canvas.decades(
        min(before[shown].min(), after[shown].min()), max(before[shown].max(), after[shown].max())
    )
    ax.plot([low, high], [low, high], color="0.6", linewidth=1.0, linestyle=":")
    for mask, colour, marker, name in (
        (shown & ~touched, "0.6", "o", "not deleveraged"),
        (touched, canvas.VERMILLION, "^", "deleveraged"),
    ):
        style: dict[str, Any] = {"linestyle": "none", "marker": marker, "markersize": 4}
        label = f"{name} ({mask.sum():,})"
        ax.plot(before[mask], after[mask], color=colour, alpha=0.7, label=label, **style)
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    ax.set_xlabel("Gross leverage before")
    ax.set_ylabel("Gross leverage after the crash")
    for axis in (ax.xaxis, ax.yaxis):
        canvas.count_money(axis)
    canvas.legend_above(ax)
    return ax


def who_paid(crash: Simulation, *, ax: Axes | None = None) -> Axes:
    """The accounts whose contracts were taken, largest first: value taken, and profit given up.

    Parameters
    ----------
    crash : Simulation
    ax : matplotlib axes, optional

    Returns
    -------
    Axes

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> crash = adl.simulate(book, path, adl.policies.ProRata())
    >>> ax = adl.plots.who_paid(crash)
    >>> ax.get_xlabel()
    'Money'
    """
    _require(crash, "who_paid")
    accounts = crash.accounts
    paid = accounts["deleveraged"].to_numpy()
    order = np.argsort(-paid, kind="stable")
    order = order[paid[order] > 0]
    ax = canvas.axes(ax, (6.4, 4.2))
    if not order.size:
        raise InputError("who_paid: nobody was deleveraged in this crash")
    named, rest = order[:TOP], order[TOP:]
    labels = [canvas.safe_label(accounts["account"].iloc[int(row)]) for row in named]
    bars = _bars(paid, named, rest)
    given_up = _bars(accounts["profit_given_up"].to_numpy(), named, rest)
    if rest.size:
        labels.append(f"{rest.size:,} others")
    place = np.arange(len(labels))
    ax.barh(place - 0.2, bars, 0.4, color=canvas.BLUE, label="contracts taken")
    ax.barh(
        place + 0.2, given_up, 0.4, color=canvas.VERMILLION, hatch="///", label="profit given up"
    )
    ax.set_yticks(place, labels)
    ax.invert_yaxis()
    ax.axvline(0.0, color="0.3", linewidth=0.8)
    ax.set_xlabel("Money")
    ax.set_ylabel("Account")
    canvas.count_money(ax.xaxis)
    canvas.legend_above(ax)
    return ax


def _bars(values: FloatArray, named: IntArray, rest: IntArray) -> FloatArray:
    tail = [values[rest].sum()] if rest.size else []
    return np.concatenate([values[named], tail])


def _require(crash: object, what: str) -> None:
    if not isinstance(crash, Simulation):
        raise InputError(f"{what}: a {type(crash).__name__} is not a Simulation of adl.simulate")
