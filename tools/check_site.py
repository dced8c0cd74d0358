"""Open the built documentation in headless Chromium and check what a reader would notice.

`python tools/check_site.py [FOLDER]`, from the root of a checkout. Every page: no request leaves,
no complaint in the console, pictures have alternative text, nothing overflows at 390 pixels or is
cut there, and mathematics is rendered, in the line if it belongs there. Search finds "water-
filling". Exit 1 with the list of findings.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.report.browser import CHROMIUM, browser  # noqa: E402

PHONE = 390  # pixels
SEARCH_SECONDS = 30

# A thumbnail of the gallery repeats the title beside it, so its text is empty on purpose.
LOOK = """(() => {
  const page = document.querySelector(".bd-article-container");
  const scrolls = e => e && e !== page &&
    (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
  const cut = page ? [...page.querySelectorAll("*:not(.headerlink)")].filter(e => {
    const box = e.getBoundingClientRect();
    return box.width && box.right > innerWidth + 1 && !scrolls(e.parentElement);
  }) : [];
  return {
  pictures: [...document.images].filter(
    i => !i.alt.trim() && !i.closest(".sphx-glr-thumbcontainer")).length,
  wide: document.documentElement.scrollWidth,
  formulas: document.querySelectorAll("span.math, div.math").length,
  rendered: document.querySelectorAll("mjx-container").length,
  cut: cut.length,
  broken: [...document.querySelectorAll("span.math")].filter(
    e => getComputedStyle(e).display === "block").length,
}})()"""


def findings_of(tab: Any, home: str, page: str) -> list[str]:
    """What is wrong with one page."""
    tab.requests.clear()
    tab.complaints.clear()
    tab.open(f"{home}/{page}")
    found: dict[str, int] = tab.evaluate(LOOK)
    ends = time.monotonic() + 10
    while found["formulas"] and found["rendered"] < found["formulas"] and time.monotonic() < ends:
        time.sleep(0.1)
        found = tab.evaluate(LOOK)
    away = [url for url in tab.requests if not url.startswith((home, "data:", "blob:"))]
    wrong = [f"asks for {url}" for url in away]
    # The theme notes down in the console what it does; only warnings and errors count.
    wrong += [f"console: {text[:200]}" for text in tab.complaints if '"type": "log"' not in text]
    if found["pictures"]:
        wrong.append(f"{found['pictures']} pictures without alternative text")
    if found["wide"] > PHONE:
        wrong.append(f"is {found['wide']} pixels wide on a screen of {PHONE}")
    if found["cut"]:
        wrong.append(f"{found['cut']} elements are cut at the right edge")
    if found["broken"]:
        wrong.append(f"{found['broken']} formulas of the text stand on lines of their own")
    if found["rendered"] < found["formulas"]:
        wrong.append(f"{found['rendered']} of {found['formulas']} formulas are rendered")
    return [f"{page}: {text}" for text in wrong]


def search_finds(tab: Any, home: str, words: str) -> bool:
    """Whether the site's own search has a result."""
    tab.open(f"{home}/search.html?q={words}")
    ends = time.monotonic() + SEARCH_SECONDS
    while time.monotonic() < ends:
        if tab.evaluate("document.querySelectorAll('#search-results li').length"):
            return True
        time.sleep(0.2)
    return False


def main(folder: Path) -> int:
    """Check all pages and print what was found."""
    if CHROMIUM is None:
        print("no Chromium on this machine: the site was not opened", file=sys.stderr)
        return 0
    skipped = ("_static", "_modules", "_sources", "genindex", "search")
    pages = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*.html")
        if not str(path.relative_to(folder)).startswith(skipped)
    )
    findings: list[str] = []
    home = folder.resolve().as_uri()
    with tempfile.TemporaryDirectory() as profile, browser(profile) as tab:
        size = {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        tab.call("Emulation.setDeviceMetricsOverride", **size)
        for page in pages:
            findings += findings_of(tab, home, page)
        if not search_finds(tab, home, "water-filling"):
            findings.append("search does not find water-filling")
    print(*findings, f"{len(pages)} pages, {len(findings)} findings", sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "_build" / "html")))
