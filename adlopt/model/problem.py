"""The statement of one auto-deleveraging problem: what must go, from whom it may come, what counts
as risk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray, frozen
from adlopt._internal.warn import warn_user
from adlopt.errors import InfeasibleReduction, InputError, ScaleWarning
from adlopt.model import problem_changes, serialization, statement
from adlopt.model.bankrupt import (
    bankrupt_pools,
    bankruptcy_prices,
    net_positions,
    remove_pools,
    required_reduction,
)
from adlopt.model.book import Book
from adlopt.model.market import Market
from adlopt.model.problem_facts import CAPACITY_ROUNDING, ProblemFacts
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.prices import scale
from adlopt.prices.protocol import PriceModel

STATED = (
    "book",
    "reduction",
    "prices",
    "objective",
    "caps",
    "settlement",
    "insurance_fund",
    "market",
)
"""What a user states of a problem: the fields that text holds."""


@dataclass(frozen=True, eq=False, repr=False)
class Problem(ProblemFacts):
    """Choose reductions x, x_ik between 0 and q_ik with sums Q_k, that minimise the risk of the
    exchange's loss.

    Parameters
    ----------
    book : Book
        The risk pools.
    reduction : mapping or Series of float or str
        Contracts to take off the book, by asset, signed like the positions they shrink:
        {"BTC": -10.0} takes 10 contracts off shorts, and {"BTC": "-30%"} takes 30 % of the shorts
        of solvent accounts.
    prices : PriceModel, optional
        Model of horizon prices; may be left out where the method needs none (isolated margin).
    objective : Objective, str or function
        Risk measure of the scenario losses, its name such as "cvar:0.99", or a function of a cvxpy
        loss vector (see `Custom`).
    caps : DataFrame, optional
        Most that may be taken: `account`, `asset`, `margin_mode` where an account has both, and
        `cap` (contracts, unsigned), `fraction` (of the position's size, in [0, 1]) or both. A row
        without asset caps the account: none of its positions loses more than that fraction. The
        tightest of a position's caps binds; positions that no row covers are bounded by their size
        alone. (Caps on an account's total: `adlopt.constraints.at_most_account_fraction`.)
    settlement : mapping or Series of float, optional
        Price at which reductions execute, by asset; the mark where left out.
    insurance_fund : float
        Money that absorbs losses first: the objective sees what exceeds it.
    market : Market, optional
        Order book that takes contracts at a convex cost, instead of the accounts.

    Raises
    ------
    InputError
        An argument is not what it should be; the message names it.
    InfeasibleReduction
        More is to be reduced than the eligible positions hold.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a", "b", "c"], "asset": "BTC", "size": [-3.0, -2.0, 5.0],
    ...                       "equity": [60.0, 80.0, 90.0]})
    >>> problem = adl.Problem(adl.Book.from_frame(table, marks={"BTC": 100.0}), {"BTC": "-40%"})
    >>> problem.required.tolist(), problem.available.tolist()
    ([-2.0], [5.0])
    """

    book: Book
    reduction: Mapping[str, float]
    _: KW_ONLY
    prices: PriceModel | None = None
    objective: Objective = field(default_factory=ExpectedLoss)
    caps: pd.DataFrame | None = None
    settlement: Mapping[str, float] | None = None
    insurance_fund: float = 0.0
    market: Market | None = None

    required: FloatArray = field(init=False)
    """(d,) Q, 0 where nothing is to be reduced."""
    eligible: IntArray = field(init=False)
    """(e,) eligible positions, as rows of the book."""
    max_reduction: FloatArray = field(init=False)
    """(e,) most that may be taken from each, signed like the position."""
    settlement_offset: FloatArray = field(init=False)
    """(d,) settlement price minus mark."""

    if TYPE_CHECKING:  # more spellings are read than the fields keep

        def __init__(
            self,
            book: Book,
            reduction: Mapping[str, float | str] | pd.Series[Any],
            *,
            prices: PriceModel | None = None,
            objective: Objective | str | Callable[..., Any] = ...,
            caps: pd.DataFrame | None = None,
            settlement: Mapping[str, float] | pd.Series[Any] | None = None,
            insurance_fund: float = 0.0,
            market: Market | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        book = self.book
        if not isinstance(book, Book):
            raise InputError(
                f"Problem: book is a {type(book).__name__}; make a Book with Book.from_frame(...)"
            )
        if self.prices is not None and (
            isinstance(self.prices, type) or not hasattr(self.prices, "scenarios")
        ):
            raise InputError(
                f"Problem: prices {self.prices!r} is not a price model such as LogNormal(...) or "
                "Scenarios(...)"
            )
        reduction = statement.read_reduction(book, self.reduction)
        required = np.zeros(len(book.assets))
        required[book.assets.get_indexer(pd.Index(list(reduction)))] = list(reduction.values())
        offset = statement.settlement_offset(book, self.settlement)
        eligible = statement.eligible_positions(book, required)
        caps = self.caps if self.caps is None else validation.as_frame("caps", self.caps, ())
        self._put(
            reduction=reduction,
            objective=statement.as_objective(self.objective),
            insurance_fund=statement.as_fund(self.insurance_fund),
            caps=caps,
            settlement_offset=frozen(offset),
            eligible=frozen(eligible),
            max_reduction=frozen(statement.max_reduction(book, eligible, caps)),
            required=required,
        )
        self._put(required=frozen(self._within_capacity(required)))
        if self.prices is not None:  # a model that does not fit the book is refused now
            statement.check_overflow(book, self.scenarios.moves)
        self._warn_of_odd_scales()

    def _warn_of_odd_scales(self) -> None:
        """Issue a ScaleWarning for prices that are probably in another unit than meant."""
        if self.prices is not None:
            for doubt in scale.doubts(self.prices, self.book.assets, self.book.marks):
                warn_user(doubt, ScaleWarning)

    def _put(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_bankrupt(
        cls,
        book: Book,
        accounts: Iterable[str] | None = None,
        *,
        settlement: Literal["mark", "bankruptcy"] = "mark",
        remove: bool = False,
        prices: PriceModel | None = None,
        objective: Objective | None = None,
        caps: pd.DataFrame | None = None,
        insurance_fund: float = 0.0,
    ) -> Problem:
        """The problem that bankrupt accounts leave: their positions, longs and shorts offset, come
        off the other side.

        Parameters
        ----------
        book : Book
        accounts : iterable of str, optional
            Whose bankrupt pools (equity <= 0 at the marks) to take over; all if left out.
        settlement : {"mark", "bankruptcy"}
            "mark": the exchange bears the deficits, outside the objective. "bankruptcy":
            counterparties do. A pool's deficit is split over its positions by notional (those in
            assets that offset to nothing take no part), and an asset settles at the price that
            makes up for its part of all deficits; for a single position that is the price at which
            the account's equity is zero.
        remove : bool, default False
            Take these pools out of the book; left there they are listed as bankrupt, and no part of
            the problem.
        prices, objective, caps, insurance_fund : as in `Problem`

        Returns
        -------
        Problem

        Raises
        ------
        InputError
            An account is not bankrupt, nothing is left to reduce, or a bankruptcy price would not
            be > 0.
        """
        if settlement not in ("mark", "bankruptcy"):
            raise InputError(
                f"from_bankrupt: settlement is {settlement!r}; use 'mark' or 'bankruptcy'"
            )
        pools = bankrupt_pools(book, accounts)
        net = net_positions(book, pools)
        reduction = required_reduction(book, net)
        return cls(
            remove_pools(book, pools) if remove else book,
            reduction,
            prices=prices,
            objective=ExpectedLoss() if objective is None else objective,
            caps=caps,
            settlement=bankruptcy_prices(book, pools, net) if settlement == "bankruptcy" else None,
            insurance_fund=insurance_fund,
        )

    # ------------------------------------------------------------------ text

    def to_json(self) -> str:
        """The problem as JSON text that `from_json` reads back exactly.

        Returns
        -------
        str

        Raises
        ------
        InputError
            The problem holds what text cannot: an objective that is a function, a price model of
            the user's own, or a distribution of scipy.
        """
        stated = {name: getattr(self, name) for name in STATED}
        return serialization.dumps("Problem", stated)

    @classmethod
    def from_json(cls, text: str) -> Problem:
        """The problem that `to_json` wrote.

        Parameters
        ----------
        text : str

        Returns
        -------
        Problem

        Raises
        ------
        InputError
            The text is not one that `to_json` writes.
        """
        stated = serialization.loads("Problem", text)
        if set(stated) != set(STATED):
            raise InputError("Problem.from_json: expected the text that Problem.to_json writes")
        book = stated.pop("book")
        if not isinstance(book, Book):
            raise InputError("Problem.from_json: the text holds no book")
        checked = Book(**{entry.name: getattr(book, entry.name) for entry in fields(Book)})
        return cls(checked, stated.pop("reduction"), **stated)

    # ------------------------------------------------------------------ change

    with_changes = problem_changes.with_changes
    with_prices = problem_changes.with_prices
    with_max_reduction = problem_changes.with_max_reduction

    # ------------------------------------------------------------------ validation

    def _within_capacity(self, required: FloatArray) -> FloatArray:
        """The requirement (d,), with rounding above capacity removed; InfeasibleReduction if it is
        more than that.
        """
        available = self.available
        if self.market_terms is not None:
            available = available + self.market_terms.depth
        short = np.flatnonzero(np.abs(required) > available * (1 + CAPACITY_ROUNDING))
        if short.size:
            names = self.book.assets
            raise InfeasibleReduction(
                [(str(names[int(k)]), float(abs(required[k])), float(available[k])) for k in short]
            )
        return np.asarray(np.sign(required) * np.minimum(np.abs(required), available))

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(max_rows=20, index=False)}"

    def __repr__(self) -> str:
        wanted = ", ".join(
            f"{self.book.assets[int(k)]}: {self.required[k]:g}" for k in self.reduced_assets
        )
        return (
            f"Problem({self.book!r}, reduction={{{wanted}}}, prices={self.prices!r}, "
            f"objective={self.objective})"
        )


def require_problem(what: str, problem: object) -> None:
    """Raise InputError, naming the caller `what`, if `problem` is not a Problem."""
    if not isinstance(problem, Problem):
        raise InputError(
            f"{what}: expected a Problem, got a {type(problem).__name__}; state one with "
            "Problem(book, reduction, ...)"
        )
