"""Fixtures shared by all tests."""

from __future__ import annotations

import json

import pytest

from tests.support import DATA, Paper, paper_from


@pytest.fixture(scope="session")
def paper() -> Paper:
    """The paper's four accounts, with the reference results beside them."""
    path = DATA / "paper_example.json"
    if not path.exists():
        pytest.skip(f"the paper's example is not at {path}")
    return paper_from(json.loads(path.read_text()))
