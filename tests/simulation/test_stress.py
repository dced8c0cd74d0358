"""Many crashes on common paths: the same numbers wherever they are computed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.simulation.fund_size import exceeded_with, quantile_interval
from adlopt.simulation.run import TOTALS
from tests.typed import untyped

RULES = (adl.policies.Hyperliquid(), adl.policies.ProRata(), adl.policies.MinimaxLeverage())
EXCHANGE = adl.Exchange(depth={"A0": 0.2, "A1": 50.0}, spread=0.001, fund=1e4)


@pytest.fixture(scope="module")
def book() -> adl.Book:
    return adl.synthetic.crash(60, 2, seed=3)


@pytest.fixture(scope="module")
def paths(book: adl.Book) -> adl.paths.Paths:
    return adl.paths.flash_crash(book, fall=0.3, steps=5, count=24)


@pytest.fixture(scope="module")
def alone(book: adl.Book, paths: adl.paths.Paths) -> adl.StressTest:
    return adl.stress_test(book, paths, RULES, exchange=EXCHANGE, workers=1)


def bits(test: adl.StressTest) -> bytes:
    return test.outcomes.to_numpy().tobytes()


def test_each_row_is_a_simulation(
    book: adl.Book, paths: adl.paths.Paths, alone: adl.StressTest
) -> None:
    for at in (0, 11, 23):
        for rule in RULES:
            crash = adl.simulate(book, paths[at], rule, exchange=EXCHANGE)
            assert (
                crash.totals.to_numpy().tobytes()
                == alone.outcomes.loc[(str(rule), at), :].to_numpy().tobytes()
            )


@pytest.mark.parametrize("workers", [2, 4])
def test_processes_give_the_same_bits(
    book: adl.Book, paths: adl.paths.Paths, alone: adl.StressTest, workers: int
) -> None:
    spread = adl.stress_test(book, paths, RULES, exchange=EXCHANGE, workers=workers)
    assert bits(spread) == bits(alone)


def test_any_executor_gives_the_same_bits(
    book: adl.Book, paths: adl.paths.Paths, alone: adl.StressTest
) -> None:
    with ThreadPoolExecutor(3) as executor:
        spread = adl.stress_test(book, paths, RULES, exchange=EXCHANGE, executor=executor)
    assert bits(spread) == bits(alone)


def test_a_rule_that_cannot_travel_runs_here(book: adl.Book, paths: adl.paths.Paths) -> None:
    rule = {"mine": lambda problem: adl.policies.ProRata().reductions(problem)}
    mine = adl.stress_test(book, paths[:4], rule, workers=2)
    other = adl.stress_test(book, paths[:4], [adl.policies.ProRata()], workers=1)
    assert bits(mine) == bits(other)


SWEEP = np.linspace(0.2, 1.2, 12)  # three tasks


class Deadly:
    """Pro rata, but the first worker that gets to it is killed once."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag
        self.home = os.getpid()

    def allocate(self, problem: adl.Problem) -> Any:
        if os.getpid() != self.home:
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return adl.policies.ProRata().reductions(problem)

    def __str__(self) -> str:
        return "deadly"


def test_a_killed_process_loses_nothing(
    book: adl.Book, paths: adl.paths.Paths, alone: adl.StressTest, tmp_path: Path
) -> None:
    deadly = Deadly(tmp_path / "killed")
    test = adl.stress_test(book, paths, [deadly], exchange=EXCHANGE, workers=2)
    assert deadly.flag.exists()
    assert bits(test) == alone.outcomes.loc[str(RULES[1])].to_numpy().tobytes()


@pytest.mark.filterwarnings("ignore")  # of distributed, about its own sockets at the end
def test_dask_gives_the_same_bits_though_a_worker_is_killed(
    book: adl.Book, paths: adl.paths.Paths, alone: adl.StressTest, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 10}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spread = adl.stress_test(
            book, paths, RULES, exchange=EXCHANGE, executor=client.get_executor()
        )
        assert bits(spread) == bits(alone)
        problem = adl.examples.paper_problem(64)
        swept = adl.frontier(problem, SWEEP, executor=client.get_executor())
        assert numbers(swept).equals(numbers(adl.frontier(problem, SWEEP)))
        deadly = Deadly(tmp_path / "killed")
        test = adl.stress_test(
            book, paths, [deadly], exchange=EXCHANGE, executor=client.get_executor()
        )
        assert deadly.flag.exists()  # a worker process was killed in the middle
        assert bits(test) == alone.outcomes.loc[str(RULES[1])].to_numpy().tobytes()


def test_an_error_of_a_rule_reaches_the_user(book: adl.Book, paths: adl.paths.Paths) -> None:
    with (
        ThreadPoolExecutor(2) as executor,
        pytest.raises(adl.InputError, match="no method allocate"),
    ):
        untyped.stress_test(book, paths, {"none": 3}, executor=executor)


def test_summary_and_paired_differences(alone: adl.StressTest) -> None:
    loss = alone.outcomes["deleveraged"].unstack("policy")
    name, base = str(RULES[2]), str(RULES[0])
    summary = alone.summary.loc[("deleveraged", name), :]
    assert np.isclose(summary["mean"], loss[name].mean())
    assert np.isclose(summary["standard_error"], loss[name].std() / np.sqrt(len(loss)))
    assert np.isclose(summary["quantile_95"], np.quantile(loss[name], 0.95))
    gap = (loss[name] - loss[base]).to_numpy()
    row = alone.differences("deleveraged").loc[name]
    from scipy import stats

    interval = stats.t.interval(0.95, len(gap) - 1, gap.mean(), stats.sem(gap))
    assert np.allclose([row["lower"], row["upper"]], interval)
    assert np.isclose(row["worse"], (gap > 0).mean())
    assert "24 paths" in repr(alone)


def test_fund_sizes_are_quantiles_of_the_need(alone: adl.StressTest) -> None:
    need = alone.outcomes["fund_needed"].unstack("policy")[str(RULES[1])].to_numpy()
    sizes = alone.fund_size(0.25).loc[str(RULES[1])]
    assert (need > sizes["fund"]).mean() <= 0.25
    smaller = np.nextafter(sizes["fund"], -np.inf)
    assert (need > smaller).mean() > 0.25
    assert sizes["lower"] <= sizes["fund"] <= sizes["upper"]
    assert alone.newsvendor_fund(0.05, 0.2).equals(alone.fund_size(0.25))


def test_the_fund_that_is_needed_is_enough(book: adl.Book, paths: adl.paths.Paths) -> None:
    from dataclasses import replace

    rule = adl.policies.ProRata()
    for path in paths[:5]:
        need = adl.simulate(book, path, rule, exchange=EXCHANGE).totals["fund_needed"]
        enough = replace(EXCHANGE, fund=need * (1 + 1e-9))
        short = replace(EXCHANGE, fund=need * (1 - 1e-6))
        assert adl.simulate(book, path, rule, exchange=enough).totals["socialised_loss"] == 0
        assert adl.simulate(book, path, rule, exchange=short).totals["socialised_loss"] > 0


def test_fund_intervals_cover_as_often_as_they_say() -> None:
    """200 samples of a law whose quantile is known: 90 % intervals cover 85 to 95 %."""
    rng = np.random.default_rng(0)
    for paths, probability in ((200, 0.1), (1000, 0.01)):
        true = -np.log(probability)
        intervals = [
            quantile_interval(rng.exponential(size=paths), probability, 0.9) for _ in range(200)
        ]
        covered = np.mean([lower <= true <= upper for lower, upper in intervals])
        assert 0.85 <= covered <= 0.95


def test_too_few_paths_have_no_upper_limit() -> None:
    lower, upper = quantile_interval(np.arange(10.0), 0.01, 0.9)
    assert np.isinf(upper)
    assert 0 <= lower <= 9
    assert exceeded_with(np.arange(10.0), 0.01) == 9.0
    assert exceeded_with(np.arange(10.0), 0.1) == 8.0
    assert exceeded_with(np.zeros(5), 0.5) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda test: test.fund_size(0.0), r"\(0, 1\)"),
        (lambda test: test.fund_size(0.1, confidence=1.0), "confidence"),
        (lambda test: test.newsvendor_fund(0.2, 0.1), "no fund pays"),
        (lambda test: test.differences("luck"), "'luck'"),
        (lambda test: test.differences(baseline="nobody"), "'nobody'"),
    ],
)
def test_questions_that_make_no_sense(alone: adl.StressTest, call: Any, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        call(alone)


def test_executors_that_are_none(book: adl.Book, paths: adl.paths.Paths) -> None:
    with pytest.raises(adl.InputError, match=r"not a concurrent\.futures\.Executor"):
        untyped.stress_test(book, paths, RULES, executor=4)
    with pytest.raises(adl.InputError, match="at least one policy"):
        adl.stress_test(book, paths, [])


def test_outcomes_have_every_measure(alone: adl.StressTest) -> None:
    assert list(alone.outcomes.columns) == list(TOTALS)
    assert alone.outcomes.index.names == ["policy", "path"]
    assert isinstance(alone.summary, pd.DataFrame)


def numbers(swept: adl.Frontier) -> pd.DataFrame:
    """What must not depend on who computed it."""
    return swept.table.drop(columns="seconds")


def test_studies_take_an_executor_too() -> None:
    problem = adl.examples.paper_problem(64)
    rules = [adl.policies.ProRata(), adl.policies.MinimaxLeverage()]
    goals = [adl.ExpectedLoss(), adl.CVaR(0.9)]
    with ThreadPoolExecutor(2) as executor:
        compared = adl.compare(problem, rules, executor=executor)
        explored = adl.explore(problem, goals, executor=executor)
        for method in ("auto", "conic"):
            swept = adl.frontier(problem, SWEEP, method=method, executor=executor)
            assert numbers(swept).equals(numbers(adl.frontier(problem, SWEEP, method=method)))
    alone = adl.compare(problem, rules)
    for name, table in alone.allocations.items():
        assert table.equals(compared.allocations[name])
    assert explored.table.equals(adl.explore(problem, goals).table)
