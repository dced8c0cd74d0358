"""The exchange of a simulated crash: margin, market, insurance fund, trigger and settlement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.market import IMPACT, ByAsset, Market, check_by_asset, values_by_asset

Tiers = Sequence[tuple[float, float]]
Maintenance = float | Tiers | Mapping[str, float | Tiers]
Remainder = Literal["fund", "returned"]
Settlement = Literal["mark", "bankruptcy"]

MAINTENANCE = 0.0125
"""Hyperliquid's rate of its most liquid asset: half of the initial margin at the highest leverage,
40x (hyperliquid docs, "Margining").
"""


@dataclass(frozen=True)
class Exchange:
    """How an exchange liquidates, sells, uses its fund and deleverages.

    Parameters
    ----------
    maintenance : float, tiers, or mapping of either by asset, default 0.0125
        Maintenance margin as a share of notional. Tiers are pairs (notional from which, rate), as
        in ``[(0, 0.004), (50_000, 0.005)]``: each rate applies to the part of a position above its
        threshold, which is what venues publish as rate and "maintenance amount" (Binance, "Leverage
        and margin"). A pool is liquidated if its equity is below the sum over its positions.
        Default: Hyperliquid at 40x maximum leverage.
    depth : float or mapping by asset, default 0
        Contracts that the market takes in one step, in either direction; infinity is allowed. Zero
        means that everything goes to auto-deleveraging. The depth of large venues at 100 basis
        points fell from $1,124M to $284M within 36 hours in October 2025 (arXiv 2603.09164).
    spread : float or mapping by asset, default 0
        Bid-ask spread as a share of the mark; a sale pays half of it.
    impact : float or mapping by asset, default 0.01
        Temporary impact: share of the mark by which selling the whole depth moves the price that
        the sale itself gets. Depth is quoted at 100 basis points, hence the default.
    permanent_impact : float or mapping by asset, default 0
        Share by which selling the whole depth moves the mark for good. It can push further pools
        below their margin within the same step (a cascade).
    fund : float, default 0
        Insurance fund at the start, in money, >= 0.
    floor : float, default 0
        Auto-deleveraging is triggered when the fund falls below this amount of money.
    drawdown : float, optional
        It is also triggered when the fund has lost this share of its highest value in the last
        `window` steps, as at Bybit (docs v5, adl-alert: maximum of the last eight hours).
    window : int, default 8
        Steps, the present one included, over which `drawdown` is measured.
    inventory_limit : float, default 0
        It is also triggered when the contracts that the engine holds are worth more than this, in
        money. Zero, the default, carries nothing over: what the market does not take in a step is
        deleveraged in it.
    settlement : {"mark", "bankruptcy"}, default "mark"
        Price of auto-deleveraging. "bankruptcy" is the price at which closing the inventory undoes
        what taking it over has cost the fund (BitMEX and others; Hyperliquid uses the mark). Where
        it would not be a positive price the mark is used.
    remainder : {"fund", "returned"}, default "fund"
        Where the positive equity of a liquidated account goes. Hyperliquid keeps it in a backstop
        liquidation (hyperliquid docs, "Liquidations").
    adl_interval : int, default 1
        Auto-deleveraging acts in every step whose number is a multiple of this. On 10 October 2025
        waves came about five seconds apart, and the first one 61.7 seconds after the first
        liquidation (HyperMultiAssetedADL).

    Raises
    ------
    InputError
        A parameter outside of its range.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.Exchange(maintenance=0.02, depth={"BTC": 50.0}, fund=1e6).fund
    1000000.0
    """

    maintenance: Maintenance = MAINTENANCE
    depth: ByAsset = 0.0
    _: KW_ONLY
    spread: ByAsset = 0.0
    impact: ByAsset = IMPACT
    permanent_impact: ByAsset = 0.0
    fund: float = 0.0
    floor: float = 0.0
    drawdown: float | None = None
    window: int = 8
    inventory_limit: float = 0.0
    settlement: Settlement = "mark"
    remainder: Remainder = "fund"
    adl_interval: int = 1

    def __post_init__(self) -> None:
        for name in ("depth", "spread", "impact", "permanent_impact"):
            check_by_asset(f"Exchange: {name}", getattr(self, name), infinite=name == "depth")
        given = self.maintenance
        for name, value in given.items() if isinstance(given, Mapping) else [("all", given)]:
            _tiers(f"Exchange: maintenance, {name!r}", value)
        if not validation.as_finite("Exchange: fund", self.fund) >= 0:
            raise InputError(f"Exchange: fund is {self.fund}; it is money at hand, >= 0")
        validation.as_finite("Exchange: floor", self.floor)
        if self.drawdown is not None and not (
            0 < validation.as_finite("Exchange: drawdown", self.drawdown) <= 1
        ):
            raise InputError(
                f"Exchange: drawdown is {self.drawdown}; it is a share of the fund, in (0, 1]"
            )
        validation.require_integer("Exchange: window", self.window, 1)
        validation.require_integer("Exchange: adl_interval", self.adl_interval, 1)
        limit = self.inventory_limit
        unlimited = isinstance(limit, float) and limit == np.inf
        if not unlimited and validation.as_finite("Exchange: inventory_limit", limit) < 0:
            raise InputError(f"Exchange: inventory_limit is {limit}; it is money, >= 0")
        for name, kind in (("settlement", Settlement), ("remainder", Remainder)):
            chosen = getattr(self, name)
            if not isinstance(chosen, str) or chosen not in get_args(kind):
                raise InputError(
                    f"Exchange: {name} is {getattr(self, name)!r}; "
                    f"use {' or '.join(map(repr, get_args(kind)))}"
                )

    @property
    def market(self) -> Market:
        """What one step's market takes, as `Problem(market=)` states it."""
        return Market(self.depth, self.spread, impact=self.impact)

    def terms(self, book: Book) -> ExchangeTerms:
        """The parameters for this book's assets as arrays.

        Parameters
        ----------
        book : Book

        Returns
        -------
        ExchangeTerms
        """
        thresholds, rates = _margin_table(self.maintenance, book.assets)
        by_asset = {
            name: values_by_asset(f"Exchange: {name}", getattr(self, name), book.assets)
            for name in ("depth", "spread", "impact", "permanent_impact")
        }
        return ExchangeTerms(
            thresholds=thresholds,
            rates=rates,
            depth=by_asset["depth"],
            half_spread=by_asset["spread"] / 2,
            impact=by_asset["impact"],
            permanent=by_asset["permanent_impact"],
        )


@dataclass(frozen=True, eq=False)
class ExchangeTerms:
    """Parameters by asset (d,), and the margin schedule as a sum of hinges."""

    thresholds: FloatArray  # (tiers, d) notional from which a further rate applies
    rates: FloatArray  # (tiers, d) what each tier adds to the rate
    depth: FloatArray
    half_spread: FloatArray
    impact: FloatArray
    permanent: FloatArray

    def position_margin(self, notional: FloatArray, asset: Any) -> FloatArray:
        """(m,) maintenance margin of positions with `notional` (m,) >= 0 in `asset` (m,)."""
        if len(self.rates) == 1:  # no tiers: one product, in place of a sum of hinges
            return np.asarray(self.rates[0][asset] * notional)
        above = np.maximum(notional - self.thresholds[:, asset], 0.0)
        return np.asarray((self.rates[:, asset] * above).sum(axis=0))


def _tiers(what: str, given: object) -> list[tuple[float, float]]:
    """Checked pairs of threshold and rate, the first threshold zero."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        try:
            pairs = [(float(start), float(rate)) for start, rate in given]
        except (TypeError, ValueError):
            raise InputError(
                f"{what}: {given!r} is not a list of pairs (notional from which, rate)"
            ) from None
    else:
        pairs = [(0.0, validation.as_finite(what, given))]
    starts = [start for start, _ in pairs]
    if not pairs or starts[0] != 0 or sorted(set(starts)) != starts:
        raise InputError(f"{what}: tiers start at notional 0 and rise, got {given!r}")
    for _, rate in pairs:
        if not 0 <= rate < 1:
            raise InputError(f"{what}: the rate {rate} is not a share of notional in [0, 1)")
    return pairs


def _margin_table(given: Maintenance, assets: pd.Index) -> tuple[FloatArray, FloatArray]:
    """(tiers, d) thresholds, and what each tier adds to the rate of the one before."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in assets:
                raise InputError(
                    f"Exchange: maintenance: unknown asset {name!r}; "
                    f"the book has {validation.format_names(assets)}"
                )
        missing = [name for name in assets if name not in given]
        if missing:
            raise InputError(f"Exchange: maintenance: no rate for asset {missing[0]!r}")
        tables = [_tiers("Exchange: maintenance", given[name]) for name in assets]
    else:
        tables = [_tiers("Exchange: maintenance", given)] * len(assets)
    most = max(len(table) for table in tables)
    thresholds, rates = np.full((most, len(assets)), np.inf), np.zeros((most, len(assets)))
    for k, table in enumerate(tables):
        thresholds[: len(table), k] = [start for start, _ in table]
        rates[: len(table), k] = np.diff([rate for _, rate in table], prepend=0.0)
    return thresholds, rates
