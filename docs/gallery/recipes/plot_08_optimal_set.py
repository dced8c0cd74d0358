"""
Many allocations can be optimal
===============================

The band shows how much can be taken from each account without raising the risk.
"""

import adlopt as adl

book = adl.examples.paper_book().with_margin("isolated")
prices = adl.OneFactor(adl.examples.paper_direction())
problem = adl.Problem(book, {"BTC": -10.0}, prices=prices, objective=adl.CVaR(0.99))
adl.plots.optimal_band(adl.optimal_set(problem).ranges)
