"""The explorer for those who use a keyboard, a screen reader, a dark screen or paper."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from adlopt.explorer import write
from tests.report.browser import CHROMIUM, Page, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

KEYS = {"Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
RANGES = ("reduction", "days", "volatility", "correlation", "alpha")
SELECTS = ("preset", "asset", "side", "model", "left", "right")

# The lowest contrast of any text, and of any line or area of a picture, with what is behind it.
CONTRAST = """(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => color.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const behind = (node) => {
    const own = numbers(getComputedStyle(node).backgroundColor);
    return own.length < 4 || own[3] > 0 ? light(own) : behind(node.parentElement);
  };
  const shown = (node) => !node.closest("[hidden], script, title");
  const texts = [...document.querySelectorAll("body *")].filter((node) => shown(node)
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  const color = (node) => (node.namespaceURI.endsWith("svg") ? "fill" : "color");
  const marks = [...document.querySelectorAll("svg .a, svg .b, svg .o, svg .level:not(.grip), "
    + "svg rect, svg .axis")];
  const lowest = (nodes, kind) => Math.min(...nodes.map((node) =>
    ratio(light(numbers(getComputedStyle(node)[kind(node)])), behind(node))));
  return JSON.stringify([lowest(texts, color), lowest(marks, () => "stroke"), texts.length]);
})()"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("access")
    write(folder / "explorer.html")
    with browser(folder / "profile") as page:
        page.open((folder / "explorer.html").as_uri() + "#preset=2")
        yield page


def press(tab: Page, key: str) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        tab.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            windowsVirtualKeyCode=KEYS[key],
        )


def state(tab: Page) -> dict[str, Any]:
    found = json.loads(tab.evaluate("JSON.stringify(adlopt.state)"))
    assert isinstance(found, dict)
    return found


def go(tab: Page, address: str) -> None:
    tab.evaluate(f"location.hash = {address!r}; 0")
    time.sleep(0.2)


@pytest.mark.parametrize("model", ["factor", "normal"])
def test_the_tab_key_reaches_every_control(tab: Page, model: str) -> None:
    go(tab, f"preset=2&model={model}")
    tab.evaluate("document.activeElement.blur(); 0")
    reached = set()
    for _ in range(25):
        press(tab, "Tab")
        reached.add(tab.evaluate("document.activeElement.id"))
    hidden = "correlation" if model == "factor" else "alpha"
    wanted = {*RANGES, *SELECTS, "reset", "print"} - {hidden}
    assert wanted | ({"level"} if model == "factor" else set()) <= reached


@pytest.mark.parametrize("name", [*RANGES, *SELECTS, "level"])
def test_arrow_keys_move_every_control(tab: Page, name: str) -> None:
    go(tab, "preset=2" + ("&model=normal" if name == "correlation" else ""))
    before = state(tab)
    tab.evaluate(f"document.getElementById({name!r}).focus(); 0")
    for key in ("ArrowDown", "ArrowUp", "ArrowUp") if name == "preset" else ("ArrowDown",):
        press(tab, key)
    if state(tab) == before:  # the last of a list
        press(tab, "ArrowUp")
    after = state(tab)
    moved = "reduction" if name == "level" else name
    assert after[moved] != before[moved]


def test_pictures_say_what_they_show(tab: Page) -> None:
    go(tab, "preset=2")
    labels = json.loads(
        tab.evaluate(
            "JSON.stringify([...document.querySelectorAll('svg')]"
            ".map(e => e.getAttribute('aria-label')))"
        )
    )
    assert len(labels) == 5
    assert all(sum(letter.isdigit() for letter in label) >= 4 for label in labels), labels


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_that_of_level_aa(tab: Page, scheme: str) -> None:
    go(tab, "preset=2&left=pro_rata")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.call("Emulation.setEmulatedMedia", media="screen", features=features)
    text, marks, count = json.loads(tab.evaluate(CONTRAST))
    assert count > 100
    assert text >= 4.5
    assert marks >= 3


def test_paper_is_white_on_dark_screens_too(tab: Page) -> None:
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    tab.call("Emulation.setEmulatedMedia", media="print", features=features)
    ink, page = (
        tab.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("color", "backgroundColor")
    )
    tab.call("Emulation.setEmulatedMedia", media="", features=[])
    assert (ink, page) == ("rgb(27, 31, 36)", "rgb(255, 255, 255)")


def test_a_narrow_page_keeps_its_scales(tab: Page) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **size)
    go(tab, "preset=2&days=11")
    numbers = tab.evaluate(
        "Math.min(...['loss', 'exceed', 'price'].map(id => [...document.querySelectorAll("
        "`#${id} text[text-anchor=middle]:not(.soft)`)].length))"
    )
    over = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    tab.call("Emulation.clearDeviceMetricsOverride")
    assert numbers >= 3
    assert over <= 0
