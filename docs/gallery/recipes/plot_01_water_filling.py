"""
Water-filling a book of isolated positions
==========================================

One level cuts every column. No price model is needed.
"""

import adlopt as adl

book = adl.examples.paper_book().with_margin("isolated")
problem = adl.Problem(book, {"BTC": -10.0})
solution = adl.solve(problem)
adl.plots.water_filling(problem, solution)
