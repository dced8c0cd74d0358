"""
Does the choice of the objective matter?
========================================

Each row is the optimum of one objective, valued under all of them.
"""

import adlopt as adl

normal = adl.Gaussian([[4.4e7, 8.0e5], [8.0e5, 5.6e4]], points=256)
problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=normal)
objectives = [
    adl.ExpectedLoss(),
    adl.CVaR(0.9),
    adl.EVaR(0.9),
    adl.Semideviation(1.0),
    adl.WorstCase(),
]
adl.plots.cross_evaluation(adl.explore(problem, objectives))
