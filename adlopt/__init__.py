"""Risk-based auto-deleveraging as convex optimisation, with proven answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adlopt import plots, policies, sources, teaching
from adlopt.axioms import Audit, audit
from adlopt.datasets import examples, synthetic
from adlopt.errors import (
    AdlError,
    ConservationError,
    InfeasibleConstraints,
    InfeasibleLots,
    InfeasibleReduction,
    InputError,
    NotApplicable,
    ScaleWarning,
    SolverFailed,
)
from adlopt.model import constraints
from adlopt.model.book import Book
from adlopt.model.market import Market
from adlopt.model.problem import Problem
from adlopt.objectives import (
    ChiSquareRobust,
    Custom,
    CVaR,
    Entropic,
    EVaR,
    ExpectedLoss,
    Expectile,
    Objective,
    Semideviation,
    Spectral,
    WorstCase,
)
from adlopt.prices import (
    ExactLogNormal,
    Gaussian,
    History,
    LogNormal,
    Mixture,
    OneFactor,
    PriceModel,
    Scenarios,
    ScenarioSet,
    Stress,
    StudentT,
)
from adlopt.proof.certificate import Certificate
from adlopt.proof.exact import ExactProof
from adlopt.simulation import Exchange, Simulation, StressTest, paths, simulate, stress_test
from adlopt.simulation.waves import WaveReplay, replay
from adlopt.solving.certification import certify, prove
from adlopt.solving.dispatch import solve
from adlopt.solving.sampling_error import standard_error
from adlopt.solving.solution import Solution
from adlopt.solving.verification import Verification, verify
from adlopt.studies.account_exposure import Exposure, exposure
from adlopt.studies.comparison import Comparison, compare
from adlopt.studies.event_replay import Replay
from adlopt.studies.explanation import Explanation, explain
from adlopt.studies.exploration import Exploration, explore
from adlopt.studies.optimal_face import OptimalSet, optimal_set
from adlopt.studies.rounding import Rounding, round_to_lots
from adlopt.studies.scenario_losses import ScenarioLosses, scenario_table
from adlopt.studies.sensitivity import Sensitivity, sensitivity
from adlopt.studies.sweep import Frontier, frontier
from adlopt.studies.uncertainty import ConfidenceInterval, confidence_interval

if TYPE_CHECKING:
    from adlopt.methods.scenario_program import Model

__version__ = "0.2.0"  # the one place: packaging and the site read it here


def to_cvxpy(problem: Problem, *, presolve: bool = True) -> Model:
    """The problem as a real cvxpy.Problem, to be changed and solved at will.

    Parameters
    ----------
    problem : Problem
        With a price model.
    presolve : bool, default True
        Leave out what cannot matter: exact, and much smaller.

    Returns
    -------
    cvxpy.Problem
        With the expressions `allocation` (e,), in contracts, and `loss` (S,), in money.

    Examples
    --------
    >>> import adlopt as adl
    >>> model = adl.to_cvxpy(adl.examples.paper_problem(64))
    >>> model.allocation.shape, model.is_dcp()
    ((4,), True)
    """
    from adlopt.methods import conic  # loads cvxpy

    return conic.to_cvxpy(problem, presolve=presolve)


__all__ = [
    "AdlError",
    "Audit",
    "Book",
    "CVaR",
    "Certificate",
    "ChiSquareRobust",
    "Comparison",
    "ConfidenceInterval",
    "ConservationError",
    "Custom",
    "EVaR",
    "Entropic",
    "ExactLogNormal",
    "ExactProof",
    "Exchange",
    "ExpectedLoss",
    "Expectile",
    "Explanation",
    "Exploration",
    "Exposure",
    "Frontier",
    "Gaussian",
    "History",
    "InfeasibleConstraints",
    "InfeasibleLots",
    "InfeasibleReduction",
    "InputError",
    "LogNormal",
    "Market",
    "Mixture",
    "NotApplicable",
    "Objective",
    "OneFactor",
    "OptimalSet",
    "PriceModel",
    "Problem",
    "Replay",
    "Rounding",
    "ScaleWarning",
    "ScenarioLosses",
    "ScenarioSet",
    "Scenarios",
    "Semideviation",
    "Sensitivity",
    "Simulation",
    "Solution",
    "SolverFailed",
    "Spectral",
    "Stress",
    "StressTest",
    "StudentT",
    "Verification",
    "WaveReplay",
    "WorstCase",
    "audit",
    "certify",
    "compare",
    "confidence_interval",
    "constraints",
    "examples",
    "explain",
    "explore",
    "exposure",
    "frontier",
    "optimal_set",
    "paths",
    "plots",
    "policies",
    "prove",
    "replay",
    "round_to_lots",
    "scenario_table",
    "sensitivity",
    "simulate",
    "solve",
    "sources",
    "standard_error",
    "stress_test",
    "synthetic",
    "teaching",
    "to_cvxpy",
    "verify",
]
