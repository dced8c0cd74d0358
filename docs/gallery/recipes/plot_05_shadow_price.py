"""
The shadow price as the slope of the value
==========================================
"""

import numpy as np

import adlopt as adl

sweep = adl.frontier(adl.examples.paper_problem(), multiples=np.linspace(0.1, 2.0, 20))
adl.plots.shadow_prices(sweep)
