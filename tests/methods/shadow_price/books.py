"""Random and degenerate books of ten kinds as plain tables, for an independent linear program."""

from __future__ import annotations

import numpy as np
import pandas as pd

import adlopt as adl
from tests.support import Case

KINDS = (
    "plain",
    "equal leverage",
    "every pool at a kink",
    "one scenario",
    "nearly all",
    "twelve orders",
    "identical pools",
    "settlement off the mark",
    "rounded moves",
    "unequal weights",
)


def random_book(seed: int, *, pools: int | None = None, kind: str | None = None) -> Case:
    """1 to 300 pools, 1 to 6 assets, 1 to 60 scenarios; a tenth of the books has isolated pools, a
    fifth has caps.
    """
    rng = np.random.default_rng([seed, 4])
    kind = kind or KINDS[seed % len(KINDS)]
    n = pools or int(rng.choice([1, 2, 3, 5, 10, 30, 100, 300], p=[0.1] * 4 + [0.2, 0.2, 0.1, 0.1]))
    d = int(rng.integers(1, 7))
    S = 1 if kind == "one scenario" else int(rng.integers(2, 61))
    held = int(rng.integers(1, d + 1))
    equity = 10 ** rng.uniform(-3, 9, n) if kind == "twelve orders" else np.exp(rng.normal(9, 2, n))
    leverage = np.clip(np.exp(rng.normal(0.7, 1.0, n)), 0.05, 40.0)
    if kind == "equal leverage":
        leverage[:] = 5.0
    asset = np.sort(rng.random((n, d)).argsort(axis=1)[:, :held], axis=1)
    share = rng.dirichlet(np.full(held, 0.5), n) + 1e-12
    if kind == "identical pools":
        share[:], equity[:], leverage = 1.0 / held, 1000.0, rng.choice([2.0, 5.0, 10.0], n)
    short = rng.random((n, held)) < 0.7
    short[0, 0] = True
    marks = np.geomspace(6e4, 0.6, d) if d > 1 else np.array([100.0])
    size = np.where(short, -1, 1) * (equity * leverage)[:, None] * share / marks[asset]
    common = np.sqrt(0.8) * rng.standard_t(4, (S, 1))
    returns = np.clip(np.expm1(0.08 * common + 0.05 * rng.standard_t(4, (S, d))), -0.9, 3.0)
    if kind == "rounded moves":
        returns = np.round(returns, 1)
    moves = returns * marks
    if kind == "every pool at a kink":
        gain = np.einsum("nh,snh->ns", size, moves[:, asset])
        second = np.sort(gain, axis=1)[:, min(1, S - 1)]
        equity = np.where(second < 0, -second, equity)
    return _as_case(rng, kind, seed, marks, asset, size, equity, moves)


def _as_case(
    rng: np.random.Generator,
    kind: str,
    seed: int,
    marks: np.ndarray,
    asset: np.ndarray,
    size: np.ndarray,
    equity: np.ndarray,
    moves: np.ndarray,
) -> Case:
    names = [f"A{k}" for k in range(marks.size)]
    (n, held), S = size.shape, moves.shape[0]
    isolated = (rng.random((n, held)) < 0.4) & (rng.random() < 0.1)
    account = np.repeat([f"u{i}" for i in range(n)], held)
    positions = pd.DataFrame(
        {
            "account": account,
            "asset": np.array(names, dtype=object)[asset.ravel()],
            "size": size.ravel(),
            "margin_mode": np.where(isolated.ravel(), "isolated", "cross"),
            "equity": np.where(isolated, equity[:, None] / held, np.nan).ravel(),
        }
    )
    cross = np.flatnonzero(~isolated.all(axis=1))
    accounts = pd.DataFrame({"account": [f"u{i}" for i in cross], "equity": equity[cross]})
    cap = np.abs(size) * (rng.uniform(0.2, 1.0, size.shape) if rng.random() < 0.2 else 1.0)
    fraction = 0.99999 if kind == "nearly all" else float(rng.choice([rng.uniform(0.02, 0.95), 1]))
    reduction: dict[str, float] = {}
    for k in range(marks.size):
        for sign, likely in ((-1.0, 0.8), (1.0, 0.2)):
            room = cap[(asset == k) & (np.sign(size) == sign)].sum()
            if room > 0 and names[k] not in reduction and (rng.random() < likely or not reduction):
                reduction[names[k]] = float(sign * fraction * room)
    settlement = {name: float(marks[k] * rng.uniform(0.9, 1.1)) for k, name in enumerate(names)}
    weights = rng.dirichlet(np.ones(S)) if kind == "unequal weights" else np.full(S, 1.0 / S)
    if kind == "unequal weights" and S > 2:
        weights[rng.integers(S)] = 0.0
        weights /= weights.sum()
    caps = positions[["account", "asset", "margin_mode"]].assign(cap=cap.ravel())
    return Case(
        positions,
        accounts,
        dict(zip(names, marks.tolist(), strict=True)),
        reduction,
        moves,
        weights,
        adl.Scenarios(marks + moves, weights=weights, assets=names),
        caps if (cap < np.abs(size)).any() else None,
        {k: settlement[k] for k in reduction} if kind == "settlement off the mark" else None,
        label=f"{seed} {kind} {n} pools, {marks.size} assets, {S} scenarios",
    )
