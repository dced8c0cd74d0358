"""
From a CSV file to a proven answer under CVaR
=============================================
"""

import io

import pandas as pd

import adlopt as adl

file = io.StringIO("""account,asset,size,equity
ann,BTC,-4,60000
bob,BTC,-6,90000
cy,BTC,-9,260000
dee,BTC,19,300000
""")
book = adl.Book.from_frame(pd.read_csv(file), marks={"BTC": 67_000.0})
prices = adl.LogNormal(volatility={"BTC": 0.8}, horizon=10 / 365)
problem = adl.Problem(book, {"BTC": -5.0}, prices=prices, objective=adl.CVaR(0.99))
solution = adl.solve(problem)
print(solution.method, solution.status)
adl.plots.loss_exceedance(problem, {"nothing taken": None, "optimum": solution})
