"""
A crash, step by step
=====================

Two rules meet the same flash crash. The picture shows the insurance fund after each step.
"""

import matplotlib.pyplot as plt

import adlopt as adl

book = adl.synthetic.crash()
path = adl.paths.flash_crash(book)
exchange = adl.Exchange(fund=5e4)
figure, axes = plt.subplots(layout="constrained")
for rule in (adl.policies.Hyperliquid(), adl.policies.MinimaxLeverage()):
    steps = adl.simulate(book, path, rule, exchange=exchange).steps
    axes.plot(steps.index, steps["fund"], marker="o", label=str(rule))
axes.set(title="Insurance fund", xlabel="step", ylabel="money")
axes.legend()
