"""Price models: what prices may be at the horizon."""

from adlopt.prices.elliptical_laws import Gaussian, StudentT
from adlopt.prices.history import History
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.lognormal_exact import ExactLogNormal
from adlopt.prices.mixture import Mixture
from adlopt.prices.one_factor import OneFactor
from adlopt.prices.protocol import ClosedForm, PoolLoss, PriceModel, ScenarioSet
from adlopt.prices.scenarios import Scenarios
from adlopt.prices.stress import Stress

__all__ = [
    "ClosedForm",
    "ExactLogNormal",
    "Gaussian",
    "History",
    "LogNormal",
    "Mixture",
    "OneFactor",
    "PoolLoss",
    "PriceModel",
    "ScenarioSet",
    "Scenarios",
    "Stress",
    "StudentT",
]
