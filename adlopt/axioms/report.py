"""What an audit found, printed so that a reader can check it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import pandas as pd

from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.prices.protocol import PriceModel


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One book, what is required of it, and what the rule did."""

    label: str
    positions: pd.DataFrame
    """account, asset, size, entry_price, equity, leverage, perhaps score; reduction and remaining;
    leverage_after.
    """
    marks: dict[str, float]
    reduction: dict[str, float]
    """Contracts required, signed like the positions they shrink."""
    prices: PriceModel | None = field(default=None)

    @property
    def problem(self) -> Problem:
        """The problem that these numbers state, for anybody to solve again."""
        table = self.positions[["account", "asset", "size", "entry_price", "equity"]]
        return Problem(Book.from_frame(table, marks=self.marks), self.reduction, prices=self.prices)

    def __repr__(self) -> str:
        ((asset, required),) = self.reduction.items()
        side = "shorts" if required < 0 else "longs"
        shown = self.positions.drop(columns="asset").to_string(
            index=False, float_format="{:,.10g}".format
        )
        return f"{self.label}: {abs(required):.10g} {asset} off the {side}, mark {self.marks[asset]:.10g}\n{shown}"


@dataclass(frozen=True, eq=False, repr=False)
class Counterexample:
    """An axiom that fails: what happened, and the books before and after."""

    axiom: str
    promise: str
    finding: str
    steps: tuple[Step, ...]

    def __repr__(self) -> str:
        steps = "\n".join(_indent(repr(step)) for step in self.steps)
        return f"{self.axiom} ({self.promise}): FAILS\n  {self.finding}\n{steps}"


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """Axioms that a rule keeps, as far as the trials reach, and counterexamples to those that it
    breaks.

    `holds` says by axiom whether no violation was found in `trials` books; `theory` has the reason
    where there is a proof.
    """

    policy: str
    trials: int
    seed: int
    holds: dict[str, bool]
    counterexamples: dict[str, Counterexample]
    theory: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Row, an axiom: whether it holds, and why one thinks so."""
        rows = {
            axiom: {"holds": kept, "because": self._because(axiom)}
            for axiom, kept in self.holds.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("axiom")

    def _because(self, axiom: str) -> str:
        if axiom in self.counterexamples:
            return self.counterexamples[axiom].finding
        tried = f"no violation found in {self.trials:,} books"
        return f"{tried}; proven: {self.theory[axiom]}" if axiom in self.theory else tried

    def __repr__(self) -> str:
        kept = sum(self.holds.values())
        lines = [
            f"Audit of {self.policy}: {kept} of {len(self.holds)} axioms hold "
            f"({self.trials:,} books of one asset each, seed {self.seed})",
            "",
        ]
        width = max(map(len, self.holds), default=0)
        for axiom, holds in self.holds.items():
            lines.append(
                f"{axiom:<{width}}  {'holds' if holds else 'FAILS'}  {self._because(axiom)}"
            )
        return "\n".join([*lines, *("\n" + repr(found) for found in self.counterexamples.values())])

    def _repr_html_(self) -> str:
        found = "".join(f"<pre>{escape(repr(one))}</pre>" for one in self.counterexamples.values())
        return f"<p>Audit of {escape(self.policy)}, {self.trials:,} books of one asset each</p>{self.to_frame().to_html()}{found}"


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
