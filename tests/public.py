"""The public names of the package: those of `adlopt` and of its public modules."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import adlopt

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
api_pages = import_module("api_pages")


def public_names() -> dict[str, Any]:
    """Every public function and class, as in "solve" or "policies.ProRata"."""
    found = {name: getattr(adlopt, name) for name in adlopt.__all__}
    for module in api_pages.MODULES:
        home = getattr(adlopt, module)
        for name in api_pages.members(home):
            value = getattr(home, name)
            found[f"{module}.{name}"] = value
            if isinstance(value, ModuleType):
                own = {inner: getattr(value, inner) for inner in api_pages.members(value)}
                found |= {f"{module}.{name}.{inner}": one for inner, one in own.items()}
    return {name: value for name, value in found.items() if not isinstance(value, ModuleType)}
