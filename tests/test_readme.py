"""The README's example prints what it says; commands of the README and of the pages succeed.

Python on the site's pages runs in tests/test_documentation_code.py.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from adlopt.cli import app
from adlopt.datasets.examples import paper_book

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(ROOT.glob("docs/*/*.md"))]
MAX_README_LINES = 120
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the code blocks of a page, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a book and prices, in which examples and commands run."""
    monkeypatch.chdir(tmp_path)
    # What a command switches off is meant for a process of its own.
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    paper_book().to_csv("book.csv")
    prices = {"BTC": [50_000.0, 67_000.0, 80_000.0], "ETH": [1500.0, 1900.0, 2200.0]}
    pd.DataFrame(prices).to_csv("prices.csv", index=False)
    return tmp_path


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


def test_python_examples_print_what_is_shown(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    shown = blocks(README)
    for i, (kind, text) in enumerate(shown):
        if kind != "python":
            continue
        exec(compile(text, str(README), "exec"), names)
        printed = capsys.readouterr().out
        if i + 1 < len(shown) and shown[i + 1][0] == "text":
            assert printed == shown[i + 1][1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_succeed(page: Path, workplace: Path) -> None:
    shown = blocks(page)
    for kind, name in (("json", "states.json"), ("toml", "problem.toml")):
        for given, text in shown:
            if given == kind:
                Path(name).write_text(text, encoding="utf-8")
    commands = [
        line
        for kind, text in shown
        if kind == "sh"
        for line in text.splitlines()
        if line.startswith("adlopt ")
    ]
    for command in commands:
        if "report" in command:
            pytest.importorskip("matplotlib")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.output, result.stderr)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_pages_lead_somewhere(page: Path) -> None:
    """To a file, or to a page that the index of its folder lists (the site generates some)."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if target.startswith(("https://", "mailto:")):
            continue
        path = (page.parent / target).resolve()
        index = path.parent / "index.md"
        listed = index.exists() and path.stem in index.read_text(encoding="utf-8").split()
        assert path.exists() or listed, f"{page.name}: {target}"
