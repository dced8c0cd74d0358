"""
A risk measure of your own
==========================

Any convex, nondecreasing function of the losses in cvxpy. The picture shows where it puts weight.
"""

import cvxpy as cp

import adlopt as adl


def mean_and_worst(loss):
    """The mean, and half of the mean of the 20 largest losses."""
    return cp.sum(loss) / loss.size + 0.5 * cp.sum_largest(loss, 20) / 20


normal = adl.Gaussian([[4.4e7, 8.0e5], [8.0e5, 5.6e4]], points=128)
book = adl.examples.paper_book()
problem = adl.Problem(book, {"BTC": -10.0}, prices=normal, objective=mean_and_worst)
solution = adl.solve(problem)
adl.plots.stressed_probabilities(problem, solution)
