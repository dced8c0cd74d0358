"""The result of an audit, printed with numbers that a reader can check by hand."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
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
        """The problem that these numbers state."""
        table = self.positions[["account", "asset", "size", "entry_price", "equity"]]
        return Problem(Book.from_frame(table, marks=self.marks), self.reduction, prices=self.prices)

    def __repr__(self) -> str:
        ((asset, required),) = self.reduction.items()
        side = "shorts" if required < 0 else "longs"
        shown = self.positions.drop(columns="asset").to_string(
            index=False, float_format="{:,.10g}".format
        )
        return (
            f"{self.label}: {abs(required):.10g} {asset} off the {side}, "
            f"mark {self.marks[asset]:.10g}\n{shown}"
        )


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
    """Which axioms a rule satisfies in the books tried, and counterexamples to the others.

    Examples
    --------
    >>> import adlopt as adl
    >>> report = adl.audit(adl.policies.ProRata(), trials=20)
    >>> report.holds["leverage priority"]
    False
    """

    policy: str
    """Name of the rule."""
    trials: int
    """Books tried for each axiom."""
    _: KW_ONLY
    seed: int
    """Of the random books."""
    holds: dict[str, bool]
    """By axiom, whether no violation was found."""
    counterexamples: dict[str, Counterexample]
    """By axiom that fails."""
    theory: dict[str, str]
    """By axiom, the reason why it holds, where there is a proof."""

    @property
    def table(self) -> pd.DataFrame:
        """The same as `to_frame()`."""
        return self.to_frame()

    def to_frame(self) -> pd.DataFrame:
        """A row per axiom: whether it `holds`, and `because`, the finding or the reason."""
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
        return (
            f"<p>Audit of {escape(self.policy)}, {self.trials:,} books of one asset each</p>"
            f"{self.to_frame().to_html()}{found}"
        )


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
