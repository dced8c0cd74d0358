"""The explorer in a browser: its mathematics against the library, and how it behaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.explorer import page, preset_of, write
from adlopt.explorer.page import MAX_ACCOUNTS
from adlopt.model.losses import objective_value
from adlopt.proof.certificate import certify_array
from tests.report.browser import CHROMIUM, Page, browser
from tests.typed import priced

# Settings of each kind; a campaign sets more: ADLOPT_EXPLORER_SETTINGS=500 pytest tests/explorer
SETTINGS = int(os.environ.get("ADLOPT_EXPLORER_SETTINGS", "40"))
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def random_book(rng: np.random.Generator, accounts: int = 12) -> adl.Book:
    rows = []
    for i in range(accounts):
        equity = float(np.exp(rng.normal(10, 1)))
        for asset, mark in (("BTC", 67_000.0), ("ETH", 1_900.0)):
            if asset == "BTC" or rng.random() < 0.6:
                size = float(rng.normal() * equity * np.exp(rng.normal(0.8, 0.8)) / mark)
                entry = mark * float(np.exp(rng.normal(0, 0.2)))
                rows.append((f"a{i}", asset, size, entry, equity))
    columns = ["account", "asset", "size", "entry_price", "equity"]
    return adl.Book.from_frame(
        pd.DataFrame(rows, columns=columns), marks={"BTC": 67_000.0, "ETH": 1_900.0}
    )


def random_setting(seed: int, kind: str) -> tuple[adl.Problem, dict[str, Any]]:
    """A problem, and the same as the page states it."""
    rng = np.random.default_rng(seed)
    book = random_book(rng, int(rng.integers(2, 14)))
    asset = str(book.assets[rng.choice(np.unique(book.asset))])
    k = book.assets.get_loc(asset)
    for side in rng.permutation([-1.0, 1.0]):
        sizes = book.size[(book.asset == k) & (np.sign(book.size) == side)]
        if sizes.size:
            break
    required = float(side * np.abs(sizes).sum() * rng.uniform(0.02, 0.98))
    deviation = {"BTC": 67_000.0 * rng.uniform(0.02, 0.3), "ETH": 1_900.0 * rng.uniform(0.02, 0.4)}
    setting = preset_of(book, "random") | {"reduction": {asset: required}}
    if kind == "normal":
        rho = float(rng.uniform(-0.9, 0.95))
        s = np.array(list(deviation.values()))
        covariance = pd.DataFrame(
            np.array([[1, rho], [rho, 1]]) * np.outer(s, s), ["BTC", "ETH"], ["BTC", "ETH"]
        )
        setting |= {"normal": {"deviation": deviation, "correlation": rho}}
        return adl.Problem(book, {asset: required}, prices=adl.Gaussian(covariance)), setting
    setting |= {"direction": deviation, "alpha": 0.95, "points": 512}
    return adl.Problem(
        book, {asset: required}, prices=adl.OneFactor(deviation, points=512)
    ), setting


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page in a browser."""
    folder = tmp_path_factory.mktemp("explorer")
    write(folder / "explorer.html")
    with browser(folder / "profile") as tab:
        tab.open((folder / "explorer.html").as_uri())
        yield tab


def solved(tab: Page, setting: dict[str, Any], rule: str = "optimal") -> Any:
    return tab.evaluate(f"adlopt.solve({json.dumps(setting | {'rule': rule})})")


def by_account(problem: adl.Problem, allocation: pd.DataFrame, names: list[str]) -> np.ndarray:
    return allocation.set_index("account")["reduction"].reindex(names).fillna(0.0).to_numpy()


RULES = {
    "hyperliquid": adl.policies.Hyperliquid(),
    "leverage": adl.policies.Queue(adl.policies.features.leverage),
    "pro_rata": adl.policies.ProRata(),
}


def compare_factor(tab: Page, seed: int) -> None:
    problem, setting = random_setting(seed, "factor")
    names = [account["name"] for account in setting["accounts"]]
    mine, truth = solved(tab, setting), priced(adl.solve(problem, method="factor_leverage"))
    before = objective_value(problem, None)
    wanted = by_account(problem, truth.allocation, names)
    tiny = 1e-9 * before
    assert np.allclose(mine["reductions"], wanted, rtol=0, atol=1e-9 * np.abs(wanted).sum())
    assert mine["level"] == pytest.approx(truth.water_level, rel=1e-9, abs=1e-9)
    assert mine["expected_loss"] == pytest.approx(truth.value, rel=1e-9, abs=tiny)
    assert mine["lower_bound"] == pytest.approx(truth.lower_bound, rel=1e-9, abs=tiny)
    (price,) = truth.shadow_prices
    unit = before / np.abs(wanted).sum()
    assert mine["shadow_price"] == pytest.approx(price, rel=1e-9, abs=1e-9 * unit)
    tail = problem.with_changes(objective=adl.CVaR(0.95))
    reductions = truth.allocation["reduction"].to_numpy()
    assert mine["cvar"] == pytest.approx(
        objective_value(tail, reductions), rel=1e-9, abs=1e-9 * objective_value(tail, None)
    )


def compare_normal(tab: Page, seed: int) -> None:
    problem, setting = random_setting(seed, "normal")
    mine, truth = solved(tab, setting), priced(adl.solve(problem))
    before = objective_value(problem, None)
    # The library proves its answer to a gap of 1e-8; the page's may not be worse.
    assert mine["expected_loss"] <= truth.value + 1e-9 * before
    assert mine["expected_loss"] >= truth.lower_bound - 1e-9 * before
    assert sum(mine["reductions"]) == pytest.approx(sum(problem.reduction.values()), rel=1e-9)
    assert mine["gap"] <= 1e-8 or mine["expected_loss"] <= 1e-9 * before


def compare_rule(tab: Page, seed: int, rule: str) -> None:
    kind = ("factor", "normal")[seed % 2]
    problem, setting = random_setting(seed, kind)
    names = [account["name"] for account in setting["accounts"]]
    mine = solved(tab, setting, rule)
    reductions = RULES[rule].reductions(problem)
    wanted = by_account(problem, problem.positions.assign(reduction=reductions), names)
    assert np.allclose(mine["reductions"], wanted, rtol=0, atol=1e-9 * np.abs(wanted).sum())
    proof = certify_array(problem, reductions)
    before = objective_value(problem, None)
    assert mine["expected_loss"] == pytest.approx(proof.value, rel=1e-9, abs=1e-9 * before)
    bound = max(proof.lower_bound, 0.0)
    assert mine["lower_bound"] == pytest.approx(bound, rel=1e-9, abs=1e-9 * before)


@needs_browser
@pytest.mark.parametrize("seed", range(SETTINGS))
def test_one_factor_equals_the_library(opened: Page, seed: int) -> None:
    compare_factor(opened, seed)


@needs_browser
@pytest.mark.parametrize("seed", range(SETTINGS))
def test_two_normal_prices_equal_the_library(opened: Page, seed: int) -> None:
    compare_normal(opened, seed)


@needs_browser
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(20))
def test_rules_equal_the_library(opened: Page, seed: int, rule: str) -> None:
    compare_rule(opened, seed, rule)


@needs_browser
def test_what_cannot_be_solved_is_said(opened: Page) -> None:
    _, setting = random_setting(0, "factor")
    (asset,) = setting["reduction"]
    for reduction, text in (({asset: 1e9}, "are available"), ({"DOGE": 1.0}, "has no mark")):
        message = opened.evaluate(
            "(() => { try { adlopt.solve("
            + json.dumps(setting | {"reduction": reduction})
            + "); return ''; } catch (error) { return error.message; } })()"
        )
        assert text in message


@needs_browser
def test_no_request_and_no_complaint(opened: Page) -> None:
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.complaints == []


@needs_browser
def test_the_address_restores_every_setting(opened: Page) -> None:
    address = "preset=2&side=1&asset=ETH&reduction=420&model=normal&correlation=0.3&left=pro_rata"
    opened.evaluate(f"location.hash = {address!r}; 0")
    time.sleep(0.2)
    state = opened.evaluate("adlopt.state")
    assert (state["preset"], state["side"], state["asset"]) == (2, "1", "ETH")
    assert (state["reduction"], state["model"], state["left"]) == (420, "normal", "pro_rata")
    kept = opened.evaluate("location.hash")
    assert all(part in kept for part in ("preset=2", "model=normal", "correlation=0.3"))
    for hostile in ("preset=99&reduction=NaN&left=<b>", "asset=__proto__", "days=-1&alpha=1e9"):
        opened.evaluate(f"location.hash = {hostile!r}; 0")
        time.sleep(0.1)
    assert opened.complaints == []
    opened.evaluate("location.hash = ''; 0")


@needs_browser
def test_every_control_has_a_name_and_moves_by_keyboard(opened: Page) -> None:
    unnamed = opened.evaluate(
        "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length"
    )
    assert unnamed == 0
    opened.evaluate("location.hash = 'preset=1'; 0")
    time.sleep(0.2)
    before = opened.evaluate("adlopt.state.reduction")
    opened.evaluate(
        "document.getElementById('level').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'ArrowDown'})); 0"
    )
    assert opened.evaluate("adlopt.state.reduction") > before
    assert opened.evaluate("document.activeElement.id") == "level"


@needs_browser
def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    book = adl.Book.from_frame(
        pd.DataFrame(
            {"account": [hostile, "b"], "asset": ["A"] * 2, "size": [-1.0, 1.0], "equity": [9, 9]}
        ),
        marks={"A": 50.0},
    )
    write(tmp_path / "page.html", book, name=hostile)
    with browser(tmp_path / "profile") as tab:
        tab.open((tmp_path / "page.html").as_uri())
        assert tab.evaluate("document.querySelectorAll('img').length") == 0
        assert tab.evaluate("document.querySelector('#preset option').textContent") == hostile
        assert tab.complaints == []


def test_a_book_that_is_too_large_is_refused() -> None:
    problem = adl.synthetic.problem(MAX_ACCOUNTS + 50, 1, scenarios=2)
    with pytest.raises(adl.InputError, match="at most"):
        page(problem.book)


def test_small_enough_and_complete() -> None:
    text = page(adl.examples.paper_book())
    assert len(text) < 600_000
    assert "/*" + "PRESETS*/" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_scripts_parse(tmp_path: Path) -> None:
    for name in ("mathematics", "pictures", "application"):
        path = f"adlopt/explorer/assets/{name}.js"
        assert subprocess.run(["node", "--check", path], check=False).returncode == 0
