"""Any convex objective by Dantzig-Wolfe decomposition with a conic master."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import adlopt as adl
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.choice import choose
from adlopt.methods.result import Settings
from adlopt.methods.shadow_price import conic_solve, quadratic_master
from adlopt.methods.shadow_price.conic_decomposition import ConicDecomposition
from adlopt.methods.shadow_price.conic_master import ConicMaster
from adlopt.methods.shadow_price.conic_tuning import CONIC_MASTER_DEFAULTS, ConicMasterTuning
from adlopt.methods.shadow_price.risk_block import compile_term, model_block
from adlopt.methods.shadow_price.tuning import DEFAULTS
from adlopt.model.losses import losses_beyond_fund, objective_value, scenario_losses
from adlopt.presolve.pairs import presolve
from adlopt.proof.certificate import certify_array
from tests.methods.shadow_price.campaign import MEASURES, UNCOMPARED, convex_measures
from tests.support import random_case
from tests.typed import priced

FEW_GROUPS = ConicMasterTuning(groups=3)


def cvar_by_hand(loss: cp.Variable) -> cp.Expression:
    threshold = cp.Variable()
    return threshold + cp.sum(cp.pos(loss - threshold)) / (0.1 * loss.size)


def cubic_norm(loss: cp.Variable) -> cp.Expression:
    return cp.norm(loss, 3)


OBJECTIVES: tuple[adl.Objective, ...] = (
    adl.EVaR(0.9),
    adl.Entropic(1e-4),
    adl.ChiSquareRobust(0.5),
    adl.Semideviation(1.0, 2),
    adl.Semideviation(0.7, 1),
    adl.Expectile(0.8),
    adl.Custom(cvar_by_hand),
    adl.Custom(cubic_norm),
    0.5 * adl.EVaR(0.8) + 0.5 * adl.CVaR(0.9),
    adl.Expectile(0.6) + 0.3 * adl.ChiSquareRobust(2.0),
    0.5 * adl.Entropic(1e-3) + adl.WorstCase(),
)
KINDS = (
    "plain",
    "ties",
    "equal leverage",
    "twelve orders",
    "zero caps",
    "tight caps",
    "capacity",
    "tiny reduction",
    "bankrupt",
    "zero sizes",
)


def problem_of(seed: int) -> adl.Problem:
    """A small book of one of ten kinds; every fifth has an insurance fund."""
    case = random_case(
        seed,
        ("cross", "mixed")[seed % 2],
        one_factor=False,
        reduced=1 + seed % 3,
        twist=KINDS[seed % 10],
        settlement=seed % 3 == 1,
        fund=seed % 5 == 4,
    )
    return case.problem(OBJECTIVES[(7 * seed) % len(OBJECTIVES)])


@pytest.mark.parametrize("block", range(11))
def test_random_books_against_the_whole_program(block: int) -> None:
    """With every pool alone in a group and with three groups: proven, and no worse than the conic
    method, whose bound is not above the value.
    """
    for seed in range(5 * block, 5 * block + 5):
        problem = problem_of(seed)
        tuning = FEW_GROUPS if seed % 2 else CONIC_MASTER_DEFAULTS
        result = conic_solve.solve(problem, Settings(), tuning=tuning)
        proof = certify_array(problem, result.allocation, result.multipliers)
        whole = priced(adl.solve(problem, "conic"))
        before = objective_value(problem, None)
        equity = problem.book.equity[problem.book.solvent].sum()
        assert proof.gap <= 1e-6 or proof.excess <= max(1e-11 * equity, 1e-9 * before), seed
        assert proof.value <= whole.value * (1 + 1e-6) + 1e-9 * before, seed
        assert proof.lower_bound <= whole.value * (1 + 1e-9) + 1e-10 * before, seed
        assert whole.lower_bound <= proof.value * (1 + 1e-9) + 1e-10 * before, seed


@pytest.mark.parametrize("seed", [20, 39, 42, *range(3000, 3007)])
def test_random_books_against_definitions_and_a_program_of_its_own(seed: int) -> None:
    """A sample of the campaign `convex`. In the first two EVaR is the worst case at the
    optimum, in the third the gap stays open for ten sweeps."""
    for what, finding in convex_measures(seed):
        assert finding in ("", UNCOMPARED), what


@pytest.mark.parametrize("number", range(len(MEASURES)))
def test_measures_are_their_definitions(number: int) -> None:
    """What the campaign compares with is what the package minimises."""
    rng = np.random.default_rng(number)
    measure = MEASURES[number](1.0)
    for _ in range(20):
        loss, weights = (
            rng.exponential(size=30) * (rng.random(30) < 0.6),
            rng.dirichlet(np.ones(30)),
        )
        assert measure.objective.value(loss, weights) == pytest.approx(
            measure.value(loss, weights), rel=1e-8
        )


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_every_objective_is_proven_with_groups(objective: adl.Objective) -> None:
    base = adl.synthetic.problem(600, 4, scenarios=120, seed=3)
    if "Entropic" in str(objective):
        objective = adl.Entropic(1.0 / objective_value(base, base.pro_rata()))
    solution = priced(adl.solve(base.with_changes(objective=objective), "shadow_price"))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-7
    assert solution.details["algorithm"] == "decomposition with a conic master"


def test_a_copy_of_cvar_gives_its_optimum() -> None:
    base = adl.synthetic.problem(800, 3, scenarios=200, seed=1)
    own, built_in = (
        priced(adl.solve(base.with_changes(objective=objective), "shadow_price"))
        for objective in (cvar_by_hand, adl.CVaR(0.9))
    )
    assert own.value == pytest.approx(built_in.value, rel=1e-8)
    assert own.lower_bound <= built_in.value * (1 + 1e-12)


def test_insurance_fund() -> None:
    base = adl.synthetic.problem(500, 3, scenarios=150, seed=2)
    objective = adl.EVaR(0.9)
    fund = 0.3 * objective_value(base.with_changes(objective=objective), base.pro_rata())
    problem = base.with_changes(objective=objective, insurance_fund=fund)
    solution = priced(adl.solve(problem, "shadow_price"))
    assert solution.gap <= 1e-7
    assert solution.value == pytest.approx(adl.solve(problem, "conic").value, rel=1e-6)


def test_auto_takes_it_where_the_book_is_large() -> None:
    large = adl.synthetic.problem(3000, 5, scenarios=400, objective=adl.EVaR(0.9), seed=0)
    assert choose(large).method == "shadow_price"


def test_time_limit_and_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = adl.synthetic.problem(2000, 5, scenarios=300, objective=adl.EVaR(0.8), seed=1)
    hurried = priced(adl.solve(problem, "shadow_price", time_limit=1e-3))
    assert hurried.status == "time_limit"
    assert hurried.lower_bound <= hurried.value
    original = ConicDecomposition._solve_master

    def interrupted(self: Any, price: FloatArray, *, cones: bool) -> Any:
        if self.outcome.sweeps == 6:
            raise KeyboardInterrupt
        return original(self, price, cones=cones)

    monkeypatch.setattr(ConicDecomposition, "_solve_master", interrupted)
    stopped = priced(adl.solve(problem, "shadow_price", tolerance=1e-12))
    assert stopped.status == "time_limit"
    assert stopped.gap <= 1e-2
    patient = priced(adl.solve(problem, "conic"))
    assert stopped.lower_bound <= patient.value <= stopped.value * (1 + 1e-9)


def test_pools_without_variables_are_constants_of_value_and_proof() -> None:
    """Accounts whose caps are zero lose money in some scenarios whatever is reduced."""
    seeds = [seed for seed in range(4, 200, 10) if KINDS[seed % 10] == "zero caps"]
    for seed in seeds[:8]:
        problem = problem_of(seed).with_changes(objective=adl.ExpectedLoss())
        solution, whole = priced(adl.solve(problem, "shadow_price")), adl.solve(problem, "conic")
        before = objective_value(problem, None)
        assert solution.value == pytest.approx(whole.value, rel=1e-6, abs=1e-9 * before)
        assert solution.value - solution.lower_bound <= 1e-7 * solution.value + 1e-9 * before


# ---------------------------------------------------------------------- parts


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_a_compiled_block_is_the_measure(objective: adl.Objective) -> None:
    """A master with one column per group has nothing to choose: its stresses are a subgradient."""
    rng = np.random.default_rng(5)
    weights = rng.dirichlet(np.ones(30))
    loss = rng.exponential(size=(4, 30)) * (rng.random((4, 30)) < 0.6)
    for factor, term in objective.terms:
        if isinstance(term, adl.Entropic):
            continue  # its cone is not used; see the quadratic master
        master = ConicMaster(np.ones(1), np.ones(1, bool), np.zeros(30), 4, (factor,), None)
        master.add(np.arange(4), np.full((4, 1), 0.25), loss, 0)
        answer = master.solve((compile_term(term, weights),), CONIC_MASTER_DEFAULTS)
        total = loss.sum(axis=0)
        value = term.value(total, weights)
        for other in (1.1 * total, total + rng.exponential(size=30)):
            rise = (answer.terms[0] / factor) @ (other - total)
            assert term.value(other, weights) >= value + rise - 1e-6 * value


def columns(
    rng: np.random.Generator, groups: int, each: int, assets: int, scenarios: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    group = np.repeat(np.arange(groups), each)
    used = rng.uniform(0.5, 1.5, (group.size, assets)) / groups
    used[::each] = 1.0 / groups  # one column per group: together they meet the sums
    loss = rng.exponential(size=(group.size, scenarios)) * (rng.random((group.size, 1)) + 0.2)
    return group, used, loss


@pytest.mark.parametrize("fund", [None, 2.0])
@pytest.mark.parametrize(
    "terms",
    [
        ((1.0, adl.ChiSquareRobust(0.5)),),
        ((1.0, adl.Expectile(0.8)),),
        ((0.5, adl.CVaR(0.8)), (2.0, adl.Semideviation(1.0, 2))),
    ],
    ids=str,
)
def test_a_master_step_is_the_dense_program(
    terms: tuple[tuple[float, adl.Objective], ...], fund: float | None
) -> None:
    """Written down in cvxpy without any of the package's matrices."""
    rng = np.random.default_rng(11)
    group, used, loss = columns(rng, 5, 4, 2, 40)
    weights, constant = rng.dirichlet(np.ones(40)), rng.random(40)
    factors = tuple(factor for factor, _ in terms)
    master = ConicMaster(np.ones(2), np.ones(2, bool), constant, 5, factors, fund)
    master.add(group, used, loss, 0)
    blocks = tuple(compile_term(term, weights) for _, term in terms)
    answer = master.solve(blocks, CONIC_MASTER_DEFAULTS)

    theta = cp.Variable(group.size, nonneg=True)
    total = constant + loss.T @ theta
    beyond = cp.Variable(40)
    covers = beyond >= (total if fund is None else cp.pos(total - fund))
    sums = used.T @ theta == 1
    ones = [cp.sum(theta[group == g]) == 1 for g in range(5)]
    risk = sum(factor * term.expression(beyond, weights) for factor, term in terms)
    dense = cp.Problem(cp.Minimize(risk), [covers, sums, *ones])
    dense.solve(solver=cp.CLARABEL)

    losses = master.losses(answer.theta)
    reached = losses if fund is None else np.maximum(losses - fund, 0.0)
    value = sum(factor * term.value(reached, weights) for factor, term in terms)
    assert value == pytest.approx(dense.value, rel=1e-6)
    assert master.missing(answer.theta).max() <= 1e-6
    np.testing.assert_allclose(answer.price, sums.dual_value, rtol=1e-3, atol=1e-4 * dense.value)
    assert np.concatenate(answer.terms).sum() == pytest.approx(sum(factors), rel=1e-6)


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("measure", [adl.EVaR(0.8), adl.Entropic(0.7)], ids=str)
def test_quadratic_models_lead_to_the_optimum(measure: adl.Objective, stacked: bool) -> None:
    """Steps of the program with loss variables, and of the one without, end where the exponential
    cone program does.
    """
    rng = np.random.default_rng(7)
    group, used, loss = columns(rng, 5, 4, 2, 60)
    weights, constant = rng.dirichlet(np.ones(60)), rng.random(60)
    master = ConicMaster(np.ones(2), np.ones(2, bool), constant, 5, (1.0,), None)
    master.add(group, used, loss, 0)
    theta = np.zeros(group.size)
    theta[::4] = 1.0
    for _ in range(30):
        model = measure.local_model(master.losses(theta), weights)
        assert model is not None
        if stacked:
            answer = master.solve((model_block(model, master.largest()),), CONIC_MASTER_DEFAULTS)
        else:
            answer = quadratic_master.solve(master, model, 1.0, CONIC_MASTER_DEFAULTS)
        lengths = [0.5**k for k in range(12)]
        trials = [theta + length * (answer.theta - theta) for length in lengths]
        theta = min(trials, key=lambda trial: measure.value(master.losses(trial), weights))

    free = cp.Variable(group.size, nonneg=True)
    sums = used.T @ free == 1
    ones = [cp.sum(free[group == g]) == 1 for g in range(5)]
    risk = measure.expression(constant + loss.T @ free, weights)
    dense = cp.Problem(cp.Minimize(risk), [sums, *ones])
    dense.solve(solver=cp.CLARABEL)
    assert measure.value(master.losses(theta), weights) == pytest.approx(dense.value, rel=1e-7)
    np.testing.assert_allclose(answer.price, sums.dual_value, rtol=1e-3, atol=1e-3)


def test_totals_of_any_fractions() -> None:
    """At the vertices they are the sweep's; at a combination, the losses of its allocation."""
    problem = adl.synthetic.problem(200, 3, scenarios=60, objective=adl.EVaR(0.9), seed=4)
    run = conic_solve._Run(problem, presolve(problem), FEW_GROUPS, DEFAULTS, lambda _: None, np.inf)
    run._start()
    decomposition = run.decomposition
    assert decomposition is not None
    groups = decomposition.groups
    groups.sweep(np.append(groups.last[:3], problem.scenarios.weights))
    np.testing.assert_allclose(
        groups.totals_at(groups.state.y), groups.totals.table, rtol=1e-9, atol=1e-12
    )
    y = np.random.default_rng(0).random(groups.state.y.size)
    losses = decomposition.losses_of(groups.totals_at(y))
    money = decomposition.unit * run.program.unit
    wanted = scenario_losses(problem, run.program.reductions(problem, y))
    np.testing.assert_allclose(losses * money, wanted, rtol=1e-9, atol=1e-9 * wanted.max())


def test_bounds_never_exceed_values() -> None:
    """At any prices and stresses the dual function is below the objective of any combination."""
    for objective in OBJECTIVES:
        problem = adl.synthetic.problem(80, 2, scenarios=40, objective=objective, seed=9)
        run = conic_solve._Run(
            problem, presolve(problem), FEW_GROUPS, DEFAULTS, lambda _: None, np.inf
        )
        start = run._start()
        decomposition = run.decomposition
        assert decomposition is not None
        money = decomposition.unit * run.program.unit
        value = objective_value(problem, problem.pro_rata()) / money
        rng = np.random.default_rng(1)
        losses = losses_beyond_fund(problem, problem.pro_rata()) / money
        for trial in range(6):
            price = start.price * rng.uniform(0, 3, start.price.size)
            point = decomposition.dual_point(price, losses * rng.uniform(0.5, 2), None)
            decomposition.outcome.bound = -np.inf
            decomposition.offer(point, trial)
            assert decomposition.outcome.bound <= value * (1 + 1e-9)


def test_the_next_solve_takes_over_the_presolve(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = adl.synthetic.problem(600, 4, scenarios=120, objective=adl.EVaR(0.8), seed=1)
    first = adl.solve(problem, "shadow_price")
    changed = problem.with_changes(objective=adl.Expectile(0.8))
    cold = adl.solve(changed, "shadow_price")

    def refuse(*_: object) -> None:
        raise AssertionError("presolved again")

    monkeypatch.setattr(conic_solve, "presolve", refuse)
    warm = adl.solve(changed, "shadow_price", warm_start=first)
    assert warm.status == cold.status == "optimal"
    assert warm.value == pytest.approx(cold.value, rel=1e-7)


@pytest.mark.parametrize("objective", [adl.EVaR(0.9), adl.ChiSquareRobust(0.5)], ids=str)
def test_the_next_solve_takes_over_columns(objective: adl.Objective) -> None:
    """After another reduction, fund or objective; each answer is that of a solve of its own."""
    problem = adl.synthetic.problem(3000, 4, scenarios=150, objective=objective, seed=1)
    last = adl.solve(problem, "shadow_price")
    same = adl.solve(problem, "shadow_price", warm_start=last)
    assert int(same.details["sweeps"]) < int(last.details["sweeps"])
    last, fund = same, 0.1 * objective_value(problem, None)
    changes: tuple[dict[str, Any], ...] = (
        {"multiple": 0.99},
        {"multiple": 0.5},
        {"objective": adl.Expectile(0.8)},
        {"insurance_fund": fund},
        {"multiple": 1.0},
    )
    for change in changes:
        problem = problem.with_changes(**change)
        last, cold = adl.solve(problem, "shadow_price", warm_start=last), adl.solve(problem)
        assert last.status == cold.status == "optimal"
        assert last.value == pytest.approx(cold.value, rel=1e-7)


@pytest.mark.parametrize("reduce", [1e-6, 0.01, 0.9, 0.99999, 1.0])
@pytest.mark.parametrize("assets", [1, 8])
def test_degenerate_reductions_are_proven(reduce: float, assets: int) -> None:
    """Next to nothing, next to everything, and all of it."""
    objective = OBJECTIVES[(int(100 * reduce) + assets) % 6]
    if isinstance(objective, adl.Entropic):
        objective = adl.EVaR(0.95)
    problem = adl.synthetic.problem(
        1000,
        assets,
        held=min(assets, 3),
        scenarios=80,
        reduce=reduce,
        objective=objective,
        seed=assets,
    )
    solution = priced(adl.solve(problem, "shadow_price"))
    equity = problem.book.equity.sum()
    assert solution.gap <= 1e-8 or solution.value - solution.lower_bound <= 1e-11 * equity
