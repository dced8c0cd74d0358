"""The report of simulated crashes: the crash, what each rule did, the fund, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from adlopt import plots
from adlopt._internal.files import write_text
from adlopt._internal.number_format import format_column, format_number
from adlopt.errors import InputError
from adlopt.report.content import ROWS, WRITERS, check_writable
from adlopt.report.document import Block, Document, Download, Facts, Paragraph, Section, Table
from adlopt.report.pictures import picture
from adlopt.report.reproduction import reproduction
from adlopt.simulation import Exchange, Paths, Simulation, StressTest

PROBABILITY = 0.01  # of a socialised loss, at which the fund is sized
STEPS = {
    "step": "step",
    "liquidated": "pools liquidated",
    "deficit": "deficit",
    "sold": "sold",
    "cost": "cost",
    "deleveraged": "deleveraged",
    "pools_deleveraged": "pools deleveraged",
    "unmet": "unmet",
    "fund": "fund",
    "socialised_loss": "socialised loss",
}
"""Columns of the steps that are printed, and what they are called."""
MEASURES = {
    "socialised_loss": "socialised loss",
    "deficit": "deficits",
    "second_round_deficit": "deficits after the first wave",
    "deleveraged": "deleveraged",
    "pools_deleveraged": "pools deleveraged",
    "profit_given_up": "profit given up",
    "unhedged": "hedges taken apart",
}


def write_crashes(
    path: Path | str,
    done: Sequence[Simulation] | StressTest,
    *,
    command: str = "",
    inputs: Sequence[Path] = (),
    seed: int | None = None,
) -> None:
    """Write the report of one crash under some rules, or of a stress test, to .html or .md.

    The file appears whole or not at all.

    Parameters
    ----------
    path : Path or str
    done : StressTest, or sequence of Simulation on one path
    command : str
        The command that made the report.
    inputs : sequence of Path
        Files that were read; their checksums are stated.
    seed : int, optional
        Of the paths.
    """
    path = Path(path)
    check_writable(path)
    drawn = path.suffix.lower() == ".html"
    if isinstance(done, StressTest):
        sections = _stress_test(done, drawn=drawn)
        paths = done.paths
    else:
        if not done:
            raise InputError("write_crashes: give at least one simulation")
        sections = [_crash(one, drawn=drawn) for one in done]
        sections.insert(0, _setting(done[0].path, done[0].exchange, len(done[0].start.pools)))
        paths = done[0].path
    sections.append(Section("How to reproduce this", reproduction(seed, command, inputs)))
    document = Document(f"Crash: {paths.name.replace('_', ' ')}", sections)
    write_text(path, WRITERS[path.suffix.lower()](document))


def _setting(paths: Paths, exchange: Exchange, pools: int | None) -> Section:
    """The paths and the exchange."""
    last = paths.prices[:, -1].mean(axis=0) / paths.prices[:, 0].mean(axis=0) - 1
    facts = {
        "paths": f"{len(paths):,} of {paths.steps} steps ({paths.name})",
        "assets": ", ".join(
            f"{name} {100 * move:+.3g} % on average from the first to the last step"
            for name, move in list(zip(paths.assets, last, strict=True))[:ROWS]
        ),
        "exchange": repr(exchange),
    }
    if pools is not None:
        facts["risk pools"] = f"{pools:,}"
    return Section(
        "The crash",
        [
            Paragraph(
                "At each step prices move, accounts below their maintenance margin are taken over, "
                "the market takes what it can, the fund pays, and the rule deleverages the rest. A "
                "fund below zero is a loss of the venue."
            ),
            Facts(facts),
        ],
    )


def _crash(crash: Simulation, *, drawn: bool) -> Section:
    """One rule on one path."""
    total = crash.totals
    facts = {label: format_number(total[name]) for name, label in MEASURES.items()}
    facts["fund left"] = format_number(total["fund_left"])
    shown = crash.steps.head(ROWS)
    more = len(crash.steps) - len(shown)
    columns = {label: format_column(shown[name], 5) for name, label in STEPS.items()}
    blocks: list[Block] = [
        Facts(facts),
        Table("Step by step", columns, left=0, note=f"and {more:,} more steps" if more else ""),
        Download("accounts.csv", crash.accounts.to_csv(index=False), "accounts.csv: every account"),
    ]
    if drawn:
        blocks += [
            picture(
                "Fund, and where the contracts of liquidated accounts went.",
                partial(plots.fund_and_inventory, crash),
                panels=2,
            ),
        ]
        if total["pools_deleveraged"] > 0:
            blocks.append(
                picture("The accounts whose contracts were taken.", partial(plots.who_paid, crash))
            )
    return Section(crash.policy, blocks)


def _stress_test(test: StressTest, *, drawn: bool) -> list[Section]:
    """Many paths: means with errors, paired differences, fund sizes."""
    del drawn  # tables say it all
    rules = [str(name) for name in test.policies]
    blocks: list[Block] = []
    for name, label in MEASURES.items():
        part = pd.DataFrame(test.summary.loc[name])
        blocks.append(Table(label.capitalize(), {"rule": rules} | _columns(part)))
    sections = [
        _setting(test.paths, test.exchange, None),
        Section("What each rule leaves", blocks),
    ]
    if len(rules) > 1:
        pairs = test.differences()
        note = (
            f"Rule less {rules[0]}, path by path: mean, standard error, 95 % confidence limits, "
            "and the share of paths on which the rule is worse."
        )
        table = {"rule": list(map(str, pairs.index))} | _columns(pairs)
        blocks = [Table("Socialised loss, difference", table, note=note)]
        sections.append(Section("Paired differences", blocks))
    size = test.fund_size(PROBABILITY)
    note = "With 90 % confidence limits; infinite where there are too few paths to give one."
    fund = Table(
        f"Smallest fund that suffices on {1 - PROBABILITY:.0%} of the paths",
        {"rule": rules} | _columns(size),
        note=note,
    )
    outcomes = test.outcomes.reset_index().to_csv(index=False)
    data = Download("outcomes.csv", outcomes, "outcomes.csv: every path under every rule")
    sections.append(Section("Size of the fund", [fund, data]))
    return sections


def _columns(table: pd.DataFrame) -> dict[str, list[str]]:
    return {str(name).replace("_", " "): format_column(table[name], 5) for name in table.columns}
