"""Exact proofs: value, lower bound and gap of an allocation as rational numbers.

Floating-point numbers are integers times powers of two, so every quantity of a scenario problem
with a polyhedral objective is rational. `prove_exactly` moves an allocation and a subgradient by
rounding, once, onto a point where the constraints and the dual constraints hold exactly, and
computes the rest in integers (docs/theory/certificate.md, equations 8 to 12). The file it writes is
read by `adlopt.proof.checker`, which recomputes all of it by other code.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import scenario_losses
from adlopt.model.problem import Problem
from adlopt.proof import checker
from adlopt.proof.multipliers import Multipliers
from adlopt.proof.sales import cost_and_least_cost, marginal_cost
from adlopt.proof.statement import (
    dual_feasible_stress,
    listed_shares,
    polyhedral_terms,
    state,
)

NO_LIMIT = 1 << 200  # of the checker's work, for a proof that was made here


@dataclass(frozen=True, eq=False, repr=False)
class ExactProof:
    """A proof in exact arithmetic of how far an allocation is from optimal.

    Attributes
    ----------
    value : Fraction
        The objective of the allocation, in money.
    lower_bound : Fraction
        No feasible allocation has a smaller objective, in money.
    document : dict
        All that a checker needs, in integers; what `save` writes.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.Scenarios([[60_000.0, 1_700.0], [74_000.0, 2_100.0]])
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> proof = adl.prove(problem, adl.solve(problem))
    >>> proof.lower_bound <= proof.value
    True
    """

    value: Fraction
    lower_bound: Fraction
    _: KW_ONLY
    document: dict[str, Any] = field(repr=False)

    @property
    def gap(self) -> Fraction:
        """(value - lower_bound) / max(|value|, 2^-1022), exactly."""
        return (self.value - self.lower_bound) / max(abs(self.value), checker.SMALLEST)

    def to_frame(self) -> pd.DataFrame:
        """One row: value, lower_bound and gap, rounded to floats."""
        facts = {"value": self.value, "lower_bound": self.lower_bound, "gap": self.gap}
        return pd.DataFrame([{name: float(number) for name, number in facts.items()}])

    def save(self, path: str | Path) -> None:
        """Write the proof for `adlopt check`. The file appears whole or not at all.

        Parameters
        ----------
        path : str or Path
            .json, or .json.gz to compress it.
        """
        from adlopt.proof.writer import write

        write(self.document, Path(path))

    def __repr__(self) -> str:
        return (
            f"ExactProof: value {decimal(self.value)}, lower bound {decimal(self.lower_bound)}, "
            f"relative gap {decimal(self.gap, 3)}; exact rational numbers"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"


def decimal(number: Fraction, digits: int = 12) -> str:
    """A rational number in decimal digits, without the range of floats."""
    from decimal import Context, Decimal

    context = Context(prec=digits)
    return str(context.divide(Decimal(number.numerator), Decimal(number.denominator)).normalize())


def prove_exactly(
    problem: Problem,
    allocation: FloatArray,
    reference: FloatArray | None = None,
    multipliers: Multipliers | None = None,
) -> ExactProof:
    """The proof for feasible reductions (e,), bounded by the subgradient at `reference` that the
    multipliers choose.

    Parameters
    ----------
    problem : Problem
        Over scenarios, with a polyhedral objective.
    allocation : (e,) float array
        Reductions in contracts, feasible to rounding.
    reference : (e,) float array, optional
        Where the bound is linearised; the allocation if left out. It need not be feasible.
    multipliers : Multipliers, optional
        Dual variables at the reference; the plain subgradient if left out.

    Returns
    -------
    ExactProof

    Raises
    ------
    NotApplicable
        The value is not a rational number, or not a sum over scenarios.
    """
    terms = polyhedral_terms(problem)
    point = allocation if reference is None else reference
    data = state(problem, allocation, point)
    losses = scenario_losses(problem, point)
    data["stress"], heights = dual_feasible_stress(problem, losses, terms, multipliers)
    data["objective"] = [
        [term.kind, term.factor.hex(), term.parameter.hex(), [h.hex() for h in part]]
        for term, part in zip(terms, heights, strict=True)
    ]
    data["pools"], data["scenarios"], data["shares"] = listed_shares(problem, point, multipliers)
    excess, constant, slope = _losses_and_minorant(data)
    data["price"], minimum = _minimum_over_boxes(data, slope)
    contracts, price, stress, share, _ = data["units"]
    money = Fraction(1, 1 << (contracts + price))
    paid, least = cost_and_least_cost(data)
    weight = data["weight"]
    measures = [
        Fraction(term.factor) * _measure(term.kind, Fraction(term.parameter), excess, weight)
        for term in terms
    ]
    value = money * sum(measures, Fraction(0)) + paid
    bound = money * Fraction(constant + minimum, 1 << (stress + share)) + least
    bound = max(bound, Fraction(0))
    proof = ExactProof(value, bound, document=data)
    data["claims"] = {
        name: f"{number.numerator:#x}/{number.denominator:#x}"
        for name, number in (("value", value), ("lower_bound", bound), ("gap", proof.gap))
    }
    checker.check(data, limit=NO_LIMIT)  # recomputed by other code before it leaves
    return proof


def _losses_and_minorant(data: dict[str, Any]) -> tuple[list[int], int, list[int]]:
    """Losses beyond the fund (S,), and the affine minorant: its constant, and its slope by the
    reduction of each position.
    """
    share = data["units"][3]
    moves = [np.array(series, dtype=object) for series in data["moves"]]
    stress = np.array([w << share for w in data["stress"]], dtype=object)
    loss = np.zeros(stress.size, dtype=object)
    constant, slope = -data["fund"][0] * int(stress.sum()), [0] * len(data["size"])
    first = np.searchsorted(data["pool"], np.arange(len(data["equity"]) + 1)).tolist()
    listed = np.searchsorted(data["pools"], np.arange(len(data["equity"]) + 1)).tolist()
    same = data["reduction"] == data["reference"]
    for i, equity in enumerate(data["equity"]):
        rows = range(first[i], first[i + 1])
        V = _equity(data, equity, rows, moves, "reduction")
        below = np.flatnonzero(V < 0)
        loss[below] -= V[below]
        if not same:
            below = np.flatnonzero(_equity(data, equity, rows, moves, "reference") < 0)
        weight = dict(zip(below.tolist(), stress[below], strict=True))
        for pair in range(listed[i], listed[i + 1]):
            s = data["scenarios"][pair]
            weight[s] = data["shares"][pair] * data["stress"][s]
        scenarios = np.fromiter(weight, dtype=np.intp, count=len(weight))
        a = np.array(list(weight.values()), dtype=object)
        mass = sum(weight.values())
        constant -= mass * equity
        for j in rows:
            k = data["asset"][j]
            moment = int((a * moves[k][scenarios]).sum()) if weight else 0
            constant -= data["size"][j] * moment
            slope[j] = moment - mass * data["offset"][k]
    excess = [max(int(x) - data["fund"][0], 0) for x in loss]
    return excess, constant, slope


def _equity(
    data: dict[str, Any], equity: int, rows: range, moves: list[Any], reduction: str
) -> Any:
    """(S,) equity of one pool in every scenario after the reductions of a column."""
    V = np.full(len(data["weight"]), equity, dtype=object)
    for j in rows:
        x, k = data[reduction][j], data["asset"][j]
        V = V + ((data["size"][j] - x) * moves[k] + x * data["offset"][k])
    return V


def _minimum_over_boxes(data: dict[str, Any], slope: list[int]) -> tuple[list[int], int]:
    """Prices of the sums at which slope.x and the market's cost are smallest over what is feasible,
    and the part of that minimum that the accounts and the requirement make up.

    Positions are filled up in order of cost, as long as the market is dearer.
    """
    prices, minimum = [0] * len(data["required"]), 0
    rows: list[list[int]] = [[] for _ in prices]
    for j, k in enumerate(data["asset"]):
        if data["cap"][j]:
            rows[k].append(j)
    for k, required in enumerate(data["required"]):
        side = -1 if required < 0 else 1
        positions = sorted((side * slope[j], abs(data["cap"][j])) for j in rows[k])
        price = marginal_cost(data, k, positions)
        minimum += price * abs(required)
        minimum += sum(min(0, (cost - price) * cap) for cost, cap in positions)
        prices[k] = side * price
    return prices, minimum


def _measure(kind: str, parameter: Fraction, loss: list[int], weight: list[int]) -> Fraction:
    """A CVaR by the formula of Rockafellar and Uryasev at its quantile, or a semideviation."""
    total = sum(weight)
    if kind == "semideviation":
        mean = Fraction(sum(w * x for w, x in zip(weight, loss, strict=True)), total)
        above = sum(w * max(x - mean, Fraction(0)) for w, x in zip(weight, loss, strict=True))
        return mean + parameter * above / total
    ranked = sorted((x, w) for x, w in zip(loss, weight, strict=True) if w)
    if parameter == 1:
        return Fraction(ranked[-1][0])
    below, quantile = 0, ranked[-1][0]
    for x, w in ranked:
        below += w
        if below >= parameter * total:
            quantile = x
            break
    beyond = sum(w * max(x - quantile, 0) for x, w in ranked)
    return quantile + Fraction(beyond, total) / (1 - parameter)
