"""
Gross leverage misleads, factor leverage does not
=================================================

Account 4 has the highest gross leverage and the lowest factor leverage, because it is hedged.
"""

import adlopt as adl

problem = adl.examples.paper_problem()
adl.plots.factor_leverage(problem)
