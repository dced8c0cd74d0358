"""
Many allocations can be optimal
===============================

Under isolated margin CVaR leaves a choice. Each bar shows how much can be taken from an account
without raising the risk; the diamonds are the choice that touches fewest accounts.
"""

import adlopt as adl

book = adl.examples.paper_book().with_margin("isolated")
prices = adl.OneFactor(adl.examples.paper_direction())
problem = adl.Problem(book, {"BTC": -5.0}, prices=prices, objective=adl.CVaR(0.99))
choice = adl.optimal_set(problem)
print(f"equally good above leverage {choice.cutoff:.2f}")
ranges = choice.ranges.assign(chosen=choice.select("fewest_accounts")["reduction"])
adl.plots.optimal_band(ranges)
