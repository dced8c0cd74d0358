"""Pictures: each function takes data and, optionally, matplotlib axes `ax` to draw on; it returns
the axes.

They need matplotlib (`pip install "adlopt[plots]"`), which is loaded when the first picture is
drawn. Money and contracts are in the units of the book. Colours are those of Okabe and Ito;
hatching, markers and line styles tell the same in grey.
"""

from adlopt.plots.crash import fund_and_inventory, leverage_before_after, who_paid
from adlopt.plots.filling import volatility_filling, water_filling
from adlopt.plots.scenarios import loss_exceedance, stressed_probabilities
from adlopt.plots.sweeps import factor_leverage, shadow_prices
from adlopt.plots.tables import cross_evaluation, optimal_band, risk_against_concentration

__all__ = [
    "cross_evaluation",
    "factor_leverage",
    "fund_and_inventory",
    "leverage_before_after",
    "loss_exceedance",
    "optimal_band",
    "risk_against_concentration",
    "shadow_prices",
    "stressed_probabilities",
    "volatility_filling",
    "water_filling",
    "who_paid",
]
