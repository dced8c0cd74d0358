"""The policy interface, and reading what any policy answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import as_table
from adlopt.model.market import least_from_accounts
from adlopt.model.matching import match_positions
from adlopt.model.problem import Problem


class HasAllocate(Protocol):
    """Anything with `allocate(problem)`."""

    def allocate(self, problem: Problem) -> Any:
        """An allocation table or reductions (e,)."""


class Policy(ABC):
    """A rule from book and reduction to an allocation. Subclasses define `reductions`.

    Examples
    --------
    >>> import adlopt as adl
    >>> class LargestFirst(adl.policies.Policy):
    ...     def reductions(self, problem):
    ...         taken, left = 0.0 * problem.max_reduction, problem.required[0]
    ...         for i in abs(problem.max_reduction).argsort()[::-1]:
    ...             taken[i] = max(problem.max_reduction[i], left)
    ...             left -= taken[i]
    ...         return taken
    >>> LargestFirst().allocate(adl.examples.paper_problem())["reduction"].tolist()
    [0.0, -10.0, 0.0, 0.0]
    """

    theory: ClassVar[Mapping[str, str]] = {}
    """Axioms of `adl.audit` that the rule satisfies by proof, with the reason."""

    @abstractmethod
    def reductions(self, problem: Problem) -> FloatArray:
        """What the rule takes from each eligible position.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        array, shape (e,)
            Contracts, a row of `problem.positions` each, signed like the position.
        """

    def allocate(self, problem: Problem) -> pd.DataFrame:
        """What the rule takes, as an allocation table.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        DataFrame
            As `Solution.allocation`.
        """
        return as_table(problem, self.reductions(problem))


AnyPolicy = Policy | HasAllocate | Callable[[Problem], Any]
"""A `Policy`, anything else with `allocate(problem)`, or a function of the problem."""

Policies = (
    AnyPolicy
    | str
    | Mapping[str, AnyPolicy]
    | Mapping[str, AnyPolicy | str]
    | Iterable[AnyPolicy | str]
)
"""One policy or several, perhaps under names of their own; text as on the command line."""


def apply_policy(policy: AnyPolicy, problem: Problem) -> FloatArray:
    """(e,) what a policy of any kind takes from each eligible position, signed.

    The answer may violate bounds or sums. Raises InputError if the policy cannot be called or
    answers with something other than a number for each eligible position.
    """
    if isinstance(policy, Policy):
        return policy.reductions(problem)
    rule = require_policy(policy)
    return _read_answer(name_of(policy), rule(problem), problem)


def require_policy(policy: AnyPolicy) -> Callable[[Problem], Any]:
    """The function from a problem to an answer; InputError if there is none."""
    rule: Callable[[Problem], Any] | None = getattr(policy, "allocate", None) or (
        policy if callable(policy) else None
    )
    if rule is None or isinstance(policy, type):
        hint = f"; make one: {policy.__name__}()" if isinstance(policy, type) else ""
        raise InputError(
            f"policy {policy!r} has no method allocate(problem) and is not a function of the "
            f"problem{hint}"
        )
    return rule


def _read_answer(name: str, answer: object, problem: Problem) -> FloatArray:
    what = f"policy {name}"
    if isinstance(answer, pd.DataFrame):
        row, amount = match_positions(problem.book, f"{what}, allocation", answer, "reduction")
        eligible = problem.eligible_row[row] >= 0
        validation.raise_for_rows(
            f"{what}, allocation",
            answer,
            ~eligible & (amount != 0),
            "reduction",
            "{} is taken from a position that is not eligible: another side, an asset not to be "
            "reduced, or a bankrupt account",
        )
        taken = np.zeros(problem.eligible.size)
        taken[problem.eligible_row[row[eligible]]] = amount[eligible]
        return taken
    try:
        values = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{what}: expected an allocation table or numbers, got a {type(answer).__name__}"
        ) from None
    if values.shape != (problem.eligible.size,):
        raise InputError(
            f"{what}: expected {problem.eligible.size} reductions, one for each row of "
            f"problem.positions; got shape {values.shape}"
        )
    if not np.isfinite(values).all():
        i = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"{what}: the reduction of {validation.row_name(problem.positions, i)} is {values[i]}, "
            "not a finite number"
        )
    return values


def violations(problem: Problem, taken: FloatArray) -> tuple[float, float]:
    """Largest violation of a required sum and of a bound by reductions (e,), each relative to the
    requirement of the asset.
    """
    required = np.abs(problem.required)
    total = np.bincount(problem.asset, taken, minlength=required.size)
    assets = problem.reduced_assets
    given = np.sign(problem.required) * total
    missed = np.maximum(least_from_accounts(problem) - given, given - required)
    unmet = max(0.0, float((missed[assets] / required[assets]).max()))
    inside = np.sign(problem.book.size[problem.eligible]) * taken
    over = np.maximum(inside - np.abs(problem.max_reduction), -inside) / required[problem.asset]
    return unmet, max(0.0, float(over.max(initial=0.0)))


def name_of(policy: object) -> str:
    """Name of a policy in a table: its string, or the function's name."""
    return getattr(policy, "__name__", None) or str(policy)
