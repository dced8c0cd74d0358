"""
A crash, step by step
=====================

Prices fall by half and recover. The engine takes over accounts, sells what the market takes, and
deleverages the rest. The fund pays the deficits.
"""

import adlopt as adl

book = adl.synthetic.crash(400, 3, seed=1)
path = adl.paths.flash_crash(book, fall=0.5)
depth = {asset: 400.0 for asset in book.assets}  # contracts per step
exchange = adl.Exchange(fund=1e6, depth=depth, spread=0.001, inventory_limit=2e5)
crash = adl.simulate(book, path, adl.policies.Hyperliquid(), exchange=exchange)
print(crash.steps[["liquidated", "deleveraged", "fund"]].round())
adl.plots.fund_and_inventory(crash)
