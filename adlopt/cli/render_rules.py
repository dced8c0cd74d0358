"""Comparisons, audits and exposures on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from adlopt._internal.number_format import format_column, format_number
from adlopt._internal.text import visible
from adlopt.axioms import Audit
from adlopt.cli.output import records, to_json
from adlopt.cli.render import heading, paragraph, table
from adlopt.policies.standard import omission_notes
from adlopt.studies.account_exposure import Exposure
from adlopt.studies.comparison import OPTIMUM, Comparison


def show_comparison(out: Console, comparison: Comparison) -> None:
    """A table per block, a row per policy."""
    names = comparison.policies
    if comparison.lower_bound is not None:
        before = format_number(comparison.before["objective"], 6)
        bound = format_number(comparison.lower_bound, 6)
        out.print(f"objective before any reduction {before}; no allocation has less than {bound}")
        out.print()
    feasibility = comparison.feasibility
    for name in feasibility.index[~feasibility["feasible"]]:
        missed = feasibility.loc[name]
        out.print(
            f"{visible(name)} is NOT feasible: sums missed by {missed['sum_violation']:.2g}, "
            f"boxes by {missed['bound_violation']:.2g}"
        )
    bold = names.index(OPTIMUM) if OPTIMUM in names else None
    for block in ("risk", "concentration", "hedges"):
        part = getattr(comparison, block)
        columns: dict[str, list[str]] = {"policy": list(names)}
        columns |= {
            _header(str(name), comparison.level): format_column(part[name], 5)
            for name in part.columns
            if part[name].notna().any()
        }
        out.print(table(block, columns, bold=bold))
    show_omitted(out, comparison.omitted)


def show_omitted(out: Console, lacking: Mapping[str, str]) -> None:
    """Which default rules are missing from a table, and why."""
    for note in omission_notes(lacking):
        out.print(note[0].upper() + visible(note[1:]) + ".", soft_wrap=True)


def _header(name: str, level: float) -> str:
    """A column's name in two lines; CVaR with its level."""
    if name == "cvar":
        return f"cvar\n{100 * level:g} %"
    return name.replace("_", "\n", 1).replace("_", " ")


def show_audit(out: Console, report: Audit) -> None:
    """The report as it prints itself."""
    out.print("\n".join(map(visible, repr(report).split("\n"))), soft_wrap=True)


def audit_json(report: Audit) -> str:
    """One object: what holds, and the counterexamples with their books."""
    found: dict[str, Any] = {
        axiom: {
            "finding": one.finding,
            "steps": [
                {
                    "label": step.label,
                    "marks": step.marks,
                    "reduction": step.reduction,
                    "positions": records(step.positions),
                }
                for step in one.steps
            ],
        }
        for axiom, one in report.counterexamples.items()
    }
    return to_json(
        {
            "policy": report.policy,
            "trials": report.trials,
            "seed": report.seed,
            "holds": report.holds,
            "theory": report.theory,
            "counterexamples": found,
        }
    )


def show_exposure(out: Console, exposure: Exposure) -> None:
    """Rows of `adl.exposure`."""
    standing = exposure.table
    columns: dict[str, list[str]] = {"asset": standing["asset"].astype(str).tolist()}
    columns |= {
        "required": format_column(standing["required"]),
        "policy": standing["policy"].astype(str).tolist(),
        "rank": [
            f"{rank} of {count}"
            for rank, count in zip(standing["rank"], standing["of"], strict=True)
        ],
        "reduction": format_column(standing["reduction"]),
        "share": [f"{100 * share:.1f} %" for share in standing["fraction"]],
        "notional": format_column(standing["notional"]),
        "paid": format_column(standing["paid"]),
    }
    out.print(table(f"Account {exposure.account}: what it would lose", columns))
    show_omitted(out, exposure.omitted)


def show_compare_demo(out: Console, comparison: Comparison, queue: str) -> None:
    """The paper's four accounts under each rule, and whose hedge the gross-leverage queue takes
    apart.
    """
    problem = comparison.problem
    assert problem is not None
    ((asset, required),) = problem.reduction.items()
    heading(
        out,
        f"{abs(required):g} {asset} off the shorts of the paper's four accounts, by rule",
    )
    book = problem.book
    gross = book.pools["leverage"].to_numpy()
    factor = -(problem.size_matrix(None) @ comparison.direction.to_numpy()) / book.equity
    taken = {
        str(name): rows["reduction"].to_numpy() for name, rows in comparison.allocations.items()
    }
    columns: dict[str, list[str]] = {"account": [str(name) for name in book.account_names]}
    columns |= {
        "gross\nleverage": format_column(gross, 3),
        "factor\nleverage": format_column(factor, 3),
    }
    out.print(table("Four cross-margined accounts", columns, bold=int(gross.argmax())))
    columns = {"rule": list(taken)}
    columns |= {
        f"from\n{name}": format_column([rows[index] for rows in taken.values()], 4)
        for index, name in enumerate(book.account_names)
    }
    out.print(table(f"{asset} taken from each account", columns))
    show_comparison(out, comparison)
    first = book.account_names[int(taken[queue].argmin())]
    hit = taken[queue][book.account_names.get_loc(first)]
    unhedged = comparison.unhedged
    row = unhedged[(unhedged["policy"] == queue) & (unhedged["account"] == first)].iloc[0]
    before, after = (format_number(abs(row[column]), 5) for column in ("before", "after"))
    value = comparison.risk["objective"]
    spared = abs(taken["FactorLeverage"][book.account_names.get_loc(first)])
    paragraph(
        out,
        f"It takes {abs(hit):g} {asset}. But account {first} is hedged: its exposure to the factor "
        f"goes from {before} to {after} per standard deviation. It loses its hedge, and the "
        "exchange keeps "
        f"{value[queue] / value[OPTIMUM]:.1f} times the expected loss of the optimum. Factor "
        f"leverage takes {spared:g} from account {first}.",
        lead=f"The gross-leverage queue hits account {first} first.",
    )
