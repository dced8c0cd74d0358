"""Rules of venues and of the literature, the optimum, and rules of your own.

A policy is anything with `allocate(problem)`, or a function of the problem, that returns an
allocation table or reductions in the row order of `problem.positions`. Nothing must be registered.
"""

from adlopt.policies import features
from adlopt.policies.levelling import FactorLeverage, MinimaxLeverage, MinMaxBurden
from adlopt.policies.optimal import Optimal
from adlopt.policies.proportional import Proportional, ProRata, RiskAware
from adlopt.policies.protocol import Policy
from adlopt.policies.queues import Binance, BitMEX, DydxV4, Hyperliquid, Queue
from adlopt.policies.standard import omitted, standard

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
    "omitted",
    "standard",
]
