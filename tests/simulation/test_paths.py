"""Price paths: shapes, models, bootstrap, and their independence of how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import untyped


@pytest.fixture(scope="module")
def book() -> adl.Book:
    return adl.synthetic.crash(60, 2, seed=3)


@pytest.mark.parametrize("name", sorted(adl.paths.SHAPES))
def test_shapes(book: adl.Book, name: str) -> None:
    shape = adl.paths.SHAPES[name]
    single = shape(book, steps=8)
    assert single.prices.shape == (1, 8, 2)
    assert single.name == name
    assert np.array_equal(single.prices, shape(book, steps=8, seed=99).prices)  # no noise
    many, fewer = shape(book, steps=8, count=6), shape(book, steps=8, count=3)
    assert np.array_equal(many[:3].prices, fewer.prices)
    assert len({path.prices.tobytes() for path in many}) == 6
    assert not np.array_equal(many.prices, shape(book, steps=8, count=6, seed=1).prices)
    assert shape(book, steps=1).prices.shape == (1, 1, 2)


def relative(book: adl.Book, paths: adl.paths.Paths, asset: int = 0) -> np.ndarray:
    return np.asarray(paths.prices[0, :, asset] / book.marks[asset])


def test_where_the_shapes_go(book: adl.Book) -> None:
    paths = adl.paths
    crash = relative(book, paths.flash_crash(book, fall=0.4, recovery=0.5, steps=9))
    assert np.isclose(crash.min(), 0.6)
    assert crash.argmin() == 2
    assert np.isclose(crash[-1], np.sqrt(0.6))
    bleed = relative(book, paths.slow_bleed(book, fall=0.4, steps=4))
    assert np.allclose(bleed, 0.6 ** (np.arange(1, 5) / 4))
    stairs = relative(book, paths.staircase(book, fall=0.5, stairs=2, steps=4))
    assert np.allclose(stairs, [0.5**0.5, 0.5**0.5, 0.5, 0.5])
    whip = relative(book, paths.whipsaw(book, fall=0.4, overshoot=0.25, steps=4))
    assert np.allclose(whip[[1, 3]], [0.6, 0.6**-0.25])
    apart = paths.decoupling(book, asset="A0", fall=0.5, rise=0.1, steps=2)
    assert np.allclose(apart.prices[0, -1] / book.marks, [0.5, 1.1])
    thin = paths.thin_depth(book, steps=4)
    assert thin.depth is not None
    assert np.allclose(thin.depth[0, :, 0], [1 - (1 - 284 / 1124) / 2, *[284 / 1124] * 3])
    gap = paths.oracle_gap(book, gap=0.05, steps=3)
    assert gap.basis is not None
    assert np.allclose(gap.basis[0, :, 1], [-0.05, -0.05, 0.0])
    squeeze = paths.funding_squeeze(book, rise=0.3, rate=0.01, steps=3)
    assert squeeze.funding is not None
    assert np.allclose(squeeze.funding, -0.01)
    assert np.isclose(relative(book, squeeze)[-1], 1.3)


def test_the_whale_owes_what_was_asked_for(book: adl.Book) -> None:
    gross = np.where(book.solvent, book.gross, 0.0)
    whale = int(np.argmax(gross))
    path = adl.paths.whale_default(book, overshoot=0.2, steps=4)
    moved = book.at(path.prices[0, -1])
    if gross[whale] * 0.95 > 1.2 * book.equity[whale]:
        assert np.isclose(moved.equity[whale], -0.2 * book.equity[whale])
    chosen = book.account_names[int(np.flatnonzero(book.solvent & (gross > 0))[0])]
    assert len(adl.paths.whale_default(book, account=chosen)) == 1


def test_severity_has_mean_one_and_noise_its_volatility(book: adl.Book) -> None:
    paths = adl.paths.slow_bleed(book, fall=0.4, steps=4, count=4000, volatility=0.0)
    severity = np.log(paths.prices[:, -1, 0] / book.marks[0]) / np.log(0.6)
    assert abs(severity.mean() - 1) < 4 * 0.25 / np.sqrt(4000)
    assert abs(severity.std() - 0.25) < 0.03
    noisy = adl.paths.slow_bleed(book, fall=0.0, steps=4, count=4000, volatility=0.02)
    steps = np.diff(np.log(noisy.prices), axis=1)
    assert abs(steps.std() - 0.02) < 0.001
    assert abs(np.corrcoef(steps[..., 0].ravel(), steps[..., 1].ravel())[0, 1] - 0.8) < 0.02


def test_a_model_step_by_step(book: adl.Book) -> None:
    model = adl.Scenarios(returns=[[0.1, 0.2], [-0.1, -0.2]], weights=[0.25, 0.75])
    paths = adl.paths.from_model(book, model, steps=50, count=40, seed=5)
    growth = paths.prices[:, 1:] / paths.prices[:, :-1]
    up = np.isclose(growth[..., 0], 1.1)
    assert np.allclose(growth[..., 0], np.where(up, 1.1, 0.9))
    assert np.allclose(growth[..., 1], np.where(up, 1.2, 0.8))
    assert abs(up.mean() - 0.25) < 0.05
    again = adl.paths.from_model(book, model, steps=50, count=10, seed=5)
    assert np.array_equal(again.prices, paths[:10].prices)


def test_scenarios_of_weight_zero_are_never_drawn(book: adl.Book) -> None:
    model = adl.Scenarios(returns=[[0.1, 0.2], [-1.0, -1.0]], weights=[1.0, 0.0])
    assert (adl.paths.from_model(book, model, steps=20).prices > 0).all()


def test_bootstrap_keeps_blocks_together(book: adl.Book) -> None:
    growth = 1 + np.arange(1, 8) / 100  # all different, so that a return tells its row
    past = pd.DataFrame({name: np.cumprod(np.append(1.0, growth)) for name in book.assets})
    paths = adl.paths.bootstrap(book, past, steps=9, count=30, block=3, seed=2)
    drawn = paths.prices[:, :, 0] / np.hstack(
        [np.full((30, 1), book.marks[0]), paths.prices[:, :-1, 0]]
    )
    row = np.rint((drawn - 1) * 100).astype(int) - 1
    for block in (slice(0, 3), slice(3, 6), slice(6, 9)):
        assert (np.diff(row[:, block], axis=1) % 7 == 1).all()
    assert set(row[:, 0]) == set(range(7))


def test_missing_assets_keep_their_mark(book: adl.Book) -> None:
    crash = adl.simulate(book, pd.DataFrame({"A1": book.marks[1:] * 0.9}), adl.policies.ProRata())
    assert crash.steps["mark_A0"].item() == book.marks[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda book: adl.paths.flash_crash(book, fall=1.0), "share of the price"),
        (lambda book: adl.paths.flash_crash(book, fall={"DOGE": 0.1}), "'DOGE'"),
        (lambda book: adl.paths.flash_crash(book, steps=0), "steps"),
        (lambda book: adl.paths.flash_crash(book, volatility=-1.0), "volatility"),
        (lambda book: adl.paths.decoupling(book, asset="DOGE"), "'DOGE'"),
        (lambda book: adl.paths.whale_default(book, account="nobody"), "'nobody'"),
        (lambda book: adl.paths.thin_depth(book, depth_left=1.5), "depth_left"),
        (
            lambda book: adl.paths.from_model(book, adl.Scenarios(returns=[[-1.0, 0.0]])),
            "zero or below",
        ),
        (lambda book: untyped.paths.from_model(book, "model"), "not a price model"),
        (lambda book: adl.paths.bootstrap(book, pd.DataFrame({"A0": [1.0, 2.0]})), "'A1'"),
        (
            lambda book: adl.paths.bootstrap(book, pd.DataFrame({"A0": [1.0], "A1": [1.0]})),
            "two rows",
        ),
        (lambda book: adl.paths.Paths(["A0"], np.ones((1, 2))), "shape"),
        (lambda book: adl.paths.Paths(["A0"], np.full((1, 1, 1), np.nan)), "finite"),
        (lambda book: adl.paths.Paths(["A0", "A0"], np.ones((1, 1, 2))), "once"),
        (lambda book: adl.paths.Paths(["A0"], np.ones((1, 1, 1)), depth=np.ones((2, 2))), "depth"),
    ],
)
def test_paths_that_make_no_sense(book: adl.Book, call: Any, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        call(book)


def test_joined_paths(book: adl.Book) -> None:
    from adlopt.simulation.price_paths import joined

    both = joined([adl.paths.slow_bleed(book, steps=5), adl.paths.thin_depth(book, steps=5)])
    assert len(both) == 2
    assert both.depth is not None
    assert (both.depth[0] == 1).all()
    with pytest.raises(adl.InputError, match="same number of steps"):
        joined([adl.paths.slow_bleed(book, steps=5), adl.paths.slow_bleed(book, steps=6)])
    assert "2 x 5 steps" in repr(both)
    assert len(both.to_frame()) == 10
