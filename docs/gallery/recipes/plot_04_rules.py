"""
Venue rules beside the optimum
==============================

Each point is a rule: how much risk it leaves, and how many accounts it touches.
"""

import adlopt as adl

problem = adl.examples.paper_problem()
rules = [adl.policies.Hyperliquid(), adl.policies.BitMEX(), adl.policies.ProRata()]
comparison = adl.compare(problem, rules)
adl.plots.risk_against_concentration(comparison)
