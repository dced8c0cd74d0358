"""How simulated crashes look in a terminal and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from adlopt._internal.number_format import format_column
from adlopt.cli.output import records, to_json
from adlopt.cli.render import paragraph, table
from adlopt.simulation import Simulation, StressTest

SHOWN = ("socialised_loss", "second_round_deficit", "deleveraged", "pools_deleveraged")
PROBABILITY = 0.01  # of a socialised loss, at which the fund is sized


def show_crashes(out: Console, crashes: list[Simulation], *, as_json: bool) -> None:
    """One path: the steps of each rule."""
    if as_json:
        found = {
            one.policy: {"totals": one.totals.to_dict(), "steps": records(one.steps)}
            for one in crashes
        }
        print(to_json({"path": crashes[0].path.name, "policies": found}))
        return
    for one in crashes:
        shown = [str(name) for name in one.steps if not str(name).startswith("expected")]
        columns: dict[str, list[str]] = {
            name.replace("_", "\n"): format_column(one.steps[name], 5) for name in shown
        }
        out.print(table(escape(one.policy), columns))
        paragraph(out, escape(repr(one).split("\n", maxsplit=1)[0]))


def show_stress_test(out: Console, test: StressTest, *, as_json: bool) -> None:
    """Many paths: means with errors, paired differences, and the size of the fund."""
    size = test.fund_size(PROBABILITY)
    pairs = test.differences() if len(test.policies) > 1 else None
    if as_json:
        summary: dict[str, Any] = {
            measure: records(test.summary.loc[measure].reset_index())
            for measure in test.outcomes.columns
        }
        found = {"paths": len(test.paths), "summary": summary, "fund": records(size.reset_index())}
        if pairs is not None:
            found["differences"] = records(pairs.reset_index())
        print(to_json(found))
        return
    names = [escape(name) for name in test.policies]
    for measure in SHOWN:
        part = test.summary.loc[measure]
        columns = {"policy": names}
        columns |= {
            str(name).replace("_", "\n"): format_column(part[name], 5) for name in part.columns
        }
        out.print(table(measure.replace("_", " "), columns))
    if pairs is not None:
        columns = {"policy": [escape(str(name)) for name in pairs.index]}
        columns |= {
            str(name).replace("_", "\n"): format_column(pairs[name], 5) for name in pairs.columns
        }
        title = f"socialised loss less that of {escape(test.policies[0])}, paired (95 %)"
        out.print(table(title, columns))
    columns = {"policy": names}
    columns |= {str(name): format_column(size[name], 5) for name in size.columns}
    out.print(table(f"fund for {1 - PROBABILITY:.0%} of paths (90 %)", columns))
