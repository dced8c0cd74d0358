"""
What an insurance fund is worth
===============================
"""

import matplotlib.pyplot as plt
import numpy as np

import adlopt as adl

normal = adl.Gaussian([[4.4e7, 8.0e5], [8.0e5, 5.6e4]], points=512)
problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=normal)
sweep = adl.frontier(problem, insurance_fund=np.linspace(0.0, 60_000.0, 13)).to_frame()
figure, axes = plt.subplots(layout="constrained")
axes.plot(sweep["insurance_fund"], sweep["value"], marker="o")
axes.set(title="Expected loss beyond the fund", xlabel="insurance fund", ylabel="expected loss")
