"""Risk objectives: what the exchange minimises."""

from adlopt.objectives.chi_square import ChiSquareRobust
from adlopt.objectives.custom import Custom
from adlopt.objectives.cvar import CVaR
from adlopt.objectives.entropic import Entropic
from adlopt.objectives.evar import EVaR
from adlopt.objectives.expected_loss import ExpectedLoss
from adlopt.objectives.expectile import Expectile
from adlopt.objectives.parsing import parse_objective
from adlopt.objectives.protocol import Objective
from adlopt.objectives.semideviation import Semideviation
from adlopt.objectives.spectral import Spectral
from adlopt.objectives.worst_case import WorstCase

__all__ = [
    "CVaR",
    "ChiSquareRobust",
    "Custom",
    "EVaR",
    "Entropic",
    "ExpectedLoss",
    "Expectile",
    "Objective",
    "Semideviation",
    "Spectral",
    "WorstCase",
    "parse_objective",
]
