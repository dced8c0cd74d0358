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
from adlopt.prices import Gaussian, LogNormal, OneFactor, PriceModel, Scenarios, StudentT
from adlopt.problem import Problem
from adlopt.replay import Replay, replay
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
    "ExpectedLoss",
    "Expectile",
    "Exploration",
    "Gaussian",
    "InfeasibleReduction",
    "InputError",
    "LogNormal",
    "NotApplicable",
    "Objective",
    "OneFactor",
    "PriceModel",
    "Problem",
    "Replay",
    "Scenarios",
    "Semideviation",
    "Solution",
    "SolverFailed",
    "StudentT",
    "Spectral",
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
    "plots",
    "policies",
    "replay",
    "solve",
    "sources",
    "synthetic",
    "teaching",
    "to_cvxpy",
    "verify",
]
