"""Risk-based auto-deleveraging as convex optimisation, with proven answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adlopt import constraints, examples, plots, policies, sources, synthetic, teaching
from adlopt.audit import Audit, audit
from adlopt.book import Book
from adlopt.certificate import Certificate, certify
from adlopt.compare import Comparison, compare
from adlopt.errors import AdlError, InfeasibleReduction, InputError, NotApplicable, SolverFailed
from adlopt.explore import Exploration, explore
from adlopt.exposure import exposure
from adlopt.frontier import frontier
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
from adlopt.optimal_set import OptimalSet, optimal_set
from adlopt.prices import (
    ExactLogNormal,
    Gaussian,
    History,
    LogNormal,
    Mixture,
    OneFactor,
    PriceModel,
    Scenarios,
    Stress,
    StudentT,
)
from adlopt.problem import Problem
from adlopt.replay import Replay, replay
from adlopt.rounding import Rounding, round_to_lots
from adlopt.sampling import standard_error
from adlopt.scenario_table import scenario_table
from adlopt.solution import Solution
from adlopt.solve import solve
from adlopt.verify import Verification, verify

if TYPE_CHECKING:
    from adlopt.methods.conic import Model

__version__ = "0.1.0"


def to_cvxpy(problem: Problem, *, presolve: bool = True) -> Model:
    """The problem as a real cvxpy.Problem, with `allocation` and `loss` expressions, to be changed and solved at will."""
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
    "Custom",
    "EVaR",
    "Entropic",
    "ExactLogNormal",
    "ExpectedLoss",
    "Expectile",
    "Exploration",
    "Gaussian",
    "History",
    "InfeasibleReduction",
    "InputError",
    "LogNormal",
    "Mixture",
    "NotApplicable",
    "Objective",
    "OneFactor",
    "OptimalSet",
    "PriceModel",
    "Problem",
    "Replay",
    "Rounding",
    "Scenarios",
    "Semideviation",
    "Solution",
    "SolverFailed",
    "Spectral",
    "Stress",
    "StudentT",
    "Verification",
    "WorstCase",
    "audit",
    "certify",
    "compare",
    "constraints",
    "examples",
    "explore",
    "exposure",
    "frontier",
    "optimal_set",
    "plots",
    "policies",
    "replay",
    "round_to_lots",
    "scenario_table",
    "solve",
    "sources",
    "standard_error",
    "synthetic",
    "teaching",
    "to_cvxpy",
    "verify",
]
