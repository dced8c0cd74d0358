"""A problem, an allocation and a subgradient as integers on a common scale, feasible exactly.

The checker's file states the problem for the pools that take part: those with equity > 0. Two
things are rounded, both once: what the sums of the allocation miss is moved into positions that
have room, and stresses are scaled down until the dual constraints hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import NotApplicable
from adlopt.model.market import sold
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR, ExpectedLoss, Objective, Semideviation, Spectral, WorstCase
from adlopt.proof import checker
from adlopt.proof.certificate import over_scenarios, term_stresses
from adlopt.proof.multipliers import Multipliers

STRESS_BITS = 128  # stresses are rounded down to multiples of 2^-128
SHARE_BITS = 64  # shares in [0, 1] of a stress likewise
# of a pool's equity and notional: a pair this near to zero equity has its share written down
KINK_TOLERANCE = 1e-9
CHUNK = 4_000_000  # pool-scenario pairs looked at together, 32 MB of floats


class Term(NamedTuple):
    """A polyhedral measure: CVaR at a level (1 for the worst case), or mean plus semideviation."""

    kind: str  # "cvar" or "semideviation"
    factor: float
    parameter: float  # the level, or c
    measure: int  # which of the objective's terms it belongs to


def polyhedral_terms(problem: Problem) -> list[Term]:
    """The objective as a sum of CVaRs and semideviations over the problem's scenarios.

    Raises NotApplicable, with the reason, where the value is not a rational function of the data.
    """
    problem.require_prices()
    if not over_scenarios(problem):
        raise NotApplicable(
            f"prove: under {type(problem.prices).__name__} the expected loss is an integral, not a "
            "sum over scenarios; give prices=Scenarios(...) to prove what an allocation does there"
        )
    terms: list[Term] = []
    for number, (factor, measure) in enumerate(problem.objective.terms):
        terms += [Term(*part, number) for part in _parts(factor, measure)]
    return terms


def _parts(factor: float, measure: Objective) -> list[tuple[str, float, float]]:
    if isinstance(measure, ExpectedLoss):
        return [("cvar", factor, 0.0)]
    if isinstance(measure, CVaR):
        return [("cvar", factor, float(measure.level))]
    if isinstance(measure, WorstCase):
        return [("cvar", factor, 1.0)]
    if isinstance(measure, Spectral):
        return [("cvar", factor * share, float(part.level)) for share, part in measure.mixture]
    if isinstance(measure, Semideviation) and measure.order == 1:
        return [("semideviation", factor, float(measure.c))]
    raise NotApplicable(
        f"prove: the objective {measure} is not polyhedral, so its values are not rational "
        "numbers; expected loss, CVaR, Spectral, WorstCase, Semideviation of order 1 and sums of "
        "them are"
    )


def state(problem: Problem, allocation: FloatArray, reference: FloatArray) -> dict[str, Any]:
    """The checker's tables but for the dual variables."""
    book = problem.book
    solvent = np.flatnonzero(book.solvent)
    rows = np.flatnonzero(book.solvent[book.pool])
    by_row = {}
    for name, values in (
        ("cap", problem.max_reduction),
        ("reduction", allocation),
        ("reference", reference),
    ):
        column = np.zeros(book.size.size)
        column[problem.eligible] = values
        by_row[name] = column[rows].tolist()
    by_row["size"] = book.size[rows].tolist()
    required = problem.required.tolist()
    moves, offset = problem.moves.tolist(), problem.settlement_offset.tolist()
    equity, fund = book.equity[solvent].tolist(), [float(problem.insurance_fund)]
    traded, depth, linear, slope = _market(problem, allocation)
    contracts = bits_after_point(required, traded, depth, *by_row.values())
    price = bits_after_point(offset, linear, *moves)
    contracts = max(contracts, bits_after_point(equity, fund) - price)
    weights = problem.scenarios.weights.tolist()
    names = book.account_names.take(book.pool_account[solvent])
    data: dict[str, Any] = {
        "format": checker.FORMAT,
        "units": [contracts, price, STRESS_BITS, SHARE_BITS, bits_after_point(slope)],
        "accounts": [str(name) for name in names],
        "margin": ["isolated" if alone else "cross" for alone in book.isolated[solvent]],
        "assets": [str(name) for name in book.assets],
        "equity": integers(equity, contracts + price),
        "fund": integers(fund, contracts + price),
        "required": integers(required, contracts),
        "offset": integers(offset, price),
        "sold": integers(traded, contracts),
        "depth": integers(depth, contracts),
        "linear": integers(linear, price),
        "slope": integers(slope, bits_after_point(slope)),
        "pool": np.searchsorted(solvent, book.pool[rows]).tolist(),
        "asset": book.asset[rows].tolist(),
        **{name: integers(column, contracts) for name, column in by_row.items()},
        "weight": integers(weights, bits_after_point(weights)),
        "moves": [integers(series, price) for series in moves],
    }
    same = data["reduction"] == data["reference"]
    _meet_sums(data)
    if same:
        data["reference"] = list(data["reduction"])
    return data


def _market(
    problem: Problem, allocation: FloatArray
) -> tuple[list[float], list[float], list[float], list[float]]:
    """By asset: contracts sold, the most that can be, and both parts of their cost (M1)."""
    terms = problem.market_terms
    if terms is None:
        none = [0.0] * problem.required.size
        return none, none, none, none
    depth = np.minimum(terms.depth, np.abs(problem.required))
    return (
        sold(problem, allocation).tolist(),
        depth.tolist(),
        terms.linear.tolist(),
        terms.slope.tolist(),
    )


def bits_after_point(*columns: Iterable[float]) -> int:
    """The least n for which all numbers are multiples of 2^-n."""
    return max(
        (x.as_integer_ratio()[1].bit_length() - 1 for column in columns for x in column), default=0
    )


def integers(values: Iterable[float], bits: int) -> list[int]:
    """Numbers in units of 2^-bits, of which they are multiples."""
    found = []
    for value in values:
        top, bottom = value.as_integer_ratio()
        found.append(top << (bits - bottom.bit_length() + 1))
    return found


def _meet_sums(data: dict[str, Any]) -> None:
    """Move what the reductions and sales of each asset miss into positions that have room, partly
    reduced ones first.

    A requirement that exceeds all there is by rounding becomes all there is.
    """
    taken, cap, traded = data["reduction"], data["cap"], data["sold"]
    rows: list[list[int]] = [[] for _ in data["required"]]
    for j, k in enumerate(data["asset"]):
        rows[k].append(j)
    required = data["required"]
    for k in range(len(required)):
        side, available = -1 if required[k] < 0 else 1, abs(sum(cap[j] for j in rows[k]))
        most = min(max(abs(traded[k]), abs(required[k]) - available), data["depth"][k])
        traded[k] = side * most
        required[k] = side * min(abs(required[k]), available + most)
        missing = required[k] - traded[k] - sum(taken[j] for j in rows[k])
        for j in sorted(rows[k], key=lambda j: -min(abs(taken[j]), abs(cap[j] - taken[j]))):
            if not missing:
                break
            low, high = min(0, cap[j]), max(0, cap[j])
            moved = min(max(taken[j] + missing, low), high) - taken[j]
            taken[j] += moved
            missing -= moved


def dual_feasible_stress(
    problem: Problem, losses: FloatArray, terms: list[Term], multipliers: Multipliers | None
) -> tuple[list[int], list[list[float]]]:
    """Stresses (S,) in units of 2^-STRESS_BITS for which the dual constraints hold exactly, and the
    heights of each term (none for a CVaR).
    """
    weights, fund = problem.scenarios.weights, problem.insurance_fund
    excess = np.maximum(losses - fund, 0.0)
    by_measure = term_stresses(problem.objective, excess, weights, multipliers)
    uncovered = (losses > fund).astype(float)
    if multipliers is not None:
        uncovered = np.clip(multipliers.uncovered, 0.0, 1.0)
    tails = [term for term in terms if term.kind == "cvar"]
    total = np.zeros(weights.size)
    for number in dict.fromkeys(term.measure for term in tails):
        total += problem.objective.terms[number][0] * by_measure[number][0]
    whole = integers(weights.tolist(), bits_after_point(weights.tolist()))
    stress = _scaled_into_dual_set(total, whole, tails)
    heights: list[list[float]] = []
    for term in terms:
        if term.kind == "cvar":
            heights.append([])
            continue
        tilt = np.divide(by_measure[term.measure][0], weights, where=weights > 0, out=weights * 0)
        slope = (tilt - tilt[weights > 0].min()) / term.parameter if term.parameter else tilt * 0.0
        heights.append(np.clip(slope, 0.0, 1.0).tolist())
        stress = [
            x + part for x, part in zip(stress, _tilted(term, heights[-1], whole), strict=True)
        ]
    parts = [Fraction(share) for share in uncovered.tolist()]
    return [int(x * part) for x, part in zip(stress, parts, strict=True)], heights


def _scaled_into_dual_set(stress: FloatArray, weight: list[int], tails: list[Term]) -> list[int]:
    """Stresses in units of 2^-STRESS_BITS, none above its own limit, and all scaled down by the
    most that the sum over a set of scenarios exceeds the set's limit.
    """
    total = sum(weight)
    unit = 1 << STRESS_BITS
    terms = [(Fraction(t.factor), 1 - Fraction(t.parameter)) for t in tails]

    def limit(mass: int) -> Fraction:
        share = Fraction(mass, total)
        parts = [f * min(share / tail, Fraction(1)) if tail else f for f, tail in terms]
        return sum(parts, Fraction(0))

    singles = {w: int(limit(w) * unit) if w else 0 for w in set(weight)}
    found = [
        min(int(Fraction(max(x, 0.0)) * unit), singles[w])
        for x, w in zip(stress.tolist(), weight, strict=True)
    ]
    worst, mass, held = Fraction(1), 0, 0
    positive = [s for s, x in enumerate(found) if x > 0]
    for s in sorted(positive, key=lambda s: Fraction(found[s], weight[s]), reverse=True):
        mass, held = mass + weight[s], held + found[s]
        worst = max(worst, held / (limit(mass) * unit))
    return [x * worst.denominator // worst.numerator for x in found]


def _tilted(term: Term, heights: list[float], weight: list[int]) -> list[int]:
    """f p (1 + c (h - E h)) in units of 2^-STRESS_BITS, rounded down."""
    total, h = sum(weight), [Fraction(height) for height in heights]
    mean = sum((w * x for w, x in zip(weight, h, strict=True)), Fraction(0)) / total
    factor, c = Fraction(term.factor), Fraction(term.parameter)
    unit = 1 << STRESS_BITS
    return [
        int(unit * factor * w * (1 + c * (x - mean)) / total)
        for w, x in zip(weight, h, strict=True)
    ]


def listed_shares(
    problem: Problem, reference: FloatArray, multipliers: Multipliers | None
) -> tuple[list[int], list[int], list[int]]:
    """Pool, scenario and share, in units of 2^-SHARE_BITS, wherever the share of the multipliers is
    not the sign rule's: 1 where the pool's equity is negative at the reference, else 0.

    Pools count from zero among the solvent ones. Pairs so near to zero equity that rounding may
    hide the sign are always listed.
    """
    if multipliers is None:
        return [], [], []
    book, moves = problem.book, problem.moves
    sizes, equity = problem.size_matrix(reference), problem.equity_after(reference)
    slack = KINK_TOLERANCE * (book.equity + book.gross)
    eligible = np.unique(problem.pool)
    scenarios = moves.shape[1]
    found: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for pools in np.array_split(eligible, max(1, -(-eligible.size * scenarios // CHUNK))):
        V = equity[pools, None] + sizes[pools] @ moves
        share = np.zeros(V.shape)
        low, high = np.searchsorted(multipliers.pool, [pools[0], pools[-1] + 1])
        place = np.searchsorted(pools, multipliers.pool[low:high])
        share[place, multipliers.scenario[low:high]] = multipliers.weight[low:high]
        share = np.clip(share, 0.0, 1.0)
        row, column = np.nonzero((share != (V < 0)) | (np.abs(V) <= slack[pools, None]))
        found[0].append(pools[row])
        found[1].append(column)
        found[2].append(share[row, column])
    pool = np.searchsorted(np.flatnonzero(book.solvent), np.concatenate(found[0]))
    unit = 1 << SHARE_BITS
    shares = [int(Fraction(x) * unit) for x in np.concatenate(found[2]).tolist()]
    return pool.tolist(), np.concatenate(found[1]).tolist(), shares
