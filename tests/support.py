"""Random problems with degenerate cases made on purpose, and references that share no code with the
package.

A `Case` is plain tables: the package reads them through `Book.from_frame`, the references read them
directly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

import adlopt as adl
from tests.datasets import paper_figures
from tests.typed import sparse_linprog

# Beside the repository, or beside a directory that holds it.
_PLACES = [parent / "shared" / "data" for parent in Path(__file__).resolve().parents[2:]]
DATA = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
NEGLIGIBLE = 1e-9  # of the loss before any reduction: an optimum below it counts as zero

TWISTS = (
    "plain",
    "ties",
    "equal leverage",
    "zero caps",
    "tight caps",
    "capacity",
    "one account",
    "twelve orders",
    "wild leverage",
    "bankrupt",
    "zero sizes",
    "tiny reduction",
)
"""What `random_case` can do to a book."""

TAME = tuple(twist for twist in TWISTS if twist not in ("twelve orders", "wild leverage"))
"""Those within the accuracy of a general solver that is given the program as it stands, without
presolve.
"""


@dataclass(frozen=True)
class Paper:
    """The paper's example: tables, and the facts to be met."""

    positions: pd.DataFrame
    accounts: pd.DataFrame
    marks: dict[str, float]
    volatility: dict[str, float]
    correlation: float
    horizon: float
    facts: dict[str, Any]

    @property
    def book(self) -> adl.Book:
        return adl.Book.from_frame(self.positions, accounts=self.accounts, marks=self.marks)

    @property
    def direction(self) -> dict[str, float]:
        return dict(zip(self.marks, self.facts["factor_direction"], strict=True))

    @property
    def lognormal(self) -> adl.LogNormal:
        return adl.LogNormal(self.volatility, self.correlation, horizon=self.horizon, points=2**14)

    def one_factor(self, contracts: float) -> adl.Problem:
        return adl.Problem(self.book, {"BTC": contracts}, prices=adl.OneFactor(self.direction))


def paper_example() -> Paper:
    rows = [
        {"account": account, "asset": asset, "size": size, "entry_price": entry}
        for account, _, *held in paper_figures.ACCOUNTS
        for asset, (size, entry) in zip(paper_figures.ASSETS, held, strict=True)
    ]
    collateral = [{"account": row[0], "collateral": row[1]} for row in paper_figures.ACCOUNTS]
    return Paper(
        positions=pd.DataFrame(rows),
        accounts=pd.DataFrame(collateral),
        marks=dict(zip(paper_figures.ASSETS, paper_figures.MARKS, strict=True)),
        volatility=dict(zip(paper_figures.ASSETS, paper_figures.VOLATILITY, strict=True)),
        correlation=paper_figures.CORRELATION,
        horizon=paper_figures.HORIZON,
        facts=paper_figures.FACTS,
    )


@dataclass(frozen=True)
class Case:
    """One problem as plain tables, with its scenarios as price moves."""

    positions: pd.DataFrame  # account, asset, size, margin_mode, equity (of isolated positions)
    accounts: pd.DataFrame  # account, equity (of cross accounts)
    marks: dict[str, float]
    reduction: dict[str, float]
    moves: np.ndarray  # (S, d)
    weights: np.ndarray  # (S,)
    prices: Any
    caps: pd.DataFrame | None = None
    settlement: dict[str, float] | None = None
    insurance_fund: float = 0.0
    label: str = field(default="", compare=False)

    @property
    def book(self) -> adl.Book:
        return adl.Book.from_frame(self.positions, self.accounts, marks=self.marks)

    def problem(self, objective: adl.Objective | None = None) -> adl.Problem:
        return adl.Problem(
            self.book,
            self.reduction,
            prices=self.prices,
            objective=objective or adl.ExpectedLoss(),
            caps=self.caps,
            settlement=self.settlement,
            insurance_fund=self.insurance_fund,
        )


def random_case(
    seed: int,
    margin: str,
    *,
    twist: str | None = None,
    one_factor: bool = True,
    scenarios: int | None = None,
    settlement: bool = False,
    fund: bool = False,
    reduced: int = 1,
) -> Case:
    """A random problem: `margin` is "isolated", "cross" or "mixed"; `twist` one of TWISTS, by turns
    if left out.

    One factor: the scenarios are a weighted sample of one shock. Otherwise every asset moves by
    itself.
    """
    rng = np.random.default_rng([seed, 77])
    twist = TWISTS[seed % len(TWISTS)] if twist is None else twist
    d = int(rng.integers(1, 4))
    assets = [f"A{k}" for k in range(d)]
    mark = np.exp(rng.normal(3.0, 2.0, d))
    n = 1 if twist == "one account" else int(rng.integers(3, 25))

    held = rng.random((n, d)) < 0.7
    held[:, 0] |= ~held.any(axis=1)
    account, asset = np.nonzero(held)
    m = account.size
    side = rng.choice([-1.0, 1.0], m)
    isolated = {
        "isolated": np.ones(m, bool),
        "cross": np.zeros(m, bool),
        "mixed": rng.random(m) < 0.5,
    }[margin]
    twice = (
        np.flatnonzero(isolated & (rng.random(m) < 0.3)) if margin == "mixed" else np.empty(0, int)
    )
    # Some accounts hold an asset under both margin modes.
    account, asset = np.append(account, account[twice]), np.append(asset, asset[twice])
    side, isolated = np.append(side, side[twice]), np.append(isolated, np.zeros(twice.size, bool))
    m = account.size

    orders = 6.0 if twist in ("twelve orders", "wild leverage") else 0.7
    scale = 10.0 ** rng.uniform(-orders, orders, n)
    notional = scale[account] * rng.lognormal(0.0, 0.7, m) * 1000.0
    leverage = 10.0 ** rng.uniform(-0.3, 1.5, m)
    if twist == "ties":
        notional = np.round(notional / 500.0 + 1.0) * 500.0
        leverage = rng.choice([2.0, 5.0, 10.0], m)
    elif twist == "equal leverage":
        leverage = np.full(m, 8.0)
    elif twist == "wild leverage":
        leverage = 10.0 ** rng.uniform(-6.0, 6.0, m)
    size = side * notional / mark[asset]
    if twist == "zero sizes":
        size[rng.random(m) < 0.3] = 0.0
    cross_notional = np.bincount(account[~isolated], notional[~isolated], minlength=n)
    by_account = np.where(cross_notional > 0, cross_notional, 1.0) / (
        np.full(n, 8.0) if twist == "equal leverage" else 10.0 ** rng.uniform(-0.3, 1.5, n)
    )
    equity = notional / leverage
    if twist == "bankrupt":
        broke = rng.random(m) < 0.25
        equity[broke] *= -rng.choice([0.0, 1.0], broke.sum())
        by_account[rng.random(n) < 0.25] *= -1.0

    able = np.where(isolated, equity > 0, by_account[account] > 0)
    interest = {
        (k, s): np.abs(size[able & (asset == k) & (np.sign(size) == s)]).sum()
        for k in range(d)
        for s in (-1.0, 1.0)
    }
    sides = [key for key, amount in interest.items() if amount > 0]
    if not sides:  # nobody is left to reduce: keep the case, let the largest position be solvent
        by_account[:], equity[:], size[0] = (
            np.abs(by_account) + 1.0,
            np.abs(equity) + 1.0,
            notional[0] / mark[asset[0]],
        )
        able[:] = True
        sides = [(int(asset[0]), 1.0)]
    rng.shuffle(sides)
    chosen: dict[int, float] = {}
    for k, s in sides:
        if len(chosen) < reduced:
            chosen.setdefault(int(k), float(s))

    name = np.array([f"u{i}" for i in range(n)], dtype=object)[account]
    mode = np.where(isolated, "isolated", "cross")
    positions = pd.DataFrame(
        {
            "account": name,
            "asset": np.array(assets, dtype=object)[asset],
            "size": size,
            "margin_mode": mode,
            "equity": np.where(isolated, equity, np.nan),
        }
    )
    crossed = np.unique(account[~isolated])
    accounts = pd.DataFrame({"account": [f"u{i}" for i in crossed], "equity": by_account[crossed]})

    cap = np.full(m, np.inf)
    caps = None
    if twist in ("zero caps", "tight caps"):
        listed = rng.random(m) < 0.5
        cap[listed] = (
            0.0 if twist == "zero caps" else (np.abs(size) * rng.uniform(0, 1.2, m))[listed]
        )
    reduction = {}
    for k, s in chosen.items():
        rows = able & (asset == k) & (np.sign(size) == s)
        room = np.minimum(np.abs(size), cap)[rows].sum()
        if room == 0.0:
            cap[rows] = np.inf
            room = np.abs(size)[rows].sum()
        share = {"capacity": 1.0, "tiny reduction": 1e-7}.get(twist, rng.uniform(0.05, 0.95))
        reduction[assets[k]] = s * room * share
    if np.isfinite(cap).any():
        rows = np.isfinite(cap)
        caps = positions.loc[rows, ["account", "asset", "margin_mode"]].assign(cap=cap[rows])

    S = scenarios or int(rng.integers(30, 61))
    weights = rng.dirichlet(np.full(S, 2.0))
    if one_factor:
        direction = mark * rng.uniform(0.03, 0.12, d) * rng.choice([-1.0, 1.0, 1.0], d)
        shock = rng.standard_t(4, S)
        moves = np.outer(shock, direction)
        prices: Any = adl.OneFactor(
            dict(zip(assets, direction, strict=True)), shock, weights=weights
        )
    else:
        common = rng.standard_t(4, (S, 1))
        returns = np.clip(0.06 * common + 0.05 * rng.standard_t(4, (S, d)), -0.95, None)
        moves = returns * mark
        prices = adl.Scenarios(mark + moves, weights=weights, assets=assets)
    offset = (
        {assets[k]: float(mark[k] * rng.uniform(0.95, 1.05)) for k in chosen}
        if settlement
        else None
    )
    case = Case(
        positions,
        accounts,
        dict(zip(assets, mark.tolist(), strict=True)),
        reduction,
        moves,
        weights,
        prices,
        caps,
        offset,
        label=f"{seed} {margin} {twist}",
    )
    if fund:
        losses = Reference(case).losses(None)
        object.__setattr__(case, "insurance_fund", float(0.3 * (weights @ losses)))
    return case


def random_allocation(case: Case, rng: np.random.Generator) -> pd.DataFrame:
    """A feasible allocation, as the table that `certify` takes: a random point of the boxes moved
    onto the sums.
    """
    reference = Reference(case)
    taken = np.zeros(reference.max_reduction.size)
    for name, amount in case.reduction.items():
        rows = np.flatnonzero((reference.asset_name == name) & (reference.max_reduction != 0))
        cap, total = np.abs(reference.max_reduction[rows]), abs(amount)
        fraction = (
            rng.random(rows.size)
            if rng.random() < 0.7
            else (rng.random(rows.size) < 0.5).astype(float)
        )
        x = cap * fraction
        room = cap - x if x.sum() < total else x
        x = x + room * ((total - x.sum()) / room.sum() if room.sum() > 0 else 0.0)
        taken[rows] = np.sign(amount) * np.clip(x, 0.0, cap)
    return case.positions[["account", "asset", "margin_mode"]].assign(reduction=taken)


class Reference:
    """Losses and optimum of a case, from its tables alone."""

    def __init__(self, case: Case) -> None:
        self.case = case
        table = case.positions
        names = list(case.marks)
        self.asset_name = table["asset"].to_numpy()
        self.asset = np.array([names.index(name) for name in self.asset_name])
        self.size = table["size"].to_numpy()
        equity_of = dict(zip(case.accounts["account"], case.accounts["equity"], strict=True))
        pools: dict[tuple[str, str], int] = {}
        self.pool, equity = np.empty(len(table), int), []
        columns = (table[name] for name in ("account", "asset", "margin_mode", "equity"))
        for at, (account, asset, mode, own) in enumerate(zip(*columns, strict=True)):
            key = (account, asset if mode == "isolated" else "")
            if key not in pools:
                pools[key] = len(pools)
                equity.append(own if mode == "isolated" else equity_of[account])
            self.pool[at] = pools[key]
        self.equity = np.array(equity)
        self.solvent = self.equity > 0
        offset = {name: price - case.marks[name] for name, price in (case.settlement or {}).items()}
        self.offset = np.array([offset.get(name, 0.0) for name in self.asset_name])
        required = np.array([case.reduction.get(name, 0.0) for name in self.asset_name])
        cap = np.full(len(table), np.inf)
        if case.caps is not None:
            given = case.caps.set_index(["account", "asset", "margin_mode"])["cap"].to_dict()
            keys = zip(table["account"], table["asset"], table["margin_mode"], strict=True)
            cap = np.array([given.get(key, np.inf) for key in keys])
        able = self.solvent[self.pool] & (self.size * required > 0)
        self.max_reduction = np.where(
            able, np.sign(self.size) * np.minimum(np.abs(self.size), cap), 0.0
        )

    def losses(self, allocation: np.ndarray | None) -> np.ndarray:
        """(S,) loss beyond the fund, for reductions by row of the positions table."""
        x = np.zeros(self.size.size) if allocation is None else allocation
        V = np.repeat(self.equity[:, None], self.case.weights.size, axis=1)
        gain = (x * self.offset)[:, None] + (self.size - x)[:, None] * self.case.moves.T[self.asset]
        np.add.at(V, self.pool, gain)
        total: np.ndarray = np.maximum(-V[self.solvent], 0.0).sum(axis=0)
        return np.maximum(total - self.case.insurance_fund, 0.0)

    def measure(self, losses: np.ndarray, terms: list[tuple[float, float]]) -> float:
        """sum of factor * CVaR_level, by its definition: the best threshold is one of the
        losses.
        """
        total = 0.0
        for factor, level in terms:
            tail = np.maximum(losses[None, :] - losses[:, None], 0.0) @ self.case.weights
            total += factor * float((losses + tail / (1 - level)).min())
        return total

    def optimum(self, terms: list[tuple[float, float]]) -> float:
        """Least sum of factor * CVaR_level over all allocations: Rockafellar and Uryasev's program,
        by HiGHS.
        """
        before = self.measure(self.losses(None), terms)
        value = self._solve(terms, max(before, 1e-12 * self.equity[self.solvent].sum()))
        if (
            NEGLIGIBLE * before < value < 1e-2 * before
        ):  # far below the unit: solve again in the right one
            value = self._solve(terms, value)
        return value

    def _solve(self, terms: list[tuple[float, float]], unit: float) -> float:
        """Variables: fractions of the capacities, a hinge per solvent pool and scenario, loss
        beyond the fund, tails.
        """
        case, weights = self.case, self.case.weights
        S = weights.size
        rows = np.flatnonzero(self.max_reduction)
        touched = np.unique(self.pool[rows])
        idle = np.setdiff1d(np.flatnonzero(self.solvent), touched)
        V = np.repeat(self.equity[:, None], S, axis=1)
        np.add.at(V, self.pool, self.size[:, None] * case.moves.T[self.asset])
        constant = np.maximum(-V[idle], 0.0).sum(axis=0) / unit
        gain = self.max_reduction[rows, None] * (
            self.offset[rows, None] - case.moves.T[self.asset[rows]]
        )
        # Each pool's hinge in its own money, so that no pool's coefficients vanish; HiGHS refuses
        # huge ones.
        own = np.minimum(np.abs(V[touched]).max(axis=1), 1e8 * unit)
        place = np.searchsorted(touched, self.pool[rows])
        e, h = rows.size, touched.size * S

        hinge = np.arange(h).reshape(touched.size, S)
        entries = (gain / own[place][:, None]).ravel()
        slope = sp.csr_array(
            (entries, (hinge[place].ravel(), np.repeat(np.arange(e), S))), shape=(h, e)
        )
        spread = sp.csr_array(
            (np.repeat(own / unit, S), (np.tile(np.arange(S), touched.size), np.arange(h))),
            shape=(S, h),
        )
        T, minus = len(terms), -sp.eye_array(S)
        blank = sp.csr_array
        # -V <= own * hinge; total loss - fund <= beyond; beyond - threshold_j <= tail_j.
        blocks = [
            [-slope, -sp.eye_array(h), blank((h, S)), blank((h, T)), blank((h, T * S))],
            [blank((S, e)), spread, minus, blank((S, T)), blank((S, T * S))],
        ]
        for j in range(T):
            ones = blank((np.full(S, -1.0), (np.arange(S), np.full(S, j))), shape=(S, T))
            tail = blank((np.full(S, -1.0), (np.arange(S), j * S + np.arange(S))), shape=(S, T * S))
            blocks.append([blank((S, e)), blank((S, h)), -minus, ones, tail])
        right = [
            (V[touched] / own[:, None]).ravel(),
            case.insurance_fund / unit - constant,
            np.zeros(T * S),
        ]
        cost = np.zeros(e + h + S + T + T * S)
        for j, (factor, level) in enumerate(terms):
            cost[e + h + S + j] = factor
            start = e + h + S + T + j * S
            cost[start : start + S] = factor * weights / (1 - level)
        reduced = [name for name in case.reduction]
        share = np.array(
            [
                np.where(
                    self.asset_name[rows] == name,
                    self.max_reduction[rows] / case.reduction[name],
                    0.0,
                )
                for name in reduced
            ]
        )
        total = np.minimum(
            1.0, share.sum(axis=1)
        )  # a requirement above capacity by rounding is the capacity
        equal = sp.hstack([blank(share), blank((len(reduced), cost.size - e))])
        bounds = np.zeros((cost.size, 2))
        bounds[:, 1] = np.inf
        bounds[:e, 1] = 1.0
        bounds[e + h + S : e + h + S + T, 0] = -np.inf
        found = sparse_linprog(
            cost,
            A_ub=sp.csr_array(sp.block_array(blocks)),
            b_ub=np.concatenate(right),
            A_eq=sp.csr_array(equal),
            b_eq=total,
            bounds=bounds,
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if found.status != 0:
            raise RuntimeError(f"{case.label}: linprog says {found.message}")
        # The measure of the allocation itself, not HiGHS's sum of slightly violated hinges.
        x = np.zeros(self.size.size)
        x[rows] = self.max_reduction[rows] * np.clip(found.x[:e], 0.0, 1.0)
        return self.measure(self.losses(x), terms)


def close(value: float, other: float, before: float, relative: float = 1e-6) -> bool:
    """Equal to `relative`; an optimum below NEGLIGIBLE of the loss before any reduction counts as
    zero.
    """
    return abs(value - other) <= relative * max(abs(value), abs(other)) + NEGLIGIBLE * abs(before)
