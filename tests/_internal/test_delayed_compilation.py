"""A loop runs as Python until compiling it pays, and which of the two runs changes no bit."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import adlopt as adl
from adlopt._internal import delayed_compilation
from adlopt._internal.delayed_compilation import DelayedLoop, Patience, as_python
from adlopt.methods import _elliptical_blocks, _elliptical_kernels
from adlopt.methods.shadow_price import groups
from adlopt.methods.shadow_price.sweep import answer
from adlopt.model import _loss_kernels
from adlopt.presolve import _kernels
from tests.methods.shadow_price import kernels
from tests.methods.shadow_price.books import KINDS, random_book
from tests.typed import priced


class Dispatcher:
    """Stands in for numba's: counts what it is asked to run."""

    def __init__(self, function: Any, stored: bool = False) -> None:
        self.py_func, self.stored = function, stored
        self.ran: list[int] = []
        self._cache = self.targetctx = self

    def codegen(self) -> None: ...

    def typeof_pyval(self, value: Any) -> type:
        return type(value)

    def holds(self, signature: Any, codegen: None) -> bool:
        return self.stored

    def __call__(self, items: np.ndarray, *arguments: Any) -> None:
        self.ran += items.tolist()


def loop(items: np.ndarray, out: np.ndarray, pause: float) -> None:
    for i in items:
        out[i] += 1.0
        time.sleep(pause)


FOREVER = Patience(compiling=1e9)


def run(delayed: DelayedLoop, items: int = 4, pause: float = 0.0) -> list[float]:
    out = np.zeros(items)
    delayed(np.arange(items), out, pause)
    return out.tolist()


def test_a_small_loop_is_not_compiled() -> None:
    dispatcher = Dispatcher(loop)
    delayed = DelayedLoop(dispatcher, FOREVER)
    for _ in range(3):
        assert run(delayed) == [1, 1, 1, 1]
    assert dispatcher.ran == []


def test_stored_machine_code_is_used_at_once() -> None:
    dispatcher = Dispatcher(loop, stored=True)
    assert run(DelayedLoop(dispatcher, FOREVER)) == [0, 0, 0, 0]
    assert dispatcher.ran == [0, 1, 2, 3]


def test_large_arguments_are_compiled_for_at_once() -> None:
    dispatcher = Dispatcher(loop)
    run(DelayedLoop(dispatcher, Patience(compiling=1e9, largest=31)))
    assert dispatcher.ran == [0, 1, 2, 3]


def test_items_that_would_take_too_long_are_compiled_for() -> None:
    dispatcher = Dispatcher(loop)
    instructions = delayed_compilation.length(loop)
    delayed = DelayedLoop(dispatcher, Patience(compiling=0.1 / instructions, share=1.0))
    assert run(delayed, 100, 0.01) == [1.0] + [0.0] * 99  # each once, by one or the other
    assert dispatcher.ran == list(range(1, 100))
    run(delayed, 2)
    assert dispatcher.ran[-2:] == [0, 1]  # from then on it is compiled


def test_many_small_calls_add_up() -> None:
    dispatcher = Dispatcher(loop)
    instructions = delayed_compilation.length(loop)
    delayed = DelayedLoop(dispatcher, Patience(compiling=0.1 / instructions, share=1.0))
    for _ in range(30):
        run(delayed, 1, 0.01)
    assert dispatcher.ran != []
    assert delayed.compiled


def test_no_item_is_no_reason_to_compile() -> None:
    dispatcher = Dispatcher(loop)
    delayed = DelayedLoop(dispatcher, Patience(compiling=0.0))
    run(delayed, 0)
    assert not delayed.compiled


def in_python(kernel: Any) -> Any:
    python = as_python(kernel.py_func)

    def run(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            python(*arguments)

    return run


@pytest.mark.parametrize("integers", [False, True], ids=["general", "ties"])
def test_answers_are_the_same_bits(integers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[np.ndarray]:
        rng = np.random.default_rng([3, integers])
        pools = kernels.random_pools(rng, 40, most_hinges=40, integers=integers)
        state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, rng.random(12))
        weights = []
        for step in range(3):
            price, stress = np.round(3 * rng.normal(size=3), 2), rng.integers(0, 3, 12) / 3.0
            point = kernels.point_at(price, stress, 10.0 * step)
            weights.append(kernels.answer_all(pools, state, point, totals))
        return [*weights, *state, *totals]

    monkeypatch.setattr(answer, "compiled", True)
    compiled = answers()
    monkeypatch.setattr(kernels, "answer", in_python(answer))
    for one, other in zip(compiled, answers(), strict=True):
        np.testing.assert_array_equal(one, other)


def assert_same_solution(
    problem: adl.Problem, loops: list[tuple[Any, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bits of the allocation, compiled and in Python.

    The value is a sum by numpy, whose rounding depends on where its arrays lie in memory.
    """

    def solution() -> tuple[np.ndarray, float, float]:
        solved = priced(adl.solve(problem, "shadow_price"))
        return solved.allocation["reduction"].to_numpy(), solved.value, solved.lower_bound

    for module, name in loops:
        monkeypatch.setattr(getattr(module, name), "compiled", True)
    reduction, value, lower_bound = solution()
    for module, name in loops:
        monkeypatch.setattr(module, name, in_python(getattr(module, name)))
    again, same_value, same_bound = solution()
    rounding = 1e-13 * float(np.abs(problem.book.equity).sum())
    assert same_value == pytest.approx(value, rel=1e-12, abs=rounding)
    assert same_bound == pytest.approx(lower_bound, rel=1e-12, abs=rounding)
    np.testing.assert_array_equal(again, reduction)


@pytest.mark.parametrize("kind", KINDS)
def test_solutions_are_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = [(groups, "answer"), (_kernels, "classify"), (_loss_kernels, "_add_losses")]
    problem = random_book(17, pools=10, kind=kind).problem(adl.CVaR(0.8) + adl.ExpectedLoss())
    assert_same_solution(problem, loops, monkeypatch)


@pytest.mark.parametrize("df", [np.inf, 3.0])
@pytest.mark.parametrize("settlement", [1.0, 0.98])
def test_elliptical_solutions_are_the_same(
    df: float, settlement: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops = [(_elliptical_kernels, "solve_block_barriers"), (_elliptical_blocks, "rotate_to_span")]
    given = adl.synthetic.problem(12, 4, scenarios=1)
    move = 0.06 * given.book.marks
    covariance = np.outer(move, move) * (0.3 * np.eye(4) + 0.7)
    prices = adl.Gaussian(covariance) if np.isinf(df) else adl.StudentT(covariance, df)
    marks = dict(zip(given.book.assets, settlement * given.book.marks, strict=True))
    problem = adl.Problem(given.book, given.reduction, prices=prices, settlement=marks)
    assert_same_solution(problem, loops, monkeypatch)
