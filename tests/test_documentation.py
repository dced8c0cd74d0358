"""The API reference holds every public name, and internal links of the pages lead somewhere."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import adlopt

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
api_pages = import_module("api_pages")

PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if not {"_build", "auto_gallery", "notebooks", "api"} & set(page.relative_to(DOCS).parts)
)


def test_every_public_name_is_on_one_page_of_the_reference() -> None:
    listed = [name for _, _, names in api_pages.PAGES.values() for name in names]
    assert len(listed) == len(set(listed))
    modules = {name for name in adlopt.__all__ if isinstance(getattr(adlopt, name), ModuleType)}
    assert set(listed) == set(adlopt.__all__) - modules
    assert modules == set(api_pages.MODULES)


def public() -> dict[str, object]:
    found = {name: getattr(adlopt, name) for name in adlopt.__all__}
    for module in api_pages.MODULES:
        home = getattr(adlopt, module)
        found |= {f"{module}.{name}": getattr(home, name) for name in api_pages.members(home)}
    return {name: value for name, value in found.items() if not isinstance(value, ModuleType)}


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_name_says_what_it_is(name: str) -> None:
    text = public()[name].__doc__
    assert text, name
    assert not text.startswith(f"{name}("), "a dataclass without a docstring of its own"


@pytest.mark.parametrize("name", sorted(name for name in public() if callable(public()[name])))
def test_every_public_name_has_an_example_that_runs_as_a_doctest(name: str) -> None:
    assert ">>> " in (public()[name].__doc__ or ""), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        written = {"guide/command_line.md", "_static/explorer.html", "changelog.md"}
        path = (page.parent / target).resolve()
        made = str(path.relative_to(DOCS)) if path.is_relative_to(DOCS) else ""
        if made.startswith("course/notebooks/"):  # copied there when the site is built
            path = DOCS.parent / "notebooks" / path.name
        assert path.exists() or made in written or made.startswith(("api/", "auto_gallery/")), (
            target
        )
