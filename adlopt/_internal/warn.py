"""Warnings that point at the user's own line."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1])


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn, in the name of the nearest line outside the package."""
    level = 2  # the caller
    frame = sys._getframe(1)
    # Generated methods of dataclasses have no file of their own.
    while frame.f_code.co_filename.startswith((PACKAGE, "<string>")):
        level += 1
        if frame.f_back is None:
            break
        frame = frame.f_back
    warnings.warn(message, category, stacklevel=level)
