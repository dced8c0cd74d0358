"""The contents of a report: problem, answer, proof, other rules, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adlopt._internal.files import require_place, write_text
from adlopt._internal.number_format import allocation_columns, format_column, format_number
from adlopt.errors import InputError
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.plots._canvas import require_matplotlib
from adlopt.policies.standard import omission_notes
from adlopt.report import pictures
from adlopt.report.document import (
    Block,
    Document,
    Download,
    Facts,
    Paragraph,
    Section,
    Table,
    to_html,
    to_markdown,
)
from adlopt.report.reproduction import reproduction
from adlopt.report.wording import (
    by_notional,
    market_facts,
    objective_text,
    prices_text,
    required_text,
    sale_facts,
)
from adlopt.solving.solution import Solution, details_text
from adlopt.studies.comparison import Comparison

WRITERS = {".html": to_html, ".md": to_markdown}
ROWS = 40  # of an allocation that are printed
MAX_EMBEDDED_ROWS = 20_000  # of an allocation that the page holds as CSV

COMPARED = {
    "objective": "objective",
    "excess_percent": "above the best possible, %",
    "worst_case": "worst case",
    "leverage_max": "highest leverage left",
    "accounts": "accounts reduced",
    "fully_closed": "positions closed",
    "max_fraction": "largest share taken",
    "unhedged": "hedges taken apart",
}
"""Columns of a comparison that are printed, and what they are called."""


def check_writable(path: Path) -> None:
    """Refuse, before any work, a file that `write` could not make."""
    if path.suffix.lower() not in WRITERS:
        raise InputError(f"--out {path}: the name must end in one of {', '.join(WRITERS)}")
    require_place("--out", path)
    if path.suffix.lower() == ".html":
        require_matplotlib()


def write(
    path: Path | str,
    problem: Problem,
    solution: Solution,
    comparison: Comparison | None = None,
    *,
    command: str = "",
    inputs: Sequence[Path] = (),
) -> None:
    """Write `build(...)` to `path`: .html, one page that needs nothing else, or .md, without
    pictures.

    The file appears whole or not at all.
    """
    path = Path(path)
    check_writable(path)
    drawn = path.suffix.lower() == ".html"
    document = build(problem, solution, comparison, command=command, inputs=inputs, drawn=drawn)
    write_text(path, WRITERS[path.suffix.lower()](document))


def build(
    problem: Problem,
    solution: Solution,
    comparison: Comparison | None = None,
    *,
    command: str = "",
    inputs: Sequence[Path] = (),
    drawn: bool = True,
) -> Document:
    """The report of a solved problem.

    Parameters
    ----------
    problem : Problem
    solution : Solution of the problem
    comparison : Comparison, optional
        Other rules; without it the section is left out.
    command : str
        The command that made the report.
    inputs : sequence of Path
        Files that were read; their checksums are stated.
    drawn : bool
        With pictures, which need matplotlib.
    """
    sections = [
        Section("The problem", _problem(problem)),
        Section("The answer", _answer(problem, solution)),
        Section("The proof", _proof(problem, solution)),
    ]
    if comparison is not None:
        sections.append(Section("Comparison with other rules", _comparison(comparison)))
    if drawn:
        sections.append(Section("Pictures", pictures.draw(problem, solution, comparison)))
    seed = getattr(problem.prices, "seed", None)
    sections.append(Section("How to reproduce this", reproduction(seed, command, inputs)))
    return Document(f"Auto-deleveraging: {required_text(problem)}", sections)


# ---------------------------------------------------------------------- the problem


def _problem(problem: Problem) -> list[Block]:
    book, k = problem.book, by_notional(problem)
    settles = "at the mark" if problem.settles_at_mark else "at the settlement prices below"
    prices = problem.book.marks + problem.settlement_offset
    eligible = problem.available[k]
    required = np.abs(problem.required[k])
    columns = {
        "asset": [str(name) for name in book.assets[k]],
        "side": ["short" if target < 0 else "long" for target in problem.required[k]],
        "required, contracts": format_column(required),
        "eligible, contracts": format_column(eligible),
        "share": [f"{100 * share:.4g} %" for share in required / eligible],
        "mark": [format_number(mark) for mark in book.marks[k]],
        "required, money": format_column(required * book.marks[k]),
    }
    if not problem.settles_at_mark:
        columns["settlement price"] = [format_number(price) for price in prices[k]]
    broke = int((~book.solvent).sum())
    facts = {
        "accounts": f"{len(book.account_names):,}",
        "risk pools": f"{book.equity.size:,}, of which {int(book.isolated.sum()):,} isolated "
        f"positions; {broke:,} bankrupt",
        "positions": f"{book.size.size:,}, of which {problem.eligible.size:,} may be reduced",
        "equity": f"{format_number(float(book.equity[book.solvent].sum()))} of the solvent pools",
        "objective": objective_text(problem.objective),
        "price model": prices_text(problem.prices),
    }
    if problem.insurance_fund > 0:
        facts["insurance fund"] = (
            f"{format_number(problem.insurance_fund)}: the objective counts losses beyond it"
        )
    facts |= market_facts(problem)
    if problem.caps is not None:
        facts["caps"] = (
            f"{len(problem.caps):,} rows of caps, in contracts or as fractions of positions; a row "
            "may hold for a whole account"
        )
    return [
        Paragraph(
            f"The exchange must take {required_text(problem)} of solvent accounts, {settles}. "
            "Whose positions? The best choice minimizes the risk from accounts that go bankrupt "
            "before the horizon: the exchange bears what they lose beyond their equity."
        ),
        Table("Required reductions", columns, left=2),
        Facts(facts),
    ]


# ---------------------------------------------------------------------- the answer


def _answer(problem: Problem, solution: Solution) -> list[Block]:
    reduced = solution.reduced
    accounts = len(problem.book.account_names)
    facts = {"accounts reduced": f"{reduced['account'].nunique():,} of {accounts:,}"}
    if solution.value is not None:
        facts["objective before"] = format_number(objective_value(problem, None))
        facts["objective after"] = format_number(solution.value)
    facts |= sale_facts(problem, solution)
    for asset, level in solution.water_levels.items():
        facts[f"water level {asset}".strip()] = (
            f"{format_number(level)}: leverage above it is reduced to it"
        )
    if solution.shadow_prices is not None:
        for name, price in solution.shadow_prices.items():
            facts[f"shadow price {name}"] = (
                f"{format_number(price)} of the objective saved by one more contract"
            )
    shown = reduced.head(ROWS)
    more = len(reduced) - len(shown)
    note = f"and {more:,} more reduced positions" if more else ""
    blocks: list[Block] = [
        Facts(facts),
        Table("Allocation, largest share first", allocation_columns(shown), left=3, note=note),
    ]
    if len(solution.allocation) <= MAX_EMBEDDED_ROWS:
        rows = len(solution.allocation)
        text = solution.allocation.to_csv(index=False)
        blocks.append(
            Download(
                "allocation.csv", text, f"allocation.csv: all {rows:,} positions, with all digits"
            )
        )
    broke = problem.book.bankrupt
    if len(broke):
        first = broke.head(ROWS)
        pools = {
            "account": first["account"].astype(str).tolist(),
            "margin": first["margin_mode"].astype(str).tolist(),
            "equity": format_column(first["equity"]),
            "notional": format_column(first["notional"]),
        }
        more = len(broke) - len(first)
        blocks.append(
            Table(
                "Bankrupt, and so not reduced",
                pools,
                left=2,
                note=f"and {more:,} more" if more else "",
            )
        )
    return blocks


def _proof(problem: Problem, solution: Solution) -> list[Block]:
    status = f"{solution.status} (relative tolerance {solution.tolerance:g})"
    facts = {"method": solution.method, "status": status}
    if solution.value is None or solution.lower_bound is None or solution.gap is None:
        facts["status"] = solution.status
        reading = (
            "Without a price model there is no number to bound, and none is needed: if every "
            "position has its own equity, reducing leverage to one level is optimal for every "
            "price path, and so for every objective that never prefers more loss."
        )
        return [Facts(facts), Paragraph(reading)]
    facts |= {
        "value": format_number(solution.value, 12),
        "proven lower bound": format_number(solution.lower_bound, 12),
        "relative gap": f"{solution.gap:.2g}",
    }
    if solution.details:
        facts["details"] = details_text(solution.details)
    least, value = format_number(solution.lower_bound, 12), format_number(solution.value, 12)
    exact = problem.closed_form is not None
    under = (
        "this price model"
        if exact
        else f"the {problem.scenarios.weights.size:,} scenarios of this price model"
    )
    above = format_number(solution.value - solution.lower_bound, 3)
    reading = (
        f"No allocation that meets the requirement has an objective below {least} under {under}. "
        f"This one has {value}: at most {above} above the best possible. The bound follows from "
        "convexity, by one subgradient and a sort per asset. It does not rely on a solver, unless "
        "there are constraints of your own or the objective has no numeric conjugate."
    )
    if solution.status != "optimal":
        reading += (
            " The gap exceeds the tolerance: the allocation is feasible and its value is right, "
            "but it is not proven optimal."
        )
    return [Facts(facts), Paragraph(reading)]


# ---------------------------------------------------------------------- other rules


def _comparison(comparison: Comparison) -> list[Block]:
    ranked = pictures.ranked(comparison)
    table = ranked.drop(columns=pictures.repeated(ranked))
    known = table.columns[table.notna().any()]  # without a price model there is no risk to compare
    wanted = {column: label for column, label in COMPARED.items() if column in known}
    if "cvar" in known:  # unless it is the objective
        wanted["cvar"] = f"CVaR {100 * comparison.level:g} %"
    columns = {"rule": list(map(str, table.index))}
    columns |= {
        label: format_column(table[column].astype(float).round(9), 4)
        for column, label in wanted.items()
    }
    infeasible = table.index.difference(pictures.feasible(comparison).index, sort=False)
    notes = ["Money in the currency of the book."]
    if missed := ", ".join(map(str, infeasible)):
        notes.append(f"Not feasible, and so not comparable: {missed}.")
    notes += [f"{note[0].upper()}{note[1:]}." for note in omission_notes(comparison.omitted)]
    return [
        Paragraph(
            "The risk that other rules leave for the same requirement, on the same prices, and "
            "how many accounts they reduce. The rules nearest to the optimum come first."
        ),
        Table("Rules compared", columns, note=" ".join(notes)),
        Download("comparison.csv", comparison.table.to_csv(), "comparison.csv: all columns"),
    ]
