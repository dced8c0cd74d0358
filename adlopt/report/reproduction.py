"""The last section of a report: what it takes to make it again."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from adlopt.report.document import Block, Code, Facts
from adlopt.report.wording import input_facts

PACKAGES = (
    "adlopt",
    "numpy",
    "scipy",
    "pandas",
    "cvxpy",
    "clarabel",
    "highspy",
    "numba",
    "matplotlib",
)


def reproduction(seed: int | None, command: str, inputs: Sequence[Path]) -> list[Block]:
    """Command, files, seed, versions and platform."""
    blocks: list[Block] = [Code(command)] if command else []
    facts = {"made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")}
    facts |= input_facts(inputs)
    if seed is not None:
        facts["seed"] = str(seed)
    facts["versions"] = ", ".join(
        [f"Python {platform.python_version()}", *filter(None, map(_version, PACKAGES))]
    )
    facts["platform"] = platform.platform(terse=True)
    return [*blocks, Facts(facts)]


def _version(package: str) -> str:
    if package == "adlopt":  # also from a checkout that is not installed
        import adlopt

        return f"adlopt {adlopt.__version__}"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""
