"""Any convex objective at scale: sweeps over all pools and conic masters in turn (eq. 20 to 27)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.methods.shadow_price import quadratic_master, recover
from adlopt.methods.shadow_price.conic_master import ConicAnswer, ConicMaster
from adlopt.methods.shadow_price.conic_tuning import ConicMasterTuning
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.risk_block import RiskBlock, compile_term, model_block
from adlopt.objectives import Objective
from adlopt.objectives.dual_set import project_to_dual_set


@dataclass(frozen=True, eq=False)
class DualPoint:
    """Prices and stresses per unit of money, and what the conjugates take from the bound."""

    price: FloatArray  # (R,)
    terms: tuple[FloatArray, ...]  # (L,) stressed probabilities w_j of each term
    uncovered: FloatArray  # (L,) share of them that an insurance fund leaves
    penalty: float  # sum of factor_j rho_j*(w_j)

    def stress(self, factors: tuple[float, ...]) -> FloatArray:
        """(L,) q, the sum of factor_j w_j less what the fund covers."""
        total = np.zeros(self.uncovered.size)
        for factor, w in zip(factors, self.terms, strict=True):
            total += factor * w
        return np.asarray(self.uncovered * total)

    def at_price(self, price: FloatArray) -> DualPoint:
        return replace(self, price=price)


@dataclass(eq=False)
class ConicOutcome:
    """The best combination and the best dual point so far."""

    bound: float = -np.inf
    value: float = np.inf
    dual: DualPoint | None = None
    theta: FloatArray = field(default_factory=lambda: np.empty(0))
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    sweep: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    sweeps: int = 0
    proven: bool = False

    @property
    def gap(self) -> float:
        return (self.value - self.bound) / max(abs(self.value), np.finfo(float).tiny)


class ConicDecomposition:
    """Decomposition of one problem. Money is counted in `unit` times that of the pools' program;
    `terms` are the objective's for losses in this money.
    """

    def __init__(
        self,
        groups: Groups,
        required: FloatArray,
        constant: FloatArray,
        terms: tuple[tuple[float, Objective], ...],
        weights: FloatArray,
        *,
        fund: float | None,
        unit: float,
        equity: float,
        tuning: ConicMasterTuning,
        report: Callable[[str], None],
        deadline: float,
    ) -> None:
        self.groups, self.terms, self.weights = groups, terms, weights
        self.fund, self.unit, self.equity = fund, unit, equity
        self.tuning, self.report, self.deadline = tuning, report, deadline
        self.factors = tuple(factor for factor, _ in terms)
        kept = ~groups.program.exhausted
        self.master = ConicMaster(required, kept, constant / unit, groups.count, self.factors, fund)
        self.answers: dict[int, FloatArray] = {}
        self.first = 0  # number of the first sweep: earlier answers came with columns taken over
        self.current = np.empty(0)  # weights of the master's first columns, where it begins
        self.blocks: dict[int, RiskBlock] = {}
        self.outcome = ConicOutcome()

    # ------------------------------------------------------------------ objective

    def beyond(self, losses: FloatArray) -> FloatArray:
        """(L,) losses beyond the insurance fund."""
        return losses if self.fund is None else np.maximum(losses - self.fund, 0.0)

    def value(self, losses: FloatArray) -> float:
        """The objective at losses (L,)."""
        beyond = self.beyond(losses)
        return float(sum(f * term.value(beyond, self.weights) for f, term in self.terms))

    def losses_of(self, table: FloatArray) -> FloatArray:
        """(L,) losses of all pools from totals by group."""
        R = self.groups.price_scale.size
        return np.asarray(self.master.constant + table[:, R + 1 :].sum(axis=0) / self.unit)

    def dual_point(
        self,
        price: FloatArray,
        losses: FloatArray,
        answer: ConicAnswer | None,
        *,
        exact: bool = True,
    ) -> DualPoint:
        """Stresses at losses (L,): `exact` subgradients of smooth terms, else the master's dual
        variables, moved into the dual set (eq. 24).
        """
        beyond = self.beyond(losses)
        stresses, penalty = [], 0.0
        for number, (factor, term) in enumerate(self.terms):
            certain = exact or term.cone != "exponential"
            if answer is None or (certain and term.smooth):
                w = term.subgradient(beyond, self.weights)
            else:
                w = project_to_dual_set(term, answer.terms[number] / factor, self.weights)
            stresses.append(w)
            if not term.in_dual_set(w, self.weights):
                penalty += factor * (float(w @ beyond) - term.value(beyond, self.weights))
        return DualPoint(price, tuple(stresses), self._uncovered(losses, answer), penalty)

    def _uncovered(self, losses: FloatArray, answer: ConicAnswer | None) -> FloatArray:
        """(L,) derivative of (L - F)^+; at its kink the share that the master's duals give."""
        if self.fund is None:
            return np.ones(losses.size)
        above = (losses > self.fund).astype(np.float64)
        if answer is None:
            return above
        total = sum(answer.terms, np.zeros(losses.size))
        ratio = np.divide(answer.stress, total, out=above.copy(), where=total > 0)
        near = self.tuning.near_fund * max(self.fund, float(losses.max()))
        return np.where(np.abs(losses - self.fund) <= near, np.clip(ratio, 0.0, 1.0), above)

    # ------------------------------------------------------------------ iterations

    def run(self, start: DualPoint, tolerance: float) -> None:
        """Close the relative gap to `tolerance`; `outcome` always holds the best so far."""
        numbers, outcome, point, idle = self.tuning, self.outcome, start, 0
        for number in range(self.first, self.first + numbers.iterations):
            before = outcome.bound, outcome.value
            changed = self.offer(point, number)
            outcome.sweeps += 1
            if number == self.first:
                changed = np.arange(self.groups.count)
            table = self.groups.totals.table[changed]
            self._add(changed, table, number)
            answer, theta = self._solve_master(point.price, cones=idle > 0)
            losses = self.master.losses(theta)
            self._remember(theta, losses, point.price)
            self.report(f"sweep {outcome.sweeps}, gap {outcome.gap:.1e}")
            open_gap = outcome.value - outcome.bound
            if outcome.gap <= tolerance or open_gap <= numbers.negligible * self.equity:
                outcome.proven = True
                return
            step = numbers.progress * tolerance
            better = outcome.bound > before[0] + step * abs(outcome.bound)
            better |= outcome.value < before[1] - step * abs(outcome.value)
            idle = 0 if better else idle + 1
            nothing_new = not changed.size and idle > 1
            if nothing_new or idle >= numbers.stalled or time.perf_counter() > self.deadline:
                return
            # Where EVaR is the worst case its subgradient is one scenario of several that tie.
            exact = outcome.bound > before[0]
            point = self.dual_point(answer.price, losses, answer, exact=exact)
            self._forget(theta, number)

    def take_columns(self, other: ConicDecomposition) -> None:
        """Begin with the columns of a decomposition of the same groups, whatever its requirement
        and objective.
        """
        best = other.outcome
        self.master.take_columns(other.master, other.unit / self.unit)
        used = best.theta > self.tuning.weight
        listed = set(zip(best.group[used].tolist(), best.sweep[used].tolist(), strict=True))
        own = zip(self.master.group.tolist(), self.master.sweep.tolist(), strict=True)
        self.master.keep(np.array([column in listed for column in own], dtype=bool))
        numbers = set(self.master.sweep.tolist())
        self.answers = {number: other.answers[number] for number in numbers}
        self.first = max(numbers, default=0) + 1
        self.current = np.zeros(self.master.group.size)

    def offer_combinations(self, found: list[FloatArray]) -> FloatArray:
        """Columns from fractions (v,) that meet the requirement; begin at the best; its losses."""
        losses, before = [], self.current
        for y in found:
            table = self.groups.totals_at(y)
            self.answers[self.first] = y
            self._add(np.arange(self.groups.count), table, self.first)
            self.first += 1
            losses.append(self.losses_of(table))
        best = int(np.argmin([self.value(each) for each in losses]))
        chosen = (np.arange(len(found)) == best).astype(np.float64)
        self.current = np.append(before, np.repeat(chosen, self.groups.count))
        self.master.needed[:] = self.first
        return losses[best]

    def offer(self, point: DualPoint, number: int) -> IntArray:
        """All pools' answers to a dual point, kept if its bound is the best; groups that changed
        (eq. 25).
        """
        stress, groups = point.stress(self.factors), self.groups
        changed = groups.sweep(np.append(point.price * self.unit, stress))
        self.answers[number] = groups.state.y.copy()
        short = np.where(self.master.kept, groups.used.sum(axis=0) - self.master.required, 0.0)
        bound = float(stress @ self.losses_of(groups.totals.table)) - point.penalty
        bound += float(point.price @ short) - (self.fund or 0.0) * float(stress.sum())
        if bound > self.outcome.bound:
            self.outcome.bound, self.outcome.dual = bound, point
        return changed

    def combination(self) -> FloatArray:
        """(v,) fractions of the best combination."""
        best = self.outcome
        return recover.combine(self.groups, best.theta, best.group, best.sweep, self.answers)

    def _add(self, groups: IntArray, table: FloatArray, number: int) -> None:
        R = self.groups.price_scale.size
        self.master.add(groups, table[:, :R], table[:, R + 1 :] / self.unit, number)

    def _remember(self, theta: FloatArray, losses: FloatArray, price: FloatArray) -> None:
        """Keep the combination if its exact value plus the cost of missing sums is the best."""
        value = self.value(losses) + float(np.abs(price) @ self.master.missing(theta))
        if value < self.outcome.value:
            self.outcome.value, self.outcome.theta = value, theta.copy()
            self.outcome.group = self.master.group.copy()
            self.outcome.sweep = self.master.sweep.copy()

    def _forget(self, theta: FloatArray, number: int) -> None:
        """Drop columns without weight, and the answers that no column needs."""
        master, best = self.master, self.outcome
        kept = master.forget(theta, number, self.tuning.patience, self.tuning.weight)
        share = theta[kept]
        self.current = (
            share / np.bincount(master.group, share, minlength=master.groups)[master.group]
        )
        used = set(master.sweep.tolist()) | set(best.sweep[best.theta > 0].tolist())
        for old in [old for old in self.answers if old not in used]:
            del self.answers[old]

    # ------------------------------------------------------------------ master

    def _solve_master(
        self, price: FloatArray, *, cones: bool = False
    ) -> tuple[ConicAnswer, FloatArray]:
        """A cone program, or a few quadratic ones where terms have second-order models (eq. 22).

        With `cones` exponential cones are tried before the models: these are too coarse where EVaR
        is almost the worst case.
        """
        numbers, master = self.tuning, self.master
        if cones:
            with suppress(SolverFailed):
                blocks = [self._block(number) for number in range(len(self.terms))]
                answer = master.solve(tuple(blocks), numbers)
                return answer, answer.theta
        theta = np.zeros(master.group.size)
        theta[: self.current.size] = self.current
        for _ in range(numbers.models):
            answer, modelled = self._solve_once(master.losses(theta))
            if not modelled:
                return answer, answer.theta
            # Exact penalty: columns that were forgotten leave the sums a little short.
            weight = 2.0 * np.maximum(np.abs(price), np.abs(answer.price))
            value = self._merit(theta, weight)
            length = self._line_search(theta, answer.theta, weight, value)
            theta = theta + length * (answer.theta - theta)
            gain = value - self._merit(theta, weight)
            if length == 0.0 or gain <= numbers.gain * max(value - self.outcome.bound, 0.0):
                break
        return answer, theta

    def _solve_once(self, losses: FloatArray) -> tuple[ConicAnswer, bool]:
        """The master with models at losses (L,), and whether any term has one."""
        beyond = self.beyond(losses)
        models = [
            term.local_model(beyond, self.weights) if term.cone == "exponential" else None
            for _, term in self.terms
        ]
        if len(models) == 1 and models[0] is not None and self.fund is None:
            answer = quadratic_master.solve(self.master, models[0], self.factors[0], self.tuning)
            return answer, True
        blocks = []
        for number, model in enumerate(models):
            if model is not None:
                blocks.append(model_block(model, self.master.largest()))
            else:
                blocks.append(self._block(number))
        answer = self.master.solve(tuple(blocks), self.tuning)
        return answer, any(model is not None for model in models)

    def _block(self, number: int) -> RiskBlock:
        """The cone program of a term."""
        if number not in self.blocks:
            self.blocks[number] = compile_term(self.terms[number][1], self.weights)
        return self.blocks[number]

    def _merit(self, theta: FloatArray, weight: FloatArray) -> float:
        """The objective of a combination, and `weight` (R,) times what it misses of the sums."""
        return self.value(self.master.losses(theta)) + float(weight @ self.master.missing(theta))

    def _line_search(
        self, start: FloatArray, end: FloatArray, weight: FloatArray, value: float
    ) -> float:
        """The first of 1, 1/2, 1/4, ... at which the merit does not rise; 0 if there is none."""
        length = 1.0
        while length > self.tuning.shortest_step:
            if self._merit(start + length * (end - start), weight) <= value:
                return length
            length /= 2
        return 0.0
