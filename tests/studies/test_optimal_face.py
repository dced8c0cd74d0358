"""The CVaR-optimal set: by hand, against a linear program over all optimal allocations, and just
outside.
"""

from __future__ import annotations

from itertools import combinations

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import adlopt as adl
from adlopt.model.losses import objective_value
from tests.support import TAME, Case, Reference, random_allocation, random_case

TWISTS = tuple(twist for twist in TAME if twist != "tiny reduction")
LEVELS = (0.5, 0.8, 0.9, 0.0)


def hand(level: float = 0.75, contracts: float = 4.0) -> adl.Problem:
    """Longs of leverage 8, 5, 4 and 2 with equity 1 and mark 1; prices fall by 50, 40, 25 and
    10 %.
    """
    table = pd.DataFrame(
        {"account": list("abcd"), "asset": "X", "size": [8.0, 5.0, 4.0, 2.0], "equity": 1.0}
    )
    prices = adl.Scenarios(returns=[[-0.5], [-0.4], [-0.25], [-0.1]], assets=["X"])
    return adl.Problem(
        adl.Book.from_frame(table, marks={"X": 1.0}),
        {"X": contracts},
        prices=prices,
        objective=adl.CVaR(level),
    )


def test_by_hand() -> None:
    """CVaR at 75 % is the loss in the worst of four: anything goes as long as nobody ends below
    leverage 2.
    """
    found = adl.optimal_set(hand())
    assert found.cutoff == 2.0
    assert found.interval.loc["X"].to_numpy().tolist() == [2.0, np.inf]
    assert found.ranges["least"].to_list() == [0.0, 0.0, 0.0, 0.0]
    assert found.ranges["most"].to_list() == [4.0, 3.0, 2.0, 0.0]
    assert not found.unique
    assert found.value == pytest.approx(19 / 2 - 4 - 4 / 2)
    # At 50 % the two worst count: kinks at 2 and 2.5, and leverage 8 and 5 can give it all.
    found = adl.optimal_set(hand(0.5))
    assert found.interval.loc["X"].to_numpy().tolist() == [2.5, np.inf]
    assert found.ranges["most"].to_list() == [4.0, 2.5, 1.5, 0.0]
    # After ten contracts the level is (9 - 2) / 3, between the kinks; after 9.5 it is 2.5 itself:
    # nothing is left to choose.
    found = adl.optimal_set(hand(0.5, 10.0))
    assert found.interval.loc["X"].to_numpy().tolist() == [2.0, 2.5]
    assert found.ranges["least"].to_list() == [5.5, 2.5, 1.5, 0.0]
    assert found.ranges["most"].to_list() == [6.0, 3.0, 2.0, 0.0]
    assert adl.optimal_set(hand(0.5, 9.5)).unique


def test_a_sum_may_leave_no_choice() -> None:
    """One account must give what is required, whatever its box allows."""
    table = pd.DataFrame({"account": ["a"], "asset": "X", "size": [8.0], "equity": 1.0})
    prices = adl.Scenarios(returns=[[-0.5], [-0.4], [-0.25], [-0.1]], assets=["X"])
    problem = adl.Problem(
        adl.Book.from_frame(table, marks={"X": 1.0}),
        {"X": 3.0},
        prices=prices,
        objective=adl.CVaR(0.75),
    )
    assert "one allocation" in repr(adl.optimal_set(problem))
    assert "3 positions have a choice" in repr(adl.optimal_set(hand()))


def test_criteria_by_hand() -> None:
    found = adl.optimal_set(hand())
    assert found.select("fewest_accounts")["reduction"].to_list() == [4.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(
        found.select("smallest_fraction")["fraction"], [4 / 17, 4 / 17, 4 / 17, 0.0]
    )
    queue = found.problem.positions.assign(reduction=[0.0, 0.0, 2.0, 2.0])
    assert not found.contains(queue)
    np.testing.assert_allclose(found.select(queue)["reduction"], [2 / 3, 2 / 3, 2.0, 0.0], atol=0.5)
    assert found.contains(found.select(queue))
    with pytest.raises(adl.InputError, match="'fairest' is unknown; use 'fewest_accounts'"):
        found.select("fairest")
    with pytest.raises(adl.InputError, match="sum to"):
        found.contains(queue.assign(reduction=1.5))


class Optima:
    """All allocations with CVaR at most `value`, as the program of Rockafellar and Uryasev over a
    case's tables.
    """

    def __init__(self, case: Case, level: float, value: float, unit: float) -> None:
        self.reference = reference = Reference(case)
        self.rows = np.flatnonzero(reference.max_reduction)
        capacity, moves = reference.max_reduction[self.rows], case.moves.T[reference.asset]
        self.fraction = cp.Variable(self.rows.size)
        V = np.repeat(reference.equity[:, None], case.weights.size, axis=1)
        np.add.at(V, reference.pool, reference.size[:, None] * moves)
        reducible = reference.pool[self.rows]
        idle = np.setdiff1d(np.flatnonzero(reference.solvent), reducible)
        constant = np.maximum(-V[idle], 0.0).sum(axis=0) / unit
        e, S = self.rows.size, case.weights.size
        gain = (capacity[:, None] * moves[self.rows] / unit).ravel()
        slope = sp.csr_array(
            (gain, (np.arange(e * S), np.repeat(np.arange(e), S))), shape=(e * S, e)
        )
        gather = sp.csr_array(
            (np.ones(e * S), (np.tile(np.arange(S), e), np.arange(e * S))), shape=(S, e * S)
        )
        total = constant + gather @ cp.pos(slope @ self.fraction - V[reducible].ravel() / unit)
        beyond = cp.pos(total - case.insurance_fund / unit)
        threshold = cp.Variable()
        risk = threshold + case.weights @ cp.pos(beyond - threshold) / (1 - level)
        self.rules = [self.fraction >= 0, self.fraction <= 1, risk <= value / unit]
        for name, amount in case.reduction.items():
            share = np.where(reference.asset_name[self.rows] == name, capacity / amount, 0.0)
            self.rules.append(share @ self.fraction == min(1.0, share.sum()))
        self.which = cp.Parameter(self.rows.size)
        self.program = cp.Problem(cp.Minimize(self.which @ self.fraction), self.rules)

    def extreme(self, at: int, sign: float) -> np.ndarray:
        """Fractions of the optimal allocation that takes least (sign 1) or most (-1) from an
        eligible position.
        """
        self.which.value = sign * (np.arange(self.rows.size) == at)
        self.program.solve(
            solver=cp.HIGHS, primal_feasibility_tolerance=1e-10, dual_feasibility_tolerance=1e-10
        )
        return np.asarray(np.clip(self.fraction.value, 0.0, 1.0))


@pytest.mark.parametrize("seed", range(50))
def test_ranges_are_those_of_the_linear_program(seed: int) -> None:
    """Two-sided books, several assets, caps and funds among them; discrete scenarios."""
    case = random_case(
        seed,
        "isolated",
        one_factor=seed % 3 > 0,
        scenarios=18,
        fund=seed % 5 == 0,
        reduced=1 + seed % 2,
        twist=TWISTS[seed % len(TWISTS)],
    )
    level = LEVELS[seed % 4]
    problem = case.problem(adl.CVaR(level))
    found = adl.optimal_set(problem)
    reference = Reference(case)
    before = reference.measure(reference.losses(None), [(1.0, level)])
    slack = 1e-9 * found.value + 1e-12 * before

    def value(reductions: np.ndarray) -> float:
        return reference.measure(reference.losses(reductions), [(1.0, level)])

    best = adl.solve(problem)
    assert found.value == pytest.approx(best.value, rel=1e-12)
    assert found.contains(best.allocation)
    criteria = [
        "fewest_accounts",
        "smallest_fraction",
        problem.positions.assign(reduction=0.9 * problem.max_reduction),
    ]
    venue = case.positions[["account", "asset", "margin_mode"]]
    criteria[2] = random_allocation(case, np.random.default_rng(seed))
    for criterion in criteria:
        member = found.select(criterion)
        assert found.contains(member), case.label
        assert objective_value(problem, member["reduction"].to_numpy()) <= found.value + slack, (
            case.label
        )
    if before < 1e-9 * reference.equity.clip(0).sum():
        return

    optima = Optima(case, level, found.value, max(found.value, 1e-6 * before))
    capacity = reference.max_reduction[optima.rows]
    ranges = venue.iloc[optima.rows].merge(
        found.ranges, on=["account", "asset", "margin_mode"], how="left"
    )
    least, most = ranges["least"].to_numpy() / capacity, ranges["most"].to_numpy() / capacity
    rng = np.random.default_rng(seed)
    # The widest range and another.
    for at in {int(np.argmin(least - most)), int(rng.integers(capacity.size))}:
        for sign, reported in ((1.0, least), (-1.0, most)):
            point = optima.extreme(at, sign)
            assert reported[at] == pytest.approx(point[at], abs=2e-5), case.label
            # The reported extreme itself, between it and what the program found.
            reductions = np.zeros(reference.size.size)
            fractions = member_at(found, at, reported[at], ranges, point, capacity)
            reductions[optima.rows] = fractions * capacity
            if not found.binding_scenarios.size:
                assert value(reductions) <= found.value + slack, case.label
    for _ in range(3):  # others: optimal if and only if inside
        table = random_allocation(case, rng)
        inside = found.contains(table)
        excess = value(table["reduction"].to_numpy()) - found.value
        assert (excess <= slack) if inside else (excess > -slack), case.label


def member_at(
    found: adl.OptimalSet,
    at: int,
    reported: float,
    ranges: pd.DataFrame,
    point: np.ndarray,
    capacity: np.ndarray,
) -> np.ndarray:
    """Fractions with `reported` at one position, and near `point` elsewhere: what is missing is
    spread within the ranges.
    """
    member: np.ndarray = np.clip(
        point, ranges["least"].to_numpy() / capacity, ranges["most"].to_numpy() / capacity
    )
    member[at] = reported
    for name, amount in found.problem.reduction.items():
        rows = np.flatnonzero((ranges["asset"] == name).to_numpy())
        others = rows[rows != at]
        missing = (amount - member[rows] @ capacity[rows]) / np.sign(amount)
        edge = (ranges["most"] if missing > 0 else ranges["least"]).to_numpy()[others] / capacity[
            others
        ]
        room = (edge - member[others]) * np.abs(capacity[others])
        if room.sum() != 0:
            member[others] += room * min(missing / room.sum(), 1.0) / np.abs(capacity[others])
    return member


@pytest.mark.parametrize("seed", range(50))
def test_just_outside_is_worse(seed: int) -> None:
    """From water-filling's own allocation, push one position past its range and make up for it with
    another.
    """
    problem = longs(seed)
    found = adl.optimal_set(problem)
    capacity = problem.max_reduction
    ranges = found.ranges
    least, most = ranges["least"].to_numpy(), ranges["most"].to_numpy()
    best = adl.solve(problem).allocation["reduction"].to_numpy()
    rng = np.random.default_rng(seed)
    pushed = 0
    for at in rng.permutation(capacity.size):
        for reported, step in ((most[at], 0.01), (least[at], -0.01)):
            goal = reported + step * capacity[at]
            if not 0 <= goal <= capacity[at]:
                continue
            taken = best.copy()
            missing = taken[at] - goal
            taken[at] = goal
            room = np.where(
                np.arange(taken.size) == at, 0.0, capacity - taken if missing > 0 else taken
            )
            if room.sum() <= abs(missing):
                continue
            taken += np.sign(missing) * room * abs(missing) / room.sum()
            table = problem.positions.assign(reduction=taken)
            assert not found.contains(table)
            assert objective_value(problem, taken) > found.value * (1 + 1e-9)
            pushed += 1
        if pushed >= 2:
            break
    assert pushed > 0


def longs(seed: int) -> adl.Problem:
    """Longs only, leverage 3 to 30, prices that fall often enough for every range to matter."""
    rng = np.random.default_rng([seed, 4])
    n = int(rng.integers(3, 12))
    size = rng.lognormal(0.0, 1.0, n)
    table = pd.DataFrame(
        {
            "account": [f"u{i}" for i in range(n)],
            "asset": "X",
            "size": size,
            "equity": size / rng.uniform(3, 30, n),
        }
    )
    prices = adl.Scenarios(returns=rng.uniform(-0.6, 0.2, (30, 1)), assets=["X"])
    return adl.Problem(
        adl.Book.from_frame(table, marks={"X": 1.0}),
        {"X": rng.uniform(0.05, 0.8) * size.sum()},
        prices=prices,
        objective=adl.CVaR(LEVELS[seed % 4]),
    )


@pytest.mark.parametrize("seed", range(30))
def test_fewest_is_fewest(seed: int) -> None:
    """No smaller set of accounts can do it, of all sets there are; some accounts hold both
    assets.
    """
    rng = np.random.default_rng([seed, 8])
    reduced = 1 + seed % 2
    n = 7
    rows = [
        (f"u{i}", f"A{k}", rng.lognormal(), "isolated")
        for i in range(n)
        for k in range(2)
        if k == 0 or rng.random() < 0.6
    ]
    table = pd.DataFrame(rows, columns=["account", "asset", "size", "margin_mode"])
    table["equity"] = table["size"] / rng.uniform(3, 30, len(table))
    shock = rng.uniform(-0.6, 0.1, (20, 1))
    prices = adl.Scenarios(returns=shock * [1.0, 0.8], assets=["A0", "A1"])
    total = table.groupby("asset")["size"].sum()
    reduction = {f"A{k}": rng.uniform(0.1, 0.6) * total[f"A{k}"] for k in range(reduced)}
    problem = adl.Problem(
        adl.Book.from_frame(table, marks={"A0": 1.0, "A1": 1.0}),
        reduction,
        prices=prices,
        objective=adl.CVaR(0.7),
    )
    found = adl.optimal_set(problem)
    assert not found.binding_scenarios.size
    chosen = found.select("fewest_accounts")
    count = chosen.loc[chosen["reduction"] > 0, "account"].nunique()
    account = problem.positions["account"].to_numpy()
    for few in combinations(np.unique(account), count - 1):
        able = np.isin(account, few)
        most = np.where(able, found.high, 0.0)
        enough = (
            all(
                most[problem.asset == k].sum() >= problem.required[k] * (1 + 1e-9)
                for k in problem.reduced_assets
            )
            and not found.low[~able].any()
        )
        assert not enough
    largest = found.select("smallest_fraction")["fraction"].max()
    assert largest <= chosen["fraction"].max() + 1e-12
    assert largest <= adl.solve(problem).allocation["fraction"].max() + 1e-12


def test_refusals_say_why() -> None:
    book = adl.examples.paper_book()
    prices = adl.examples.paper_lognormal(points=64)
    with pytest.raises(adl.NotApplicable, match="hold more than one asset under cross margin"):
        adl.optimal_set(adl.Problem(book, {"BTC": -10.0}, prices=prices, objective=adl.CVaR(0.9)))
    isolated = book.with_margin("isolated")
    with pytest.raises(adl.NotApplicable, match=r"the objective is Entropic.*it needs CVaR"):
        adl.optimal_set(
            adl.Problem(isolated, {"BTC": -10.0}, prices=prices, objective=adl.Entropic(1e-6))
        )
    with pytest.raises(adl.NotApplicable, match="the objective is ExpectedLoss"):
        adl.optimal_set(
            adl.Problem(
                isolated, {"BTC": -10.0}, prices=adl.OneFactor(adl.examples.paper_direction())
            )
        )
    with pytest.raises(adl.NotApplicable, match="no price model"):
        adl.optimal_set(adl.Problem(isolated, {"BTC": -10.0}, objective=adl.CVaR(0.9)))


def test_continuous_prices_have_the_cutoff_of_the_theory() -> None:
    """1 / VaR of the adverse return: lognormal quantiles, to the spacing of the scenarios."""
    table = pd.DataFrame(
        {"account": list("abc"), "asset": "X", "size": [-9.0, -5.0, -3.0], "equity": 1.0}
    )
    prices = adl.LogNormal({"X": 0.60}, horizon=10 / 365)
    found = adl.optimal_set(
        adl.Problem(
            adl.Book.from_frame(table, marks={"X": 1.0}),
            {"X": -1.0},
            prices=prices,
            objective=adl.CVaR(0.95),
        )
    )
    deviation = 0.60 * np.sqrt(10 / 365)
    adverse = np.exp(deviation * 1.6448536269514722 - deviation**2 / 2) - 1
    assert found.cutoff == pytest.approx(1 / adverse, rel=1e-3)
