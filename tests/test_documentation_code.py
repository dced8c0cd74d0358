"""Python on the site's pages runs, page by page and in order, and prints what is shown below it.

A block that needs a browser, a cluster or files that the page does not write starts with the
comment `# not run here`. The README has a test of its own in tests/test_readme.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[1] / "docs"
GENERATED = ("_build/", "api/", "auto_gallery/", "course/notebooks/")
NOT_RUN = "# not run here"
PYTHON = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """Python code, the line of the page on which it starts, and the output that the page shows."""

    line: int
    code: str
    shown: str | None


def python_blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, found.start("code")) + 1, found["code"], found["shown"])
        for found in PYTHON.finditer(text)
    ]


def pages_with_code() -> list[str]:
    names = (page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md")))
    written = [name for name in names if not name.startswith(GENERATED)]
    return [name for name in written if python_blocks((DOCS / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", pages_with_code())
def test_blocks_run_and_print_what_is_shown(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # pages write files
    names: dict[str, object] = {}
    for line, code, shown in python_blocks((DOCS / page).read_text(encoding="utf-8")):
        if code.startswith(NOT_RUN):
            continue
        # Blank lines before the code make a traceback name the line of the page.
        exec(compile("\n" * (line - 1) + code, str(DOCS / page), "exec"), names)
        printed = capsys.readouterr().out
        if shown is not None:
            assert printed == shown, f"{page}, line {line}"


def test_blocks_are_found_with_their_line_and_output() -> None:
    text = (
        "# A\n\n```python\na = 1\n```\n\n```text\n1\n```\n\n```sh\nls\n```\n\n```python\nb\n```\n"
    )
    assert python_blocks(text) == [Block(4, "a = 1\n", "1\n"), Block(16, "b\n", None)]


def test_pages_are_found() -> None:
    assert {"index.md", "start/first_result.md", "develop/extend.md"} <= set(pages_with_code())
