"""Crashes as sequences: any rule among liquidations, market, fund and further waves."""

from adlopt.simulation import paths
from adlopt.simulation.crash import Simulation, simulate
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.price_paths import Paths
from adlopt.simulation.stress import StressTest, stress_test

__all__ = ["Exchange", "Paths", "Simulation", "StressTest", "paths", "simulate", "stress_test"]
