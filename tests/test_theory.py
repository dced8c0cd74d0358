"""The theory pages: statements have proofs, symbols one meaning, cited equations exist."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THEORY = ROOT / "docs" / "theory"
STATEMENT = re.compile(r"^\*\*(?:Theorem|Proposition|Lemma|Corollary)( \d+)?\.?\*\*", re.M)
CITED = re.compile(
    r"(?:\beq\.|\bequations?)\s+\(?([SM]?\d+)\)?(?:\s+(?:to|and)\s+\(?([SM]?\d+)\)?)?", re.I
)
# Pages whose equations a module cites without naming the page.
PAGES = {
    "adlopt/methods/shadow_price/": ("shadow_prices", "conic_master"),
    "adlopt/methods/scenario_program.py": ("simulation",),
    "adlopt/model/market.py": ("simulation",),
    "adlopt/simulation/": ("simulation",),
}


def tags(page: str) -> list[str]:
    """Numbers of the page's equations, in order."""
    found = re.findall(r"\\tag\{([^}]*)\}", (THEORY / f"{page}.md").read_text())
    return [number.strip() for group in found for number in group.split(",")]


def citations() -> list[tuple[str, str]]:
    """Module and equation number, for every citation in the code."""
    cited = []
    for path in sorted((ROOT / "adlopt").rglob("*.py")):
        module = str(path.relative_to(ROOT))
        for first, last in CITED.findall(path.read_text()):
            letter = first.rstrip("0123456789")
            numbers = range(
                int(first.removeprefix(letter)), int((last or first).removeprefix(letter)) + 1
            )
            cited += [(module, f"{letter}{number}") for number in numbers]
    return cited


@pytest.mark.parametrize("page", sorted(path.stem for path in THEORY.glob("*.md")))
def test_equations_are_numbered_once_and_in_order(page: str) -> None:
    numbers = tags(page)
    assert len(set(numbers)) == len(numbers)
    for letter in "SM":
        own = [int(number[1:]) for number in numbers if number.startswith(letter)]
        assert own == sorted(own)
    plain = [int(number) for number in numbers if number.isdigit()]
    assert plain == list(range(plain[0], plain[0] + len(plain))) if plain else True


def test_equations_that_the_code_cites_exist() -> None:
    cited = citations()
    assert len(cited) > 50
    missing = []
    for module, number in cited:
        named = re.findall(r"docs/theory/(\w+)\.md", (ROOT / module).read_text())
        own = [page for part, pages in PAGES.items() if module.startswith(part) for page in pages]
        if not any(number in tags(page) for page in [*named, *own]):
            missing.append((module, number, named, own))
    assert not missing


def test_every_statement_has_a_proof() -> None:
    statements = 0
    for path in THEORY.glob("*.md"):
        text = path.read_text()
        starts = [match.start() for match in STATEMENT.finditer(text)]
        statements += len(starts)
        for start, end in itertools.pairwise([*starts, len(text)]):
            assert "\\square" in text[start:end], f"{path.name}: {text[start : start + 80]}"
    assert statements >= 15


def test_no_symbol_stands_twice_in_the_notation() -> None:
    rows = re.findall(r"^\| (\$.*?) \|", (THEORY / "notation.md").read_text(), re.M)
    formulas = [formula for cell in rows for formula in re.findall(r"\$([^$]*)\$", cell)]
    parts = [part.split("=")[0].strip() for formula in formulas for part in formula.split(",")]
    symbols = [part for part in parts if part not in ("\\dots", "n", "d", "S", "\\cdot)")]
    assert len(symbols) > 30
    assert sorted(symbols) == sorted(set(symbols))
