"""Price models: what prices may be at the horizon."""

from adlopt.prices.elliptical import Gaussian, StudentT
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.one_factor import OneFactor
from adlopt.prices.protocol import ClosedForm, PoolLoss, PriceModel, ScenarioSet
from adlopt.prices.scenarios import Scenarios

__all__ = ["ClosedForm", "Gaussian", "LogNormal", "OneFactor", "PoolLoss", "PriceModel", "ScenarioSet", "Scenarios", "StudentT"]
