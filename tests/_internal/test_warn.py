"""Warnings name the line of the user, not one of the package."""

from __future__ import annotations

import warnings

from adlopt._internal.warn import warn_user


def test_the_callers_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("odd", UserWarning)
    assert caught[0].filename == __file__
    assert str(caught[0].message) == "odd"
