"""Sentences of a report about objectives, price models and inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from adlopt._internal.number_format import format_number
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR, ExpectedLoss, Objective, WorstCase
from adlopt.prices import History, LogNormal, OneFactor, PriceModel, Scenarios
from adlopt.solving.solution import Solution

MAX_NAMES = 5  # assets named in one sentence
MAX_TEXT = 400  # characters of a price model that has no sentence of its own


def objective_text(objective: Objective) -> str:
    """An objective in words.

    Examples
    --------
    >>> import adlopt as adl
    >>> objective_text(adl.ExpectedLoss() + 0.5 * adl.CVaR(0.99))
    'expected loss + 0.5 times CVaR 99 %, the mean of the worst 1 % of losses'
    """
    parts = []
    for factor, term in objective.terms:
        times = "" if factor == 1 else f"{factor:g} times "
        parts.append(times + _term_text(term))
    return " + ".join(parts)


def _term_text(term: Objective) -> str:
    if isinstance(term, ExpectedLoss):
        return "expected loss"
    if isinstance(term, CVaR):
        worst = format_number(100 * (1 - term.level), 6)
        return f"CVaR {100 * term.level:.6g} %, the mean of the worst {worst} % of losses"
    return "the largest loss of all scenarios" if isinstance(term, WorstCase) else str(term)


def prices_text(prices: PriceModel | None) -> str:
    """A price model in words.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices_text(adl.OneFactor({"BTC": 6654.0}))
    'one factor moves all prices: BTC by 6,654 per standard deviation; the shock: standard normal'
    """
    if prices is None:
        return "none: water-filling needs none"
    if isinstance(prices, OneFactor):
        moves = _by_asset(prices.direction, " by ", 1.0, "")
        shock = "" if prices.shock is None else f"; the shock: {_short(repr(prices.shock))}"
        return f"one factor moves all prices: {moves} per standard deviation{shock}"
    if isinstance(prices, LogNormal) and isinstance(prices.volatility, Mapping):
        correlation, days = prices.correlation, 365 * float(cast(float, prices.horizon))
        related = (
            f"correlation {correlation:g} of all pairs"
            if isinstance(correlation, int | float)
            else "a correlation matrix"
        )
        return (
            f"lognormal prices with annualized volatility {_by_asset(prices.volatility)}, "
            f"{related}, over {format_number(days, 4)} days; {prices.points:,} "
            f"scenarios from seed {prices.seed}"
        )
    if isinstance(prices, History):
        ends = prices.ends
        return (
            f"{len(ends):,} past moves over {prices._horizon} rows or time, which ended from "
            f"{_time(ends[0])} to {_time(ends[-1])}"
        )
    if type(prices) is Scenarios:
        return f"{_short(repr(prices))}: prices at the horizon as given"
    return _short(repr(prices))


def _by_asset(numbers: Any, between: str = " ", scale: float = 100.0, unit: str = " %") -> str:
    named = [
        f"{asset}{between}{format_number(scale * float(number), 6)}{unit}"
        for asset, number in list(numbers.items())[:MAX_NAMES]
    ]
    more = len(numbers) - MAX_NAMES
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _time(index: object) -> str:
    if isinstance(index, pd.Timestamp):
        return str(index.isoformat(sep=" ", timespec="minutes"))
    return str(index)


def required_text(problem: Problem) -> str:
    """The largest required reductions by notional, such as '10 BTC off the shorts'."""
    book, largest = problem.book, by_notional(problem)
    parts = [
        f"{format_number(abs(problem.required[k]), 6)} {book.assets[k]} off the "
        f"{'shorts' if problem.required[k] < 0 else 'longs'}"
        for k in largest[:3]
    ]
    more = len(largest) - 3
    return ", ".join(parts) + (f" and {more} more assets" if more > 0 else "")


def by_notional(problem: Problem) -> list[int]:
    """The reduced assets, largest required notional first."""
    notional = abs(problem.required) * problem.book.marks
    return sorted(problem.reduced_assets.tolist(), key=lambda k: -float(notional[k]))


def input_facts(inputs: Iterable[Path]) -> dict[str, str]:
    """Size and checksum of each file that was read."""
    facts = {}
    for path in inputs:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from error
        checksum = hashlib.sha256(content).hexdigest()
        facts[f"input {path.name}"] = f"{len(content):,} bytes, SHA-256 {checksum}"
    return facts


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def market_facts(problem: Problem) -> dict[str, str]:
    """The market of a problem; nothing without one."""
    terms = problem.market_terms
    if terms is None:
        return {}
    parts = []
    for k in problem.reduced_assets:
        if terms.depth[k] > 0:
            last = terms.marginal(terms.depth)[k] if terms.slope[k] > 0 else terms.linear[k]
            depth, first = format_number(terms.depth[k]), format_number(terms.linear[k])
            parts.append(
                f"{problem.book.assets[k]}: up to {depth} contracts, the first at {first} and the "
                f"last at {format_number(last)} each"
            )
    return {"market": "; ".join(parts) or "it takes none of the reduced assets"}


def sale_facts(problem: Problem, solution: Solution) -> dict[str, str]:
    """What a solution sells instead of taking it from accounts, and at what cost."""
    terms, sold = problem.market_terms, solution.sold
    if terms is None or sold is None:
        return {}
    amount = np.zeros(problem.required.size)
    amount[problem.reduced_assets] = np.abs(sold.to_numpy())
    cost, marginal = terms.cost(amount), terms.marginal(amount)
    facts = {}
    for k in problem.reduced_assets:
        share = 100 * amount[k] / abs(problem.required[k])
        traded, more = format_number(amount[k]), format_number(marginal[k])
        facts[f"sold {problem.book.assets[k]}"] = (
            f"{traded} contracts in the market, {share:.4g} % of what is required, for "
            f"{format_number(cost[k])}; one more would cost {more}"
            if amount[k] > 0
            else "nothing: accounts are cheaper than the market"
        )
    return facts
