"""Many crashes under many rules, on the same paths."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt._internal.executors import CHUNKS_PER_WORKER, check_executor, run_tasks, worker_count
from adlopt._internal.progress import Progress
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.objectives import Objective
from adlopt.policies.protocol import AnyPolicy, Policies
from adlopt.policies.reading import by_name
from adlopt.simulation.crash import exchange_or_default, require_book
from adlopt.simulation.deleveraging import PriceModels
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.fund_size import exceeded_with, quantile_interval
from adlopt.simulation.price_paths import Paths, as_paths
from adlopt.simulation.run import TOTALS, run, totals

WORTH_PROCESSES = 3e7
"""Positions x steps x paths x policies: about ten seconds on one processor. Less does not repay the
two seconds that new processes take to start.
"""


@dataclass(frozen=True, eq=False, repr=False)
class StressTest:
    """Outcomes of rules on common paths.

    All differences are paired: rules are compared path by path.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> paths = adl.paths.slow_bleed(book, fall=0.3, steps=4, count=20)
    >>> test = adl.stress_test(book, paths, [adl.policies.ProRata()], workers=1)
    >>> test.summary.loc[("waves", "ProRata(contracts)"), "mean"].item() > 0
    True
    """

    outcomes: pd.DataFrame
    """A row per policy and path, with the numbers of `Simulation.totals`."""
    policies: tuple[str, ...]
    """Names of the rules."""
    _: KW_ONLY
    paths: Paths
    """The paths, common to all rules."""
    exchange: Exchange
    """The parameters of the exchange."""

    def to_frame(self) -> pd.DataFrame:
        """A copy of `outcomes`."""
        return self.outcomes.copy()

    @property
    def summary(self) -> pd.DataFrame:
        """By measure and policy: mean, standard error, median, 95 % and 99 % quantile, maximum."""
        parts = {}
        for measure in TOTALS:
            values = self._by_policy(measure)
            count = len(values)
            error = values.std(ddof=1) / float(np.sqrt(count))
            parts[measure] = pd.DataFrame(
                {
                    "mean": values.mean(),
                    "standard_error": error,
                    "median": values.median(),
                    "quantile_95": values.quantile(0.95),
                    "quantile_99": values.quantile(0.99),
                    "maximum": values.max(),
                }
            ).loc[list(self.policies)]
        return pd.concat(parts, names=["measure", "policy"])

    def differences(
        self,
        measure: str = "socialised_loss",
        *,
        baseline: str | None = None,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Mean difference of each policy from one of them, with a confidence interval.

        Parameters
        ----------
        measure : str
            A column of `outcomes`.
        baseline : str, optional
            The policy to compare with; the first one if left out.
        confidence : float, default 0.95
            Of the interval, which is Student's for the mean of paired differences.

        Returns
        -------
        DataFrame
            Row per other policy: `difference` (policy minus baseline), `standard_error`, `lower`,
            `upper`, and `worse`, the share of paths on which the policy's number is larger.
        """
        from scipy.special import stdtrit

        if not isinstance(measure, str) or measure not in TOTALS:
            raise InputError(f"differences: {measure!r} is not one of {', '.join(TOTALS)}")
        base = self.policies[0] if baseline is None else baseline
        if not isinstance(base, str) or base not in self.policies:
            raise InputError(
                f"differences: baseline {base!r} is not one of {', '.join(self.policies)}"
            )
        _check_confidence("differences", confidence)
        values = self._by_policy(measure)
        gap = values[[name for name in self.policies if name != base]].sub(values[base], axis=0)
        count = len(gap)
        error = gap.std(ddof=1) / float(np.sqrt(count))
        half = error * float(stdtrit(max(count - 1, 1), 0.5 + confidence / 2))
        return pd.DataFrame(
            {
                "difference": gap.mean(),
                "standard_error": error,
                "lower": gap.mean() - half,
                "upper": gap.mean() + half,
                "worse": (gap > 0).mean(),
            }
        ).rename_axis("policy")

    def fund_size(self, probability: float, *, confidence: float = 0.9) -> pd.DataFrame:
        """Smallest fund that leaves a socialised loss with at most this probability.

        It is a quantile of `fund_needed`, which takes every decision as it was. Where the trigger
        looks at the fund (`floor` or `drawdown` with an `inventory_limit`), other funds lead to
        other decisions: run the stress test again with the size found.

        Parameters
        ----------
        probability : float
            Of a socialised loss on a path, in (0, 1): 0.01 asks for a fund that suffices on 99 % of
            the paths.
        confidence : float, default 0.9
            Of the interval.

        Returns
        -------
        DataFrame
            By policy: `fund`, `lower`, `upper` (infinite where there are too few paths).
        """
        if not 0 < validation.as_finite("fund_size: probability", probability) < 1:
            raise InputError(f"fund_size: probability is {probability}; it must lie in (0, 1)")
        _check_confidence("fund_size", confidence)
        needs, rows = self._by_policy("fund_needed"), {}
        for name in self.policies:
            need = needs[name].to_numpy()
            lower, upper = quantile_interval(need, probability, confidence)
            rows[name] = {"fund": exceeded_with(need, probability), "lower": lower, "upper": upper}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")

    def newsvendor_fund(
        self, carrying_cost: float, shortage_cost: float, *, confidence: float = 0.9
    ) -> pd.DataFrame:
        """The fund that balances what money costs to hold against what a shortfall costs.

        Minimising r F + kappa E[(need - F)^+] over F gives the quantile of the need that is
        exceeded with probability r / kappa (Chitra, arXiv 2512.01112; arXiv 2603.09164).

        Parameters
        ----------
        carrying_cost : float
            r > 0, per unit of money held over the time that a path covers.
        shortage_cost : float
            kappa > r, per unit of shortfall.
        confidence : float, default 0.9

        Returns
        -------
        DataFrame
            As `fund_size`.
        """
        r = validation.as_positive("newsvendor_fund: carrying_cost", carrying_cost)
        kappa = validation.as_positive("newsvendor_fund: shortage_cost", shortage_cost)
        if not r < kappa:
            raise InputError(
                f"newsvendor_fund: holding money costs {r:g} and a shortfall {kappa:g}; "
                "where a shortfall is cheaper no fund pays"
            )
        return self.fund_size(r / kappa, confidence=confidence)

    def _by_policy(self, measure: str) -> pd.DataFrame:
        return self.outcomes[measure].unstack("policy")

    def __repr__(self) -> str:
        return f"{self._headline()}\n\n{self._shown().to_string(float_format='{:,.6g}'.format)}"

    def _repr_html_(self) -> str:
        table = self._shown().to_html(float_format="{:,.6g}".format)
        return f"<p>{self._headline()}</p>{table}"

    def _headline(self) -> str:
        return f"{len(self.policies)} policies on {len(self.paths):,} paths ({self.paths.name})"

    def _shown(self) -> pd.DataFrame:
        shown = ["socialised_loss", "second_round_deficit", "deleveraged", "pools_deleveraged"]
        return self.summary.loc[shown]


def stress_test(
    book: Book,
    paths: Any,
    policies: Policies,
    *,
    exchange: Exchange | None = None,
    prices: PriceModels | None = None,
    objective: Objective | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
) -> StressTest:
    """Play every path through under every rule.

    Parameters
    ----------
    book : Book
    paths : Paths, array (paths, steps, d), or a list of paths
    policies : policies of any kind, perhaps by name
    exchange, prices, objective : optional
        As in `simulate`.
    executor : concurrent.futures.Executor, optional
        Where the paths run, such as Dask's `client.get_executor()`; it changes no number.
    workers : int, optional
        Processes to start without an executor: left out, as many as the work repays.

    Returns
    -------
    StressTest

    Raises
    ------
    InputError
        No policies, paths that do not fit the book, or a rule that takes what it may not.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> paths = adl.paths.slow_bleed(book, fall=0.3, steps=4, count=20)
    >>> rules = [adl.policies.ProRata(), adl.policies.MinimaxLeverage()]
    >>> test = adl.stress_test(book, paths, rules, workers=1)
    >>> test.outcomes.shape
    (40, 14)
    """
    require_book("stress_test", book)
    rules = exchange_or_default("stress_test", exchange)
    check_executor("stress_test", executor)
    if workers is not None:
        validation.require_integer("stress_test: workers", workers, 1)
    given, chosen = as_paths(paths, book), by_name(policies)
    if not chosen:
        raise InputError("stress_test: give at least one policy, such as adl.policies.ProRata()")
    if executor is None and workers is None:
        work = book.size.size * given.steps * len(given) * len(chosen)
        workers = None if work > WORTH_PROCESSES else 1
    found = _play(book, given, (list(chosen.values()), rules, prices, objective), executor, workers)
    return StressTest(
        _outcomes_table(found, list(chosen)), tuple(chosen), paths=given, exchange=rules
    )


def _outcomes_table(found: FloatArray, policies: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([policies, range(found.shape[1])], names=["policy", "path"])
    return pd.DataFrame(found.reshape(-1, len(TOTALS)), index=index, columns=list(TOTALS))


Settings = tuple[list[AnyPolicy], Exchange, PriceModels | None, Objective | None]


def _play(
    book: Book, paths: Paths, settings: Settings, executor: Executor | None, workers: int | None
) -> FloatArray:
    """(policies, paths, len(TOTALS)) of all paths, played in shares by the workers."""
    parts = min(len(paths), CHUNKS_PER_WORKER * worker_count(executor, workers))
    bounds = np.linspace(0, len(paths), parts + 1).astype(int)
    with Progress("stress test") as progress:
        outcomes = run_tasks(
            _outcomes,
            [(book, paths[int(low) : int(high)], *settings) for low, high in pairwise(bounds)],
            executor=executor,
            workers=workers,
            done=lambda count: progress.report(f"{bounds[count]:,} of {len(paths):,} paths"),
        )
    return np.concatenate(outcomes, axis=1)


def _outcomes(
    book: Book,
    paths: Paths,
    policies: list[AnyPolicy],
    exchange: Exchange,
    prices: PriceModels | None,
    objective: Objective | None,
) -> FloatArray:
    """(policies, paths, len(TOTALS)) of a share of the paths: what one worker computes."""
    found = np.empty((len(policies), len(paths), len(TOTALS)))
    for index, path in enumerate(paths):
        for row, policy in enumerate(policies):
            state, steps = run(book, path, policy, exchange, prices=prices, objective=objective)
            found[row, index] = totals(state, steps)
    return found


def _check_confidence(what: str, confidence: float) -> None:
    if not 0 < validation.as_finite(f"{what}: confidence", confidence) < 1:
        raise InputError(f"{what}: confidence is {confidence}; it must lie in (0, 1)")
