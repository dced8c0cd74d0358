"""python -m benchmarks [--smoke | --full] [--rows TEXT] [CASE ...]"""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.measure import Row, Size

CASES = sorted(
    m.name
    for m in pkgutil.iter_modules(benchmarks.__path__)
    if m.name not in ("__main__", "measure", "admm")
)


def main(
    cases: Annotated[
        list[str] | None, typer.Argument(help=f"which claims: {', '.join(CASES)}; all if left out")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="tiny sizes: does every case run?")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="the sizes of the claims; takes a while")
    ] = False,
    rows: Annotated[
        str, typer.Option(help="shadow_price: only the rows that contain this text")
    ] = "",
) -> None:
    """Measure each claim against its alternative in the same run, and print a table per claim."""
    unknown = set(cases or []) - set(CASES)
    if unknown:
        raise typer.BadParameter(
            f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}"
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}"
    )
    missed = False
    for name in cases or CASES:
        module = importlib.import_module(f"benchmarks.{name}")
        console.print(f"\n[bold]{name}[/bold]: {' '.join((module.__doc__ or '').split())}")
        measured = list(module.run(Size(smoke=smoke, full=full, rows=rows)))
        console.print(table(measured))
        missed |= any(row.holds is False for row in measured)
    if missed and not smoke:
        console.print("\nA target was missed on this machine.")
        raise typer.Exit(1)


def table(rows: list[Row]) -> Table:
    """Rows of one claim; a column per figure that any of them gives."""
    figures = list(dict.fromkeys(name for row in rows for name in row.figures))
    out = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("what", "size"):
        out.add_column(heading)
    for heading in ("seconds", *figures, "target met"):
        out.add_column(heading, justify="right")
    for row in rows:
        verdict = {True: "yes", False: "NO", None: ""}[row.holds]
        out.add_row(
            row.what,
            row.size,
            f"{row.seconds:.3g}",
            *(row.figures.get(name, "") for name in figures),
            verdict,
        )
    return out


if __name__ == "__main__":
    typer.run(main)
