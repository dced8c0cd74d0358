"""The answer of `solve`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from adlopt.errors import InputError
from adlopt.model import serialization
from adlopt.model.market import sold
from adlopt.model.problem import Problem
from adlopt.proof.multipliers import Multipliers

STORED = (
    "allocation",
    "value",
    "lower_bound",
    "gap",
    "shadow_prices",
    "water_level",
    "method",
    "status",
    "seconds",
    "details",
    "tolerance",
    "standard_error",
    "stages",
)
"""The fields that text holds as they are."""

Status = Literal["optimal", "unproven", "time_limit"]


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """Who is reduced by how much, and how good that is.

    `value`, `lower_bound` and `gap` are None without a price model: water-filling is then optimal
    by theorem.

    Examples
    --------
    >>> import adlopt as adl
    >>> solution = adl.solve(adl.examples.paper_problem())
    >>> solution.status, solution.method
    ('optimal', 'factor_leverage')
    >>> solution.allocation["reduction"].round(2).tolist()
    [-3.02, -0.14, -6.85, 0.0]
    """

    allocation: pd.DataFrame
    """Row per eligible position: account, asset, margin_mode, size, reduction, remaining, fraction,
    leverage before, after.
    """
    value: float | None
    """The objective, in money."""
    _: KW_ONLY
    lower_bound: float | None
    """No allocation has a smaller objective: proven."""
    gap: float | None
    """(value - lower_bound) / |value|."""
    shadow_prices: pd.Series[float] | None
    """By reduced asset: money that one more contract of required reduction would save the exchange.
    """
    water_level: float | pd.Series[float] | None
    """Leverage (or factor leverage) above which pools are drained; by asset if several are reduced.
    """
    method: str
    """The method that ran."""
    status: Status
    """'optimal' if proven within the tolerance; 'time_limit' if the limit ended the work before
    that; else 'unproven'.
    """
    seconds: float
    """Time of the solve."""
    details: dict[str, Any] = field(default_factory=dict)
    """How it was solved: what the presolve removed, which algorithm ran, how many steps it took."""
    tolerance: float = field(default=1e-6)
    """Relative gap up to which `status` is 'optimal'."""
    standard_error: float | None = None
    """Sampling error of the value, in money, from fresh draws of the scenarios. Exactly 0.0 where
    nothing is drawn; None where the error is unknown.
    """

    stages: pd.DataFrame | None = None
    """With further criteria: a row per criterion with its value and what was proven of it."""
    # For proofs, explanations and warm starts; not part of the public face.
    _problem: Problem | None = field(default=None)
    _multipliers: Multipliers | None = field(default=None)
    _warm_start: object = field(default=None)

    def to_json(self) -> str:
        """The solution with its problem as JSON text that `from_json` reads back exactly.

        Returns
        -------
        str

        Raises
        ------
        InputError
            The problem holds what text cannot (see `Problem.to_json`).
        """
        content = {
            entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name in STORED
        }
        problem = None if self._problem is None else self._problem.to_json()
        multipliers = None if self._multipliers is None else self._multipliers._asdict()
        return serialization.dumps(
            "Solution", {**content, "problem": problem, "multipliers": multipliers}
        )

    @classmethod
    def from_json(cls, text: str) -> Solution:
        """The solution that `to_json` wrote.

        Parameters
        ----------
        text : str

        Returns
        -------
        Solution

        Raises
        ------
        InputError
            The text is not one that `to_json` writes.
        """
        content = serialization.loads("Solution", text)
        if set(content) != {*STORED, "problem", "multipliers"}:
            raise InputError("Solution.from_json: expected the text that Solution.to_json writes")
        problem, multipliers = content.pop("problem"), content.pop("multipliers")
        if content["shadow_prices"] is not None:
            prices = content["shadow_prices"].rename("shadow_price").rename_axis("asset")
            content["shadow_prices"] = prices
        return cls(
            **content,
            _problem=None if problem is None else Problem.from_json(problem),
            _multipliers=None if multipliers is None else Multipliers(**multipliers),
        )

    def to_frame(self) -> pd.DataFrame:
        """The allocation as a table of its own."""
        return self.allocation.copy()

    def __getstate__(self) -> dict[str, object]:
        """What travels to another process: all but the solver's state, which lives in this one."""
        return {**self.__dict__, "_warm_start": None}

    @property
    def sold(self) -> pd.Series[float] | None:
        """Contracts by reduced asset that are sold in the market instead of being taken from
        accounts, signed like the requirement; None without a market.
        """
        problem = self._problem
        if problem is None or problem.market is None:
            return None
        amount = sold(problem, self.allocation["reduction"].to_numpy(dtype=np.float64))
        assets = problem.reduced_assets
        names = problem.book.assets[assets]
        return pd.Series(amount[assets], index=names, name="sold").rename_axis("asset")

    @property
    def water_levels(self) -> dict[str, float]:
        """`water_level` by asset, under the empty name if common to all; empty without one."""
        level = self.water_level
        if level is None:
            return {}
        if isinstance(level, float):
            return {"": level}
        return {str(asset): float(value) for asset, value in level.items()}

    @property
    def reduced(self) -> pd.DataFrame:
        """Rows of the allocation with a reduction, largest fraction first."""
        rows = self.allocation[self.allocation["reduction"] != 0]
        return rows.sort_values("fraction", ascending=False, kind="stable")

    def summary(self) -> pd.Series[Any]:
        """The facts of the solution other than the allocation."""
        facts: dict[str, object] = {"method": self.method, "status": self.status}
        if self.value is not None:
            facts |= {
                "value": self.value,
                "lower bound": self.lower_bound,
                "relative gap": self.gap,
            }
            error = self.standard_error
            facts["standard error"] = "unknown" if error is None else error
        facts |= {f"water level {asset}".strip(): x for asset, x in self.water_levels.items()}
        if self.shadow_prices is not None:
            facts |= {
                f"shadow price {asset}": float(price) for asset, price in self.shadow_prices.items()
            }
        if self.sold is not None:
            facts |= {f"sold {asset}": float(amount) for asset, amount in self.sold.items()}
        facts["accounts reduced"] = int(self.reduced["account"].nunique())
        facts["seconds"] = self.seconds
        return pd.Series(facts, dtype=object)

    def __repr__(self) -> str:
        lines = [f"{name:<{_WIDTH}}{_plain(value)}" for name, value in self.summary().items()]
        shown = self.reduced.head(_ROWS)
        more = len(self.reduced) - len(shown)
        table = (
            shown.to_string(index=False, float_format="{:,.6g}".format)
            if len(shown)
            else "no reductions"
        )
        tail = [f"... {more:,} more in .allocation"] if more > 0 else []
        return "\n".join([*lines, "", str(table), *tail])

    def _repr_html_(self) -> str:
        facts = str(self.summary().map(_plain).to_frame("").to_html(header=False))
        shown = self.reduced.head(_ROWS).to_html(index=False, float_format="{:,.6g}".format)
        more = len(self.reduced) - _ROWS
        return (
            facts
            + str(shown)
            + (f"<p>{more:,} more in <code>.allocation</code></p>" if more > 0 else "")
        )


_ROWS = 20
_WIDTH = 20


def details_text(details: Mapping[str, Any]) -> str:
    """The details of a solution as one line."""
    return "; ".join(
        str(value) if isinstance(value, str) else f"{name.replace('_', ' ')} {_plain(value)}"
        for name, value in details.items()
    )


def _plain(value: object) -> str:
    return f"{value:,.8g}" if isinstance(value, float) else str(value)
