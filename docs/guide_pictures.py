"""Pictures of the guide that no recipe of the gallery draws, made before each build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(folder: Path) -> None:
    """Draw every picture into `folder`."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in {"prices.png": _prices, "proof.png": _proof}.items():
        figure = draw()
        figure.savefig(folder / name, dpi=130, bbox_inches="tight")


def _prices() -> Figure:
    """Exceedance of one allocation's loss under three models with the same covariance."""
    import matplotlib.pyplot as plt

    import adlopt as adl

    book = adl.examples.paper_book()
    moves = np.array([6_654.0, 235.9])  # those of the lognormal model below
    covariance = np.outer(moves, moves) * np.array([[1.0, 0.85], [0.85, 1.0]])
    models = {
        "Gaussian": adl.Gaussian(covariance, assets=["BTC", "ETH"]),
        "StudentT, 3 degrees": adl.StudentT.from_covariance(covariance, 3, assets=["BTC", "ETH"]),
        "LogNormal": adl.LogNormal({"BTC": 0.60, "ETH": 0.75}, correlation=0.85, horizon="10D"),
    }
    problems = {
        name: adl.Problem(book, {"BTC": -10.0}, prices=prices) for name, prices in models.items()
    }
    best = adl.solve(problems["Gaussian"])
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for (name, problem), style in zip(problems.items(), ("-", "--", ":"), strict=True):
        losses = adl.scenario_table(problem, best).table
        loss, weight = losses["after"].to_numpy(), losses["probability"].to_numpy()
        order = np.argsort(-loss)
        axes.loglog(loss[order], np.cumsum(weight[order]), style, label=name)
    axes.set(xlabel="Loss of the exchange (money)", ylabel="Probability of at least this loss")
    axes.set(xlim=(100, None), ylim=(5e-5, 0.2))
    axes.legend()
    return figure


def _proof() -> Figure:
    """Expected losses of rules above the proven bound."""
    import matplotlib.pyplot as plt

    import adlopt as adl

    comparison = adl.compare(adl.examples.paper_problem())
    risk = comparison.risk["objective"].sort_values(ascending=False)
    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    axes.barh(risk.index, risk, color="#56b4e9")
    axes.axvline(comparison.lower_bound, color="#d55e00", label="proven lower bound")
    axes.set(xlabel="Expected loss (money)")
    axes.legend()
    return figure
