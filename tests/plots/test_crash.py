"""Pictures of a simulated crash."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import adlopt as adl
from tests.plots.reading import points
from tests.typed import untyped

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def crash() -> adl.Simulation:
    book = adl.synthetic.crash(80, 2, seed=3)
    exchange = adl.Exchange(fund=2e4, depth={"A0": 1.0}, inventory_limit=1e4)
    path = adl.paths.staircase(book, fall=0.4, steps=6)
    return adl.simulate(book, path, adl.policies.Hyperliquid(), exchange=exchange)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_fund_and_inventory(crash: adl.Simulation) -> None:
    left, right = adl.plots.fund_and_inventory(crash)
    fund = points(left.lines[0])[:, 1]
    assert fund[0] == 2e4
    assert np.allclose(fund[1:], crash.steps["fund"])
    assert np.allclose(points(left.lines[1])[-1, 1], crash.totals["socialised_loss"])
    heights = [bar.get_height() for container in right.containers for bar in container]
    total = crash.steps[["sold", "deleveraged", "inventory"]].to_numpy().sum()
    assert np.isclose(sum(heights), total)


def test_leverage_before_after(crash: adl.Simulation) -> None:
    ax = adl.plots.leverage_before_after(crash)
    touched = ax.lines[2]
    assert str(touched.get_label()).startswith("deleveraged (")
    accounts = crash.accounts
    shown = (accounts["deleveraged"] > 0) & (accounts["leverage_after"] > 0)
    assert len(points(touched)) == shown.sum()


def test_who_paid(crash: adl.Simulation) -> None:
    ax = adl.plots.who_paid(crash)
    widths = [bar.get_width() for bar in ax.containers[0]]
    assert np.isclose(sum(widths), crash.accounts["deleveraged"].sum())
    assert widths[:-1] == sorted(widths[:-1], reverse=True)


def test_pictures_without_anything_to_show() -> None:
    book = adl.synthetic.crash(40, 1, seed=0).at({"A0": 1.0})
    still = np.ones((1, 1))
    quiet = adl.simulate(book, still, adl.policies.ProRata(), exchange=adl.Exchange(depth=np.inf))
    with pytest.raises(adl.InputError, match="nobody was deleveraged"):
        adl.plots.who_paid(quiet)
    with pytest.raises(adl.InputError, match="not a Simulation"):
        untyped.plots.who_paid("crash")
