"""Seeded random exchanges of any size: the benchmark book under fat-tailed prices, and one that a
crash has just hit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.prices.scenarios import Scenarios

SHORT = 0.7  # share of positions
DEGREES_OF_FREEDOM = 4
SCALE = 0.06  # of log returns
CORRELATION = 0.8

SHARE_OPENED_BEFORE = 0.5  # share of a crash's positions that are older than it
ENTRY_PRICE_RANGE = (0.75, 1.1)  # entry prices of those, over the price before the crash
MAINTENANCE = 0.05  # margin, of notional


def problem(
    pools: int,
    assets: int = 5,
    *,
    held: int | None = None,
    scenarios: int = 1000,
    reduce: float = 0.3,
    reduced_assets: int | None = None,
    objective: Objective | None = None,
    seed: int = 0,
) -> Problem:
    """A random cross-margined book whose shorts are to be reduced.

    Equity exp(N(9, 2)), gross leverage exp(N(0.7, 1)) within [0.05, 40], asset weights
    Dirichlet(0.5), 70 % of positions short; log returns multivariate t with 4 degrees of freedom,
    scale 6 %, correlation 0.8.

    Parameters
    ----------
    pools : int
        Accounts, each one pool.
    assets : int, default 5
    held : int, optional
        Assets that each pool holds, chosen at random; all of them if left out.
    scenarios : int, default 1000
    reduce : float, default 0.3
        Fraction of each reduced asset's short open interest that must go, in (0, 1].
    reduced_assets : int, optional
        How many assets are reduced (the first ones); all of them if left out.
    objective : Objective, default ExpectedLoss()
    seed : int, default 0

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        An argument is out of range.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.synthetic.problem(100, 2, scenarios=50).book.size.size
    200
    """
    counts = {"pools": pools, "assets": assets, "scenarios": scenarios}
    _check_problem(counts, {"held": held, "reduced_assets": reduced_assets}, reduce, seed)
    rng = np.random.default_rng(seed)
    names = pd.Index([f"A{k}" for k in range(assets)])
    book = _book(rng, pools, names, held or assets)
    short = np.bincount(book.asset, -np.minimum(book.size, 0.0), minlength=assets)
    wanted = np.flatnonzero(short)[:reduced_assets]
    return Problem(
        book,
        reduction={names[k]: -reduce * short[k] for k in wanted},
        prices=Scenarios(returns=_returns(rng, scenarios, assets), assets=list(names)),
        objective=objective or ExpectedLoss(),
    )


def _check_problem(
    counts: dict[str, int], of_assets: dict[str, int | None], reduce: float, seed: int
) -> None:
    for name, value in counts.items():
        _at_least_one(name, value, None)
    for name, number in of_assets.items():
        _at_least_one(name, number, counts["assets"])
    if not 0 < reduce <= 1:
        raise InputError(
            f"synthetic: reduce is {reduce}; it is a fraction of the open interest, in (0, 1]"
        )
    validation.require_integer("synthetic: seed", seed, 0)


def crash(
    accounts: int = 400, assets: int = 3, *, fall: float = 0.4, hedged: float = 0.2, seed: int = 0
) -> Book:
    """An exchange after a crash, with bankrupt longs.

    The profit of shorts depends on when they entered rather than on their risk. Longs equal shorts
    in every asset. Collateral is exp(N(9, 1.2)). Leverage at entry is exp(N(1, 0.9)) for accounts
    that are short and exp(N(-0.5, 0.9)) for the others, within [0.2, 20]. An account holds one to
    all assets, with weights from Dirichlet(1), under cross margin. Half of the positions were
    opened before the crash, the others during it. Solvent accounts have posted a maintenance margin
    of a twentieth of all positions. Use `adl.Problem.from_bankrupt` to close bankrupt positions.

    Parameters
    ----------
    accounts, assets : int
    fall : float in (0, 0.7]
        Mean fall of the prices; assets differ by up to 0.3 of it.
    hedged : float in [0, 1]
        Share of accounts that take the other side in every second asset they hold.
    seed : int

    Returns
    -------
    Book

    Raises
    ------
    InputError
        If an argument is out of range, or the accounts are too few for both sides of all assets.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(200, assets=2, seed=1)
    >>> len(book.account_names), list(book.assets)
    (200, ['A0', 'A1'])
    """
    _check_crash(accounts, assets, fall, hedged)
    return _crashed(np.random.default_rng(seed), accounts, assets, fall, hedged)


def _crashed(
    rng: np.random.Generator, accounts: int, assets: int, fall: float, hedged: float
) -> Book:
    before = np.geomspace(60_000.0, 0.6, assets)
    marks = before * (1.0 - fall * np.linspace(0.7, 1.3, assets) if assets > 1 else 1.0 - fall)
    collateral = np.exp(rng.normal(9.0, 1.2, accounts))
    long = rng.permutation(accounts) % 2 == 0
    leverage = np.clip(np.exp(rng.normal(np.where(long, -0.5, 1.0), 0.9)), 0.2, 20.0)
    held = rng.integers(1, assets + 1, accounts)
    pool = np.repeat(np.arange(accounts), held)
    first = np.repeat(np.cumsum(held) - held, held)
    place = np.arange(pool.size) - first  # of a position among those of its account
    asset = rng.random((accounts, assets)).argsort(axis=1)[pool, place]
    weight = rng.exponential(size=pool.size)
    weight /= np.bincount(pool, weight)[pool]
    other = (rng.random(accounts) < hedged)[pool] & (place % 2 == 1)
    side = np.where(long[pool] ^ other, 1.0, -1.0)
    older = rng.random(pool.size) < SHARE_OPENED_BEFORE
    stage = rng.random(pool.size)  # of the way down
    entry = np.where(
        older,
        before[asset] * rng.uniform(*ENTRY_PRICE_RANGE, pool.size),
        before[asset] + stage * (marks - before)[asset],
    )
    size = _balanced(side * collateral[pool] * leverage[pool] * weight / entry, asset)
    equity = collateral + np.bincount(pool, size * (marks[asset] - entry), minlength=accounts)
    margin = MAINTENANCE * np.bincount(pool, np.abs(size) * marks[asset], minlength=accounts)
    return Book(
        assets=pd.Index([f"A{k}" for k in range(assets)]),
        marks=marks,
        account_names=pd.RangeIndex(accounts),
        pool_account=np.arange(accounts),
        isolated=np.zeros(accounts, dtype=bool),
        equity=np.where(equity > 0, np.maximum(equity, margin), equity),
        pool=pool,
        asset=asset,
        size=size,
        entry_price=entry,
    )


def _check_crash(accounts: int, assets: int, fall: float, hedged: float) -> None:
    _at_least_one("accounts", accounts, None)
    _at_least_one("assets", assets, None)
    if not 0 < fall <= 0.7:
        raise InputError(f"synthetic: fall is {fall}; it is a share of the price, in (0, 0.7]")
    if not 0 <= hedged <= 1:
        raise InputError(f"synthetic: hedged is {hedged}; it is a share of the accounts, in [0, 1]")


def _balanced(size: FloatArray, asset: IntArray) -> FloatArray:
    """Sizes scaled by asset and side until longs equal shorts; InputError for an asset with one
    side alone.
    """
    sides = np.stack([np.bincount(asset, np.maximum(sign * size, 0.0)) for sign in (1.0, -1.0)])
    if not sides.all():
        raise InputError(
            "synthetic: there are too few accounts for longs and shorts of every asset; ask for "
            "more accounts"
        )
    factor = np.sqrt(sides[::-1] / sides)
    return np.asarray(size * factor[(size < 0).astype(int), asset])


def _book(rng: np.random.Generator, pools: int, names: pd.Index, held: int) -> Book:
    marks = np.geomspace(60_000.0, 0.6, len(names))
    equity = np.exp(rng.normal(9.0, 2.0, pools))
    leverage = np.clip(np.exp(rng.normal(0.7, 1.0, pools)), 0.05, 40.0)
    asset = _choices(rng, pools, len(names), held).ravel()
    weight = np.maximum(rng.gamma(0.5, size=(pools, held)), np.finfo(float).tiny)
    weight /= weight.sum(axis=1, keepdims=True)
    short = rng.random(pools * held) < SHORT
    if not short.any():
        short[0] = True
    notional = np.repeat(equity * leverage, held) * weight.ravel()
    return Book(
        assets=names,
        marks=marks,
        account_names=pd.RangeIndex(pools),
        pool_account=np.arange(pools),
        isolated=np.zeros(pools, dtype=bool),
        equity=equity,
        pool=np.repeat(np.arange(pools), held),
        asset=asset,
        size=np.where(short, -1.0, 1.0) * notional / marks[asset],
    )


def _choices(rng: np.random.Generator, rows: int, assets: int, held: int) -> IntArray:
    """(rows, held) different assets per row, every set equally likely, ascending (Floyd's sampling,
    all rows at once).
    """
    chosen = np.empty((rows, held), dtype=np.intp)
    for j in range(held):
        last = assets - held + j
        pick = rng.integers(0, last + 1, rows)
        taken = (chosen[:, :j] == pick[:, None]).any(axis=1)
        chosen[:, j] = np.where(taken, last, pick)
    return np.sort(chosen, axis=1)


def _returns(rng: np.random.Generator, scenarios: int, assets: int) -> FloatArray:
    common, own = rng.normal(size=(scenarios, 1)), rng.normal(size=(scenarios, assets))
    normal = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own
    mixing = np.sqrt(DEGREES_OF_FREEDOM / rng.chisquare(DEGREES_OF_FREEDOM, (scenarios, 1)))
    return np.asarray(np.expm1(SCALE * mixing * normal))


def _at_least_one(name: str, value: int | None, most: int | None) -> None:
    if value is None:
        return
    if not isinstance(value, int | np.integer) or value < 1 or (most is not None and value > most):
        limit = ">= 1" if most is None else f"between 1 and {most}, the number of assets"
        raise InputError(f"synthetic: {name} is {value!r}; it must be a whole number {limit}")
