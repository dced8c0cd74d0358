"""One reduced asset under expected loss: water-filling on marginal expected loss, exact.

Each pool's expected loss is convex and piecewise linear in its reduction. Its pieces, each a number
of contracts at one
cost per contract, are called in the order of cost until the reduction is met; the last one called
sets the shadow price.
One sort over all pieces; no search, no inner optimisation.
"""

from __future__ import annotations

import numpy as np

from adlopt.methods.repair import restore_feasibility
from adlopt.methods.result import Result
from adlopt.model.problem import Problem
from adlopt.presolve.pairs import Presolved
from adlopt.proof.multipliers import Multipliers


def solve(problem: Problem, presolved: Presolved) -> Result:
    """Reductions, and multipliers at the kinks that prove them to rounding."""
    k = int(problem.reduced_assets[0])
    weights = problem.scenarios.weights
    change = np.sign(problem.required[k]) * (
        problem.moves[k] - problem.settlement_offset[k]
    )  # of -V by contract taken
    cap = np.abs(problem.max_reduction)
    position = np.full(problem.book.equity.size, -1)
    position[problem.pool] = np.arange(cap.size)

    linear, hinges = presolved.linear, presolved.hinges
    row = position[hinges.pool]
    rate = change[hinges.scenario]
    kink = np.clip(
        -hinges.shortfall / rate, 0.0, cap[row]
    )  # contracts at which the pool's equity is zero
    order = np.lexsort((kink, row))
    row, rate, kink = row[order], rate[order], kink[order]
    scenario = hinges.scenario[order]

    # Cost per contract of each pool's first piece; every kink adds to it.
    base = np.bincount(
        position[linear.pool], (weights * change)[linear.scenario], minlength=cap.size
    ).astype(float)
    base += np.bincount(row, weights[scenario] * np.minimum(rate, 0.0), minlength=cap.size)
    rise = weights[scenario] * np.abs(rate)
    first = np.searchsorted(row, np.arange(cap.size + 1))
    total = np.append(0.0, np.cumsum(rise))
    after = base[row] + (total[1:] - total[first[row]])
    before = after - rise
    following = np.append(kink[1:], 0.0)
    last = np.append(row[1:] != row[:-1], np.ones(min(row.size, 1), dtype=bool))
    following[last] = cap[row[last]]
    foremost = first[row] == np.arange(row.size)
    opening = cap.copy()
    opening[row[foremost]] = kink[foremost]

    cost = np.concatenate([base, after])
    length = np.concatenate([opening, following - kink])
    owner = np.concatenate([np.arange(cap.size), row])
    called = np.argsort(cost, kind="stable")
    filled = np.cumsum(length[called])
    needed = abs(problem.required[k])
    marginal = min(int(np.searchsorted(filled, needed)), called.size - 1)
    price = cost[called[marginal]]
    taken = np.bincount(
        owner[called[:marginal]], length[called[:marginal]], minlength=cap.size
    ).astype(float)
    rest = needed - (filled[marginal - 1] if marginal else 0.0)
    taken[owner[called[marginal]]] += rest

    # At a kink any share of the scenario's weight is a subgradient: the one with slope `price`
    # proves the optimum.
    passed = np.clip(
        np.divide(price - before, rise, out=np.zeros(rise.size), where=rise > 0), 0.0, 1.0
    )
    pool = np.concatenate([linear.pool, hinges.pool[order]])
    share = np.concatenate([np.ones(linear.pool.size), np.where(rate > 0, passed, 1.0 - passed)])
    by_pool = np.argsort(pool, kind="stable")
    multipliers = Multipliers(
        stress=(weights,),
        uncovered=np.ones(weights.size),
        pool=pool[by_pool],
        scenario=np.concatenate([linear.scenario, scenario])[by_pool],
        weight=share[by_pool],
    )
    return Result(
        allocation=restore_feasibility(
            problem, np.sign(problem.max_reduction) * np.minimum(taken, cap)
        ),
        multipliers=multipliers,
        details={"presolve": str(presolved), "algorithm": "merit order"},
    )
