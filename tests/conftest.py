"""Fixtures shared by all tests."""

from __future__ import annotations

import pytest

from tests.support import Paper, paper_example


@pytest.fixture(scope="session")
def paper() -> Paper:
    """The paper's four accounts, with the reference results beside them."""
    return paper_example()
