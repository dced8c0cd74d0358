"""Confidence intervals for value, reductions and shadow prices: solve on fresh draws, or on
bootstrap samples of past windows.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, NotApplicable
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem, require_problem
from adlopt.prices import History, OneFactor
from adlopt.prices.protocol import Resampleable, ScenarioKind, ScenarioSet
from adlopt.prices.shocks import SampleShock
from adlopt.solving.dispatch import solve
from adlopt.solving.sampling_error import valuation
from adlopt.solving.solution import Solution

Source = Literal["draws", "bootstrap"]

DRAWS = 20  # fresh draws by default: a t interval then is 6 % wider than with many
RESAMPLES = 200  # bootstrap samples by default: 10 of them lie beyond each end of a 90 % interval


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    low: float
    estimate: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class ConfidenceInterval:
    """What sampling leaves uncertain about the optimum.

    Notes
    -----
    The optimum of drawn scenarios is optimistic: it is below the true optimum on average. With
    draws, the low end is therefore one of the mean optimum, and the high end one of the value of
    the mean allocation [1]_. An optimum that is not unique has no single true allocation, and the
    intervals for reductions then only show how far the solver's choice moves.

    References
    ----------
    .. [1] W.-K. Mak, D. P. Morton, R. K. Wood, "Monte Carlo bounding techniques for determining
       solution quality in stochastic programs", Operations Research Letters 24 (1999).

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.examples.paper_lognormal(points=256)
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> interval = adl.confidence_interval(problem, replicates=5)
    >>> bool(interval.value.low < interval.value.high)
    True
    """

    value: Interval
    """Of the optimal value, in money."""
    reductions: pd.DataFrame
    """A row per eligible position: account, asset, margin_mode, size, low, estimate, high, in
    contracts, signed like the position.
    """
    _: KW_ONLY
    shadow_prices: pd.DataFrame
    """A row per reduced asset: asset, low, estimate, high, in money per contract."""
    level: float
    """Probability with which each interval holds the truth."""
    source: Source
    """"draws" or "bootstrap"."""
    replicates: int
    """Problems that were solved."""

    def to_frame(self) -> pd.DataFrame:
        """All intervals in one table: quantity, account, asset, margin_mode, low, estimate,
        high.
        """
        value = pd.DataFrame([{"quantity": "value", **self.value._asdict()}])
        prices = self.shadow_prices.assign(quantity="shadow_price")
        reductions = self.reductions.drop(columns="size").assign(quantity="reduction")
        columns = ["quantity", "account", "asset", "margin_mode", "low", "estimate", "high"]
        parts = [part.reindex(columns=columns).astype(object) for part in (value, prices)]
        return pd.concat([*parts, reductions[columns].astype(object)], ignore_index=True)

    @property
    def _heading(self) -> str:
        how = "fresh draws" if self.source == "draws" else "bootstrap samples"
        return (
            f"{self.level:.0%} confidence intervals from {self.replicates} {how}\n"
            f"value {self.value.estimate:,.6g} in [{self.value.low:,.6g}, {self.value.high:,.6g}]"
        )

    def __repr__(self) -> str:
        table = self.reductions.to_string(index=False, float_format="{:,.6g}".format, max_rows=20)
        prices = self.shadow_prices.to_string(index=False, float_format="{:,.6g}".format)
        return f"{self._heading}\n\nshadow prices\n{prices}\n\nreductions\n{table}"

    def _repr_html_(self) -> str:
        heading = escape(self._heading).replace("\n", "<br>")
        prices = self.shadow_prices.to_html(index=False, float_format="{:,.6g}".format)
        table = self.reductions.to_html(index=False, float_format="{:,.6g}".format, max_rows=20)
        return f"<p>{heading}</p>{prices}{table}"


def confidence_interval(
    problem: Problem,
    *,
    level: float = 0.9,
    replicates: int | None = None,
    source: Source | None = None,
    seed: int = 0,
    **options: Any,
) -> ConfidenceInterval:
    """Confidence intervals for the optimal value, the reductions and the shadow prices.

    Parameters
    ----------
    problem : Problem
        Its price model draws scenarios, or is a `History` or another sample.
    level : float, default 0.9
        Probability, in (0, 1), with which each interval holds the truth.
    replicates : int, optional
        Problems to solve, at least 2: 20 fresh draws, or 200 bootstrap samples, if left out.
    source : {"draws", "bootstrap"}, optional
        "draws" solves the problem on independent draws of as many scenarios each and takes t
        intervals. "bootstrap" solves it on resampled scenarios (in blocks as long as a window
        where windows of a history overlap) and takes bias-corrected percentiles. Left out: draws
        where the model draws, bootstrap for a `History` or a sampled shock.
    seed : int, default 0
        Of the bootstrap.
    **options
        Passed to `solve`.

    Returns
    -------
    ConfidenceInterval

    Raises
    ------
    InputError
        A level outside (0, 1), or fewer than two replicates.
    NotApplicable
        Nothing is sampled: the value has a closed form, or the scenarios are given outright and
        `source="bootstrap"` was not chosen.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.examples.paper_lognormal(points=256)
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> interval = adl.confidence_interval(problem, replicates=5)
    >>> interval.value.low < interval.value.estimate < interval.value.high
    True
    >>> interval.reductions.columns.tolist()
    ['account', 'asset', 'margin_mode', 'size', 'low', 'estimate', 'high']
    """
    require_problem("confidence_interval", problem)
    level = validation.as_open_fraction("confidence_interval: level", level)
    source = _source(problem, source)
    count = (DRAWS if source == "draws" else RESAMPLES) if replicates is None else replicates
    validation.require_integer("confidence_interval: replicates", count, 2)
    if source == "draws":
        return _from_draws(problem, level, count, options)
    return _from_bootstrap(problem, level, count, seed, options)


def _source(problem: Problem, source: Source | None) -> Source:
    """Where replicates come from, or the reason why there is nothing uncertain."""
    model = problem.price_model
    if source not in (None, "draws", "bootstrap"):
        raise InputError(
            f"confidence_interval: source is {source!r}; use 'draws', 'bootstrap' or leave it out"
        )
    if source == "bootstrap":
        return source
    kind = valuation(problem)
    if kind == "drawn" and isinstance(model, Resampleable):
        return "draws"
    sampled_shock = isinstance(model, OneFactor) and isinstance(model.shock, SampleShock)
    if source is None and (isinstance(model, History) or sampled_shock):
        return "bootstrap"
    raise NotApplicable(
        f"confidence_interval: nothing is drawn under this {type(model).__name__} ({kind}); "
        "use source='bootstrap' to treat its scenarios as a sample"
    )


class _Answers(NamedTuple):
    """Answers of several solves, a row each."""

    values: FloatArray  # (replicates,)
    reductions: FloatArray  # (replicates, e)
    prices: FloatArray  # (replicates, reduced assets)


def _answers(solutions: list[Solution]) -> _Answers:
    return _Answers(
        np.array([solution.value for solution in solutions], dtype=np.float64),
        np.array([solution.allocation["reduction"] for solution in solutions], dtype=np.float64),
        np.array([solution.shadow_prices for solution in solutions], dtype=np.float64),
    )


def _from_draws(
    problem: Problem, level: float, count: int, options: dict[str, Any]
) -> ConfidenceInterval:
    model = problem.price_model
    assert isinstance(model, Resampleable)
    draws = [problem.with_prices(model.replicate(number)) for number in range(count)]
    found = _answers([_solve_quickly(draw, options) for draw in draws])
    mean_reduction = found.reductions.mean(axis=0)
    # The mean of feasible allocations is feasible; its value is at least the optimum.
    attained = np.array([objective_value(draw, mean_reduction) for draw in draws])
    low, _, _ = _t_interval(found.values, level)
    _, _, high = _t_interval(attained, level)
    value = Interval(float(low), float((found.values.mean() + attained.mean()) / 2), float(high))
    return ConfidenceInterval(
        value=value,
        reductions=_reductions(problem, *_t_interval(found.reductions, level)),
        shadow_prices=_prices(problem, *_t_interval(found.prices, level)),
        level=level,
        source="draws",
        replicates=count,
    )


def _solve_quickly(problem: Problem, options: dict[str, Any]) -> Solution:
    """Solve a replicate as given scenarios: its own sampling error is of no interest."""
    fixed = problem.with_prices(FixedScenarios(problem.scenarios))
    return solve(fixed, **options)


@dataclass(frozen=True)
class FixedScenarios:
    """A scenario set that was drawn before."""

    drawn: ScenarioSet
    scenario_kind: ScenarioKind = "given"

    def scenarios(self, assets: pd.Index[Any], marks: FloatArray) -> ScenarioSet:
        return self.drawn


def _t_interval(sample: FloatArray, level: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Student's interval for the mean of the rows, and the mean: low, estimate, high."""
    from scipy.special import stdtrit

    count = len(sample)
    mean = sample.mean(axis=0)
    quantile = stdtrit(count - 1, (1 + level) / 2)
    half = quantile * sample.std(axis=0, ddof=1) / np.sqrt(count)
    return mean - half, mean, mean + half


def _from_bootstrap(
    problem: Problem, level: float, count: int, seed: int, options: dict[str, Any]
) -> ConfidenceInterval:
    validation.require_integer("confidence_interval: seed", seed, 0)
    rng = np.random.default_rng(seed)
    model, whole = problem.price_model, problem.scenarios
    block = 1
    if isinstance(model, History):
        # As long as a window, which keeps the dependence of overlapping windows, and growing
        # with the sample as the block bootstrap needs.
        block = max(model.window_rows, int(np.ceil(whole.weights.size ** (1 / 3))))
    solutions = []
    for _ in range(count):
        resampled = problem.with_prices(FixedScenarios(resample(whole, block, rng)))
        solutions.append(solve(resampled, **options))
    found = _answers(solutions)
    base = _answers([_solve_quickly(problem, options)])
    value = _percentiles(found.values[:, None], base.values, level)
    return ConfidenceInterval(
        value=Interval(*(float(part[0]) for part in value)),
        reductions=_reductions(problem, *_percentiles(found.reductions, base.reductions[0], level)),
        shadow_prices=_prices(problem, *_percentiles(found.prices, base.prices[0], level)),
        level=level,
        source="bootstrap",
        replicates=count,
    )


def resample(whole: ScenarioSet, block: int, rng: np.random.Generator) -> ScenarioSet:
    """A bootstrap sample: as many scenarios in circular blocks of `block`, each counted as often as
    it was drawn, with its own weight.
    """
    size = whole.weights.size
    starts = rng.integers(0, size, -(-size // block))
    drawn = (starts[:, None] + np.arange(min(block, size))).ravel()[:size] % size
    weights = np.bincount(drawn, minlength=size) * whole.weights
    kept = weights > 0
    return ScenarioSet(whole.moves[kept], weights[kept] / weights[kept].sum())


def _percentiles(
    sample: FloatArray, estimate: FloatArray, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bias-corrected percentiles of the columns of a bootstrap sample (Efron 1981)."""
    from scipy.special import ndtr, ndtri

    count = len(sample)
    below = (sample < estimate).mean(axis=0) + 0.5 * (sample == estimate).mean(axis=0)
    bias = ndtri(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    quantile = ndtri((1 + level) / 2)
    ordered = np.sort(sample, axis=0)

    def at(probability: FloatArray) -> FloatArray:
        place = probability * (count - 1)
        left = np.floor(place).astype(np.intp)
        right = np.minimum(left + 1, count - 1)
        column = np.arange(sample.shape[1])
        share = place - left
        between = (1 - share) * ordered[left, column] + share * ordered[right, column]
        return np.asarray(between)

    low, high = at(ndtr(2 * bias - quantile)), at(ndtr(2 * bias + quantile))
    return np.minimum(low, estimate), estimate, np.maximum(high, estimate)


def _reductions(
    problem: Problem, low: FloatArray, estimate: FloatArray, high: FloatArray
) -> pd.DataFrame:
    """The table of reductions, within what may be taken."""
    least = np.minimum(problem.max_reduction, 0.0)
    most = np.maximum(problem.max_reduction, 0.0)
    ends = {
        "low": np.clip(low, least, most) + 0.0,
        "estimate": np.clip(estimate, least, most) + 0.0,
        "high": np.clip(high, least, most) + 0.0,
    }
    return problem.positions.assign(**ends)


def _prices(
    problem: Problem, low: FloatArray, estimate: FloatArray, high: FloatArray
) -> pd.DataFrame:
    names = problem.book.assets.take(problem.reduced_assets)
    return pd.DataFrame({"asset": names, "low": low, "estimate": estimate, "high": high})
