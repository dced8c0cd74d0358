"""How answers are shown: tables on a terminal, one JSON object for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import pandas as pd
from rich import box
from rich.console import Console
from rich.progress import track
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from adlopt._internal.number_format import allocation_columns, format_column, format_number
from adlopt._internal.text import visible
from adlopt._internal.validation import format_names
from adlopt.cli.output import records, to_json
from adlopt.model.book import Book
from adlopt.solving.solution import Solution, details_text
from adlopt.solving.verification import Verification
from adlopt.sources import Loaded

ROWS = 20  # of an allocation on screen
BANKRUPT = 8  # pools named on screen
TEXT_WIDTH = 96

Item = TypeVar("Item")


def console() -> Console:
    """Standard output, which shows text as it is: names in tables are not markup.

    A pipe has no width of its own, so nothing is cut there.
    """
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = 160
    return out


def spinner(what: str) -> AbstractContextManager[object]:
    """A spinner on standard error during a long step, if that is a terminal."""
    watched = Console(stderr=True)
    return watched.status(f"{what} ...") if watched.is_terminal else nullcontext()


def progress_bar(what: str, items: Sequence[Item]) -> Iterable[Item]:
    """The items, with a progress bar on standard error if that is a terminal."""
    watched = Console(stderr=True)
    return track(items, what, console=watched, transient=True) if watched.is_terminal else items


def paragraph(out: Console, text: str, *, lead: str = "") -> None:
    """Print wrapped text, after a beginning in bold, and an empty line."""
    whole = Text.assemble((f"{lead} " if lead else "", "bold"), text)
    out.print(whole, width=min(out.width, TEXT_WIDTH))
    out.print()


def heading(out: Console, text: str) -> None:
    """Print a section heading."""
    out.print(Rule(Text(text, style="bold"), align="left"), width=min(out.width, TEXT_WIDTH))
    out.print()


def table(
    title: str, columns: Mapping[str, Sequence[str]], *, left: int = 1, bold: int | None = None
) -> Table:
    """Columns of cells by header, the first `left` of them aligned left, one row in bold."""
    grid = Table(
        title=visible(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    for index, name in enumerate(columns):
        # A header is ours but for an asset's name; line breaks in it are wanted.
        header = "\n".join(map(visible, name.split("\n")))
        grid.add_column(header, justify="left" if index < left else "right", overflow="fold")
    for index, row in enumerate(zip(*columns.values(), strict=True)):
        grid.add_row(*map(visible, row), style="bold" if index == bold else None)
    return grid


# ---------------------------------------------------------------------- solution


def show_solution(out: Console, solution: Solution, book: Book, before: float | None) -> None:
    """Summary, the rows most reduced, and who is bankrupt."""
    grid = Table.grid(padding=(0, 3))
    grid.add_column(style="bold")
    grid.add_column()
    for name, text in _facts(solution, book, before).items():
        grid.add_row(visible(name), visible(text))
    out.print(grid)
    out.print()
    reduced = solution.reduced
    out.print(allocation_table(reduced.head(ROWS)))
    if len(reduced) > ROWS:
        out.print(
            f"... and {len(reduced) - ROWS:,} more reduced positions; --out FILE writes them all"
        )
    show_bankrupt(out, book)


def _facts(solution: Solution, book: Book, before: float | None) -> dict[str, str]:
    facts = {"method": solution.method, "status": _status(solution)}
    if solution.value is not None and solution.lower_bound is not None and solution.gap is not None:
        facts["objective before"] = "" if before is None else format_number(before)
        facts |= {
            "objective after": format_number(solution.value),
            "proven lower bound": format_number(solution.lower_bound),
        }
        facts["relative gap"] = f"{solution.gap:.2g}"
        error = solution.standard_error
        facts["standard error"] = "unknown" if error is None else format_number(error)
    for asset, level in solution.water_levels.items():
        facts[f"water level {asset}".strip()] = format_number(level)
    if solution.shadow_prices is not None:
        for name, price in solution.shadow_prices.items():
            facts[f"shadow price {name}"] = f"{format_number(price)} saved by one more contract"
    facts["accounts reduced"] = (
        f"{solution.reduced['account'].nunique():,} of {len(book.account_names):,}"
    )
    facts["seconds"] = f"{solution.seconds:.3g}"
    if solution.details:
        facts["details"] = details_text(solution.details)
    return facts


def _status(solution: Solution) -> str:
    if solution.gap is None:
        return f"{solution.status} (for every price path, hence for every monotone objective)"
    return f"{solution.status} (tolerance {solution.tolerance:g})"


def allocation_table(rows: pd.DataFrame, title: str = "Allocation, largest share first") -> Table:
    """Rows of a solution's allocation."""
    columns = allocation_columns(rows)
    return table(
        title,
        {name.replace("leverage ", "leverage\n"): texts for name, texts in columns.items()},
        left=3,
    )


def show_bankrupt(out: Console, book: Book) -> None:
    """One line per bankrupt pool, if there are any."""
    broke = book.bankrupt
    if broke.empty:
        return
    out.print()
    out.print(f"Bankrupt, and so not reduced: {len(broke):,} of {book.equity.size:,} pools")
    for row in records(broke.head(BANKRUPT)):
        asset = "" if row["asset"] is None else f", {row['asset']}"
        pool = visible(f"  account {row['account']} ({row['margin_mode']}{asset})")
        equity, notional = format_number(row["equity"]), format_number(row["notional"])
        out.print(f"{pool}: equity {equity}, notional {notional}")
    if len(broke) > BANKRUPT:
        out.print(f"  ... and {len(broke) - BANKRUPT:,} more; --json lists them all")


def solution_json(solution: Solution, book: Book, before: float | None) -> str:
    """One object: the facts, the allocation and the bankrupt pools; what is unknown is null."""
    prices, level = solution.shadow_prices, solution.water_level
    return to_json(
        {
            "method": solution.method,
            "status": solution.status,
            "value_before": before,
            "value": solution.value,
            "lower_bound": solution.lower_bound,
            "gap": solution.gap,
            "standard_error": solution.standard_error,
            "tolerance": solution.tolerance,
            "water_level": level if level is None or isinstance(level, float) else level.to_dict(),
            "shadow_prices": None if prices is None else prices.to_dict(),
            "accounts_reduced": int(solution.reduced["account"].nunique()),
            "seconds": solution.seconds,
            "details": solution.details,
            "allocation": records(solution.allocation),
            "bankrupt": records(book.bankrupt),
        }
    )


def show_verification(out: Console, check: Verification, book: Book) -> None:
    """Both values, and the verdict."""
    out.print(verification_table("Objective on the same scenarios", [check]))
    verdict = "They agree" if check.agree else "They DISAGREE"
    out.print(
        f"{verdict} within {check.tolerance:g}: relative difference {check.difference:.2g} on "
        f"{check.scenarios:,} scenarios (before any reduction: {format_number(check.before)})."
    )
    show_bankrupt(out, book)


def verification_table(title: str, checks: list[Verification], names: Sequence[str] = ()) -> Table:
    """Two rows per verification: the method and the one it is checked against."""
    both = [(name, check) for name, check in zip(names or [""] * len(checks), checks, strict=True)]
    columns: dict[str, Sequence[str]] = (
        {"margin": [name for name, _ in both for _ in range(2)]} if names else {}
    )
    columns |= {
        "method": [
            method for _, check in both for method in (check.method, f"{check.check} (Clarabel)")
        ],
        "objective": format_column(
            [value for _, check in both for value in (check.value, check.check_value)], 10
        ),
        "seconds": format_column([second for _, check in both for second in check.seconds], 4),
    }
    return table(title, columns, left=2 if names else 1)


def verification_json(check: Verification, book: Book) -> str:
    return to_json(
        {
            "method": check.method,
            "value": check.value,
            "check": check.check,
            "check_value": check.check_value,
            "difference": check.difference,
            "agree": check.agree,
            "tolerance": check.tolerance,
            "value_before": check.before,
            "scenarios": check.scenarios,
            "seconds": list(check.seconds),
            "bankrupt": records(book.bankrupt),
        }
    )


# ---------------------------------------------------------------------- frontier


def show_frontier(out: Console, points: pd.DataFrame) -> None:
    """A row per point of the sweep, and what every reduced asset costs there."""
    swept = points.columns[0]
    columns: dict[str, Sequence[str]] = {swept: format_column(points[swept])}
    for name in ("value", "lower_bound"):
        if points[name].notna().any():
            columns[name.replace("_", " ")] = format_column(points[name], 8)
    if points["gap"].notna().any():
        columns["relative\ngap"] = [f"{gap:.2g}" for gap in points["gap"]]
    columns["status"] = points["status"].tolist()
    columns["accounts\nreduced"] = [f"{count:,}" for count in points["accounts_reduced"]]
    columns["largest\nshare"] = [f"{100 * share:.1f} %" for share in points["largest_fraction"]]
    for name in points.columns:
        if name.startswith(("shadow_price_", "water_level_")):
            columns[name.replace("_", "\n", 1).replace("_", " ", 1)] = format_column(points[name])
    methods = ", ".join(points["method"].unique())
    out.print(table(f"Frontier by {methods}, {points['seconds'].sum():.3g} seconds", columns))


# ---------------------------------------------------------------------- records


def show_loaded(out: Console, loaded: Loaded, path: Path) -> None:
    """What was written, and the rows that were not taken."""
    book, rejected = loaded.book, loaded.rejected
    out.print(
        visible(
            f"{path}: {book.size.size:,} positions of {len(book.account_names):,} accounts in "
            f"{format_names(book.assets)}"
        )
    )
    if rejected.empty:
        return
    out.print()
    shown = rejected.head(ROWS)
    cells = {
        name: ["" if value is None else str(value) for value in shown[name]]
        for name in shown.columns
    }
    out.print(table(f"{len(rejected):,} rows were not taken", cells, left=len(cells)))
    if len(rejected) > ROWS:
        out.print(f"... and {len(rejected) - ROWS:,} more; --rejected FILE writes them all")


def loaded_json(loaded: Loaded, path: Path) -> str:
    book = loaded.book
    return to_json(
        {
            "out": str(path),
            "accounts": len(book.account_names),
            "positions": book.size.size,
            "marks": dict(zip(book.assets, book.marks.tolist(), strict=True)),
            "rejected": records(
                loaded.rejected.astype({name: str for name in ("symbol", "side", "size")})
            ),
        }
    )
