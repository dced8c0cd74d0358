"""ADL rules: those of venues, those of the literature, the optimum, and whatever the user brings.

A policy is anything with `allocate(problem)`, or a function of the problem, that gives the
allocation table (or the
reductions as an array in the row order of `problem.positions`). Nothing needs to be registered.
"""

from adlopt.policies import features
from adlopt.policies.levelling import FactorLeverage, MinimaxLeverage, MinMaxBurden
from adlopt.policies.optimal import Optimal
from adlopt.policies.proportional import Proportional, ProRata, RiskAware
from adlopt.policies.protocol import Policy
from adlopt.policies.queues import Binance, BitMEX, DydxV4, Hyperliquid, Queue
from adlopt.policies.standard import standard

__all__ = [
    "Binance",
    "BitMEX",
    "DydxV4",
    "FactorLeverage",
    "Hyperliquid",
    "MinMaxBurden",
    "MinimaxLeverage",
    "Optimal",
    "Policy",
    "ProRata",
    "Proportional",
    "Queue",
    "RiskAware",
    "features",
    "standard",
]
