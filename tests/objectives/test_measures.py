"""What every built-in measure must satisfy: its faces agree, and it has the properties it
claims.
"""

from __future__ import annotations

from collections.abc import Callable

import cvxpy as cp
import numpy as np
import pytest

import adlopt as adl
from adlopt.objectives.dual_set import project_to_dual_set
from tests.objectives.families import BUILT_IN, COHERENT, losses
from tests.typed import untyped

every = pytest.mark.parametrize("measure", BUILT_IN, ids=str)
every_coherent = pytest.mark.parametrize("measure", COHERENT, ids=str)
SEEDS = range(12)


def by_solver(
    measure: adl.Objective, loss: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value, and multipliers of the losses, of the measure of a variable bounded below by the
    losses.
    """
    variable = cp.Variable(loss.size)
    above = variable >= loss
    problem = cp.Problem(cp.Minimize(measure.expression(variable, weights)), [above])
    problem.solve(solver=cp.CLARABEL, max_step_fraction=0.9)
    assert problem.status == cp.OPTIMAL
    return problem.value, above.dual_value


@every
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_faces_agree(measure: adl.Objective, seed: int) -> None:
    loss, weights = losses(seed)
    value = measure.value(loss, weights)
    solved, dual = by_solver(measure, loss, weights)
    assert solved == pytest.approx(value, rel=1e-6, abs=1e-8)
    for stress in (measure.subgradient(loss, weights), project_to_dual_set(measure, dual, weights)):
        penalty = measure.conjugate(stress, weights, np.inf)
        assert stress @ loss - penalty == pytest.approx(value, rel=1e-6, abs=1e-6)


@every
@pytest.mark.parametrize("seed", SEEDS)
def test_stress_is_a_subgradient(measure: adl.Objective, seed: int) -> None:
    loss, weights = losses(seed)
    value, stress = measure.value(loss, weights), measure.subgradient(loss, weights)
    assert (stress >= 0).all()
    assert stress.sum() == pytest.approx(1, abs=1e-12)
    assert not stress[weights == 0].any()
    assert value == pytest.approx(
        stress @ loss - measure.conjugate(stress, weights, np.inf), rel=1e-11, abs=1e-13
    )
    for other in range(5):
        further = losses(100 + other)[0]
        assert measure.value(further, weights) >= value + stress @ (further - loss) - 1e-11


@every
@pytest.mark.parametrize("seed", SEEDS)
def test_monotone_convex_and_cash_additive(measure: adl.Objective, seed: int) -> None:
    loss, weights = losses(seed)
    other, _ = losses(seed + 50)
    value, second = measure.value(loss, weights), measure.value(other, weights)
    assert measure.monotone
    assert measure.value(loss + other, weights) >= value - 1e-12
    for share in (0.25, 0.5):
        mixed = measure.value(share * loss + (1 - share) * other, weights)
        assert mixed <= share * value + (1 - share) * second + 1e-12
    assert measure.cash_additive
    assert measure.value(loss + 7.5, weights) == pytest.approx(value + 7.5, rel=1e-12)
    likely = loss[weights > 0]
    assert likely.min() - 1e-12 <= weights @ loss - 1e-12 <= value <= likely.max() + 1e-12


@every_coherent
@pytest.mark.parametrize("unit", [1e-12, 1e-3, 1e12])
def test_homogeneous_at_any_scale(measure: adl.Objective, unit: float) -> None:
    assert measure.coherent
    loss, weights = losses(1)
    assert measure.value(unit * loss, weights) == pytest.approx(
        unit * measure.value(loss, weights), rel=1e-11
    )
    assert measure.scaled(unit) is measure


@every
@pytest.mark.parametrize("given", [0.0, 1e-12, 3.7, 1e12])
def test_equal_losses_are_the_measure(measure: adl.Objective, given: float) -> None:
    weights = losses(4)[1]
    assert measure.value(np.full(weights.size, given), weights) == pytest.approx(given, rel=1e-14)
    assert measure.subgradient(np.full(weights.size, given), weights).sum() == pytest.approx(
        1, abs=1e-12
    )


@every
def test_a_scenario_of_probability_zero_is_ignored(measure: adl.Objective) -> None:
    loss, weights = losses(2)
    more_loss, more_weights = np.append(loss, 1e9), np.append(weights, 0.0)
    assert measure.value(more_loss, more_weights) == pytest.approx(
        measure.value(loss, weights), rel=1e-9
    )
    assert by_solver(measure, np.append(loss, 2 * loss.max()), more_weights)[0] == pytest.approx(
        measure.value(loss, weights), rel=1e-6
    )


@every_coherent
@pytest.mark.parametrize("seed", SEEDS)
def test_admits_its_envelope_and_no_more(measure: adl.Objective, seed: int) -> None:
    loss, weights = losses(seed)
    stress = measure.subgradient(loss, weights)
    assert measure.in_dual_set(weights, weights)
    assert measure.in_dual_set(stress, weights)
    outside = stress.copy()
    outside[np.argmax(stress)] += 1e-9
    assert not measure.in_dual_set(outside, weights)  # no probabilities
    if (weights == 0).any():
        onto = stress.copy()
        onto[np.flatnonzero(weights == 0)[0]] += onto[np.argmax(onto)]
        onto[np.argmax(stress)] = 0.0
        assert not measure.in_dual_set(onto, weights)
    # Probabilities under which some losses have a larger mean than the measure are not in the
    # envelope.
    rng = np.random.default_rng(seed)
    for _ in range(20):
        tilt = stress + 10.0 ** rng.uniform(-7, 0) * (
            rng.dirichlet(np.where(weights > 0, 0.2, 1e-9)) * (weights > 0) - stress
        )
        tilt /= tilt.sum()
        if any(
            tilt @ direction > measure.value(direction, weights) + 1e-11
            for direction in (loss, tilt, -1 / (tilt + 1e-3))
        ):
            assert not measure.in_dual_set(tilt, weights)
        kept = project_to_dual_set(measure, tilt, weights)
        for other in range(5):
            further = losses(200 + other)[0]
            assert kept @ further <= measure.value(further, weights) + 1e-11


@every
def test_evaluate_and_weights_take_lists(measure: adl.Objective) -> None:
    assert measure.evaluate([1.0, 1.0]) == pytest.approx(1.0)
    assert measure.evaluate([0.0, 2.0], weights=[0.5, 0.5]) >= 1 - 1e-12
    assert measure.stressed_probabilities([0.0, 2.0]).sum() == pytest.approx(1.0)


def test_limits() -> None:
    for seed in SEEDS:
        loss, weights = losses(seed)
        mean = weights @ loss
        worst = loss[weights > 0].max()
        near_mean: list[adl.Objective] = [
            adl.CVaR(0.0),
            adl.EVaR(0.0),
            adl.Expectile(0.5),
            adl.ChiSquareRobust(0.0),
            adl.Semideviation(0.0, 1),
            adl.Semideviation(0.0, 2),
            adl.Spectral([0.0], [1.0]),
        ]
        for limit in near_mean:
            assert limit.value(loss, weights) == pytest.approx(mean, rel=1e-13)
        assert adl.Entropic(1e-9).value(loss, weights) == pytest.approx(mean, rel=1e-8)
        assert adl.EVaR(1e-12).value(loss, weights) == pytest.approx(mean, rel=1e-5)
        near_worst: list[adl.Objective] = [
            adl.Entropic(1e9),
            adl.CVaR(1 - 1e-9),
            adl.EVaR(1 - 1e-9),
            adl.ChiSquareRobust(1e9),
            adl.WorstCase(),
            adl.Expectile(1 - 1e-12),
        ]
        for limit in near_worst:
            assert limit.value(loss, weights) == pytest.approx(worst, rel=1e-7)
        for level in (0.1, 0.5, 0.9, 0.99):
            assert (
                adl.EVaR(level).value(loss, weights) >= adl.CVaR(level).value(loss, weights) - 1e-13
            )
            assert adl.Spectral([level], [1.0]).value(loss, weights) == pytest.approx(
                adl.CVaR(level).value(loss, weights)
            )


def test_more_of_a_parameter_is_more_risk() -> None:
    loss, weights = losses(5)
    for family, grid in (
        (adl.CVaR, [0.0, 0.3, 0.6, 0.9, 0.999]),
        (adl.EVaR, [0.0, 1e-9, 1e-3, 0.3, 0.6, 0.9, 0.999]),
        (adl.Entropic, [1e-6, 1e-2, 1.0, 1e2, 1e6]),
        (adl.Expectile, [0.5, 0.6, 0.9, 0.999]),
        (adl.ChiSquareRobust, [0.0, 1e-9, 0.1, 1.0, 3.0, 10.0, 1e3]),
        (adl.Semideviation, [0.0, 0.5, 1.0]),
    ):
        values = [family(parameter).value(loss, weights) for parameter in grid]
        assert (np.diff(values) >= -1e-12).all(), family


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: adl.EVaR(1.0), r"EVaR: the level is 1; it must lie in \[0, 1\)"),
        (lambda: adl.EVaR(-0.1), "it must lie in"),
        (lambda: untyped.EVaR("a"), "is not a number"),
        (lambda: adl.Entropic(0.0), "theta is 0; it must be > 0"),
        (lambda: adl.Entropic(np.inf), "not a finite number"),
        (lambda: adl.Spectral([0.5, 1.0], [0.5, 0.5]), "must lie in"),
        (lambda: adl.Spectral([0.5], [0.5]), "sum to 0.5, not to one"),
        (lambda: adl.Spectral([0.5, 0.6], [1.5, -0.5]), "weight 1 is -0.5"),
        (lambda: adl.Spectral([0.5, 0.6], [1.0]), "expected 2 weights"),
        (lambda: adl.Spectral([], []), "levels, at least one"),
        (lambda: adl.Spectral.from_spectrum(lambda u: 2 - 2 * u), "falls near u = .*not convex"),
        (lambda: adl.Spectral.from_spectrum(lambda u: 4 * u - 1), "falls at u = 0, below zero"),
        (lambda: adl.Spectral.from_spectrum(lambda u: 3 * u), "integrates to 1.5"),
        (lambda: adl.Spectral.from_spectrum(lambda u: 2 * u, points=0), "points is 0"),
        (lambda: adl.Semideviation(1.1), "is not monotone"),
        (lambda: adl.Semideviation(-0.1), "is not convex"),
        (lambda: adl.Semideviation(0.5, 3), "order is 3; it must be 1 or 2"),
        (lambda: adl.Expectile(0.4), "below 1/2 an expectile is not convex"),
        (lambda: adl.Expectile(1.0), "no expectile is defined there"),
        (lambda: adl.ChiSquareRobust(-1.0), "radius is -1; it must be >= 0"),
    ],
)
def test_parameters_outside_their_range_are_refused_with_the_reason(
    make: Callable[[], object], reason: str
) -> None:
    with pytest.raises(adl.InputError, match=reason):
        make()


def largest_excess(measure: adl.Objective, stress: np.ndarray, weights: np.ndarray) -> float:
    """Largest stress.l - rho(l) over losses between 0 and 1, by Clarabel."""
    loss = cp.Variable(weights.size)
    excess = stress @ loss - measure.expression(loss, weights)
    problem = cp.Problem(cp.Maximize(excess), [loss >= 0, loss <= 1])
    problem.solve(solver=cp.CLARABEL, max_step_fraction=0.9)
    assert problem.status == cp.OPTIMAL
    return float(problem.value)


@every_coherent
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_dual_set_is_where_the_conjugate_is_zero(measure: adl.Objective, seed: int) -> None:
    """cvxpy finds losses whose mean exceeds the measure exactly for stresses outside the set."""
    _, weights = losses(seed)
    likely = np.flatnonzero(weights)
    rng = np.random.default_rng(seed)
    tilt = np.zeros(weights.size)
    tilt[likely] = rng.dirichlet(np.full(likely.size, 0.3))
    edge = project_to_dual_set(measure, tilt, weights)
    assert largest_excess(measure, edge, weights) <= 1e-6
    assert measure.conjugate(edge, weights, 1.0) == 0.0
    outside = edge + 0.05 * (tilt - weights)
    if not np.allclose(edge, tilt) and outside.min() >= 0:
        assert not measure.in_dual_set(outside, weights)
        assert largest_excess(measure, outside, weights) > 1e-6


@pytest.mark.parametrize("theta", [0.02, 1.0, 3.0])
def test_the_conjugate_of_entropic_risk(theta: float) -> None:
    """The supremum that cvxpy finds is the relative entropy over theta."""
    _, weights = losses(2)
    measure = adl.Entropic(theta)
    tilt = 0.5 * weights + 0.5 * measure.subgradient(losses(2)[0], weights)
    loss = cp.Variable(weights.size)
    bounds = [loss >= -200 / theta, loss <= 200 / theta]
    excess = tilt @ loss - measure.expression(loss, weights)
    problem = cp.Problem(cp.Maximize(excess), bounds)
    problem.solve(solver=cp.CLARABEL)
    assert measure.conjugate(tilt, weights, np.inf) == pytest.approx(
        problem.value, rel=1e-5, abs=1e-8 / theta
    )
