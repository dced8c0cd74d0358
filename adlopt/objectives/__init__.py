"""Risk objectives: what the exchange minimises."""

from adlopt.objectives.cvar import CVaR
from adlopt.objectives.expected_loss import ExpectedLoss
from adlopt.objectives.protocol import Objective

__all__ = ["CVaR", "ExpectedLoss", "Objective"]
