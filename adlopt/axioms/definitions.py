"""The axioms, each as a change to a book and what the rule must then do. All amounts are contracts,
unsigned.

A `Finding` is a violation: its size relative to the requirement, in words, and the scenes that show
it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.axioms.small_books import CALM, CRASH, WILD, Scene, significant
from adlopt.errors import NotApplicable

Rule = Callable[[Scene], FloatArray]

TOLERANCE = 1e-6  # of the requirement, or of a leverage
JUMP = 1e-3  # of the requirement: what is left of a jump when its cause has all but vanished
VANISHING = (1e-3, 1e-6, 1e-9)


class Shown(NamedTuple):
    """A scene of a counterexample, and what the rule took there."""

    label: str
    scene: Scene
    taken: FloatArray


class Finding(NamedTuple):
    size: float
    text: str
    shown: tuple[Shown, ...]


class Axiom(ABC):
    """A promise; `changes` proposes what could break it in a scene, `violated` looks."""

    name: str
    promise: str
    ties_aside: bool = True
    """Whether a counterexample in which the order of rows decides is the worse one."""

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        """Scenes and changes to try; by default the scene as it is."""
        yield scene, None

    @abstractmethod
    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        """A violation, if it is larger than rounding."""

    def concerned(self, change: Any) -> set[str]:
        """Accounts without which the change makes no sense."""
        return set()


def different(
    scene: Scene, before: FloatArray, after: FloatArray, lead: str, shown: tuple[Shown, ...]
) -> Finding | None:
    """A finding if amounts by account differ."""
    size = float(np.abs(after - before).max() / abs(scene.required))
    if size <= TOLERANCE:
        return None
    moved = [
        f"{name} gives {contracts(b)} before and {contracts(a)} after"
        for name, b, a in zip(scene.account, before, after, strict=True)
        if abs(a - b) > TOLERANCE * abs(scene.required)
    ]
    return Finding(size, f"{lead} {'; '.join(moved)}.", shown)


def contracts(amount: float) -> str:
    return f"{amount + 0.0:.6g}"


class Feasible(Axiom):
    name = "feasible"
    promise = "amounts between 0 and the position, sum as required"

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        yield scene, None
        yield replace(scene, required=float(np.sign(scene.required) * scene.eligible.sum())), None

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        took, required = rule(scene), abs(scene.required)
        unmet = abs(took.sum() - required) / required
        over = float(np.maximum(took - scene.eligible, -took).max()) / required
        if max(unmet, over) <= TOLERANCE:
            return None
        text = f"It takes {contracts(took.sum())} of {contracts(required)} contracts"
        if over > TOLERANCE:
            at = int(np.argmax(np.maximum(took - scene.eligible, -took)))
            text += f", and {contracts(took[at])} of the {contracts(scene.eligible[at])} that {scene.account[at]} may give"
        return Finding(max(unmet, over), text + ".", (Shown("as it is", scene, took),))


class WashTrade(Axiom):
    name = "wash-trade resistant"
    promise = "closing and reopening at the mark changes nothing"

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        for name, own in zip(scene.account, scene.eligible, strict=True):
            if own > 0:
                yield scene, name

    def concerned(self, change: Any) -> set[str]:
        return {change}

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        washed = scene.with_number("entry", scene.at(change), scene.mark)
        before, after = rule(scene), rule(washed)
        lead = f"{change} closes and reopens at the mark: entry price {contracts(scene.mark)}, size and equity as before."
        return different(
            scene,
            before,
            after,
            lead,
            (Shown("before", scene, before), Shown("after", washed, after)),
        )


class Sybil(Axiom):
    name = "Sybil resistant"
    promise = "no split of size and equity over several accounts lowers what their owner gives"
    PARTS = (0.1, 0.25, 0.5, 0.75, 0.9)

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        owners = [name for name, own in zip(scene.account, scene.eligible, strict=True) if own > 0]
        for _ in range(4):
            part, equity = rng.choice(self.PARTS, 2)
            yield scene, (str(rng.choice(owners)), float(part), float(equity))

    def concerned(self, change: Any) -> set[str]:
        return {change[0]}

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        owner, part, equity = change
        row = scene.at(owner)
        split = replace(
            scene,
            account=(*scene.account[:row], f"{owner}1", *scene.account[row + 1 :], f"{owner}2"),
            size=(
                *scene.size[:row],
                scene.size[row] * part,
                *scene.size[row + 1 :],
                scene.size[row] * (1 - part),
            ),
            entry=(*scene.entry, scene.entry[row]),
            equity=(
                *scene.equity[:row],
                scene.equity[row] * equity,
                *scene.equity[row + 1 :],
                scene.equity[row] * (1 - equity),
            ),
        )
        before, after = rule(scene), rule(split)
        together = float(after[row] + after[-1])
        size = (before[row] - together) / abs(scene.required)
        if size <= TOLERANCE:
            return None
        text = (
            f"{owner} moves {1 - part:.0%} of its position and {1 - equity:.0%} of its equity to a second account, and gives "
            f"{contracts(together)} ({contracts(after[row])} + {contracts(after[-1])}) instead of {contracts(before[row])}."
        )
        return Finding(
            size, text, (Shown("one account", scene, before), Shown("two accounts", split, after))
        )


class PathIndependent(Axiom):
    name = "path-independent"
    promise = "Q1 and then Q2 gives what Q1 + Q2 gives at once"

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        yield scene, float(rng.choice([0.25, 0.5, 0.75]))

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        at_once = rule(scene)
        first = replace(scene, required=change * scene.required)
        took = rule(first)
        if abs(took.sum() - abs(first.required)) > TOLERANCE * abs(first.required):
            return None  # another axiom's business
        left = np.where(took >= scene.eligible * (1 - TOLERANCE), 0.0, scene.eligible - took)
        rows = [at for at in range(len(scene.account)) if left[at] > 0 or scene.eligible[at] == 0]
        size = tuple(
            float(np.sign(value) * (left[at] or abs(value))) for at, value in enumerate(scene.size)
        )
        second = replace(scene, size=size, required=scene.required - first.required).take(rows)
        if not second.possible:
            return None
        then = rule(second)
        both = took.copy()
        both[rows] += then
        shown = (
            Shown("at once", scene, at_once),
            Shown("first", first, took),
            Shown("then", second, then),
        )
        found = different(scene, at_once, both, "", shown)
        if found is None:
            return None
        text = (
            found.text.replace(" before and ", " at once and ")
            .replace(" after", " in two steps")
            .strip()
        )
        return found._replace(text=text)


class LeveragePriority(Axiom):
    name = "leverage priority"
    promise = "whoever is reduced ends at no less leverage than anybody who could still give"

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        took = rule(scene)
        left = scene.eligible - took
        after = left * scene.mark / np.array(scene.equity)
        hit = np.flatnonzero(took > TOLERANCE * abs(scene.required))
        able = np.flatnonzero(left > TOLERANCE * scene.eligible)
        if hit.size == 0 or able.size == 0:
            return None
        low, high = hit[np.argmin(after[hit])], able[np.argmax(after[able])]
        size = float((after[high] - after[low]) / max(after[high], 1e-300))
        if size <= TOLERANCE:
            return None
        text = (
            f"{scene.account[low]} is reduced by {contracts(took[low])} to leverage {contracts(after[low])}, while "
            f"{scene.account[high]}, who could still give {contracts(left[high])}, stands at {contracts(after[high])}."
        )
        return Finding(size, text, (Shown("as it is", scene, took),))


class Monotone(Axiom):
    name = "monotone"
    promise = "the fraction taken does not fall as leverage rises"

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        took = rule(scene)
        rows = np.flatnonzero(scene.eligible > 0)
        leverage, fraction = scene.leverage[rows], took[rows] / scene.eligible[rows]
        rises = leverage[:, None] > leverage * (1 + TOLERANCE)
        drop = np.where(rises, fraction - fraction[:, None], 0.0)
        high, low = np.unravel_index(int(np.argmax(drop)), drop.shape)
        size = float(drop[high, low])
        if size <= TOLERANCE:
            return None
        text = (
            f"{scene.account[rows[high]]} at leverage {contracts(leverage[high])} gives {fraction[high]:.6g} of its position, "
            f"{scene.account[rows[low]]} at {contracts(leverage[low])} gives {fraction[low]:.6g}."
        )
        return Finding(size, text, (Shown("as it is", scene, took),))


class Anonymous(Axiom):
    name = "anonymous"
    promise = "neither names nor the order of rows matter"
    ties_aside = False

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        yield scene, "rows"
        yield scene, "names"

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        before = rule(scene)
        if change == "rows":
            other = scene.take(list(range(len(scene.account)))[::-1])
            after, lead = rule(other)[::-1], "The same accounts, listed in reverse:"
        else:
            other = replace(
                scene, account=tuple(chr(ord("Z") - at) for at in range(len(scene.account)))
            )
            after, lead = rule(other), "The same accounts, named Z, Y, ... instead of A, B, ...:"
        took = after[::-1] if change == "rows" else after
        return different(
            scene,
            before,
            after,
            lead,
            (Shown("before", scene, before), Shown("after", other, took)),
        )


class ScaleInvariant(Axiom):
    name = "scale-invariant"
    promise = "the units of money and of contracts do not matter"
    POWERS = (0.25, 4.0, 1 / 1024, 1024.0)  # of two, so that only the unit changes and no rounding

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        yield scene, ("money", float(rng.choice(self.POWERS)))
        yield scene, ("contracts", float(rng.choice(self.POWERS)))

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        unit, factor = change
        money, amount = (factor, 1.0) if unit == "money" else (1.0, factor)
        price = money / amount
        other = replace(
            scene,
            size=tuple(value * amount for value in scene.size),
            entry=tuple(value * price for value in scene.entry),
            equity=tuple(value * money for value in scene.equity),
            mark=scene.mark * price,
            required=scene.required * amount,
        )
        before, after = rule(scene), rule(other) / amount
        lead = (
            f"All {unit} counted in a unit {1 / factor:g} times as large; amounts in the old unit:"
        )
        return different(
            scene,
            before,
            after,
            lead,
            (Shown("before", scene, before), Shown("after", other, after * amount)),
        )


class DistributionFree(Axiom):
    name = "distribution-free"
    promise = "the price model does not enter"
    MODELS = {  # noqa: RUF012  (a constant)
        "returns within 90 % instead of 10 %": WILD,
        "a crash of 50 % with probability 0.2": CRASH,
        "no price model": None,
    }

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        for words in self.MODELS:
            yield scene, words

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        other = replace(scene, prices=self.MODELS[change])
        before = rule(replace(scene, prices=CALM))
        try:
            after = rule(other)
        except NotApplicable as error:
            return Finding(
                1.0,
                f"Without a price model it has no answer: {error}.",
                (Shown("with one", scene, before),),
            )
        lead = f"Another price model, {change}:"
        return different(
            scene,
            before,
            after,
            lead,
            (Shown("before", scene, before), Shown("after", other, after)),
        )


@dataclass(frozen=True)
class _Number:
    """One number of a scene: that of an account, or the requirement."""

    field: str
    account: str

    def of(self, scene: Scene) -> float:
        return scene.number(self.field, scene.at(self.account))

    def set(self, scene: Scene, value: float) -> Scene:
        return scene.with_number(self.field, scene.at(self.account), value)

    @property
    def words(self) -> str:
        return (
            "the requirement" if self.field == "required" else f"the {self.field} of {self.account}"
        )


class Continuous(Axiom):
    name = "continuous"
    promise = "a small change of the book changes amounts a little"
    ties_aside = False
    STEPS = (0.5, 0.8, 1.25, 2.0)

    def changes(
        self, rule: Rule, scene: Scene, rng: np.random.Generator
    ) -> Iterator[tuple[Scene, Any]]:
        """Where one number moves between two values, bisect to where the amounts jump, if they
        do.
        """
        row = int(rng.choice(np.flatnonzero(scene.eligible)))
        number = _Number(
            str(rng.choice(["size", "entry", "equity", "required"])), scene.account[row]
        )
        low = number.of(scene)
        high = low * float(rng.choice(self.STEPS))
        if not (scene.possible and number.set(scene, high).possible):
            return
        at = self._jump(rule, scene, number, low, high)
        if at is not None:
            for digits in range(1, 8):
                yield number.set(scene, significant(at, digits)), number
            yield number.set(scene, at), number

    def _jump(
        self, rule: Rule, scene: Scene, number: _Number, low: float, high: float
    ) -> float | None:
        limit = JUMP * abs(scene.required)
        below, above = rule(number.set(scene, low)), rule(number.set(scene, high))
        while np.abs(above - below).max() > limit:
            middle = (low + high) / 2
            if middle in (low, high):
                return middle
            between = rule(number.set(scene, middle))
            if np.abs(between - below).max() >= np.abs(above - between).max():
                high, above = middle, between
            else:
                low, below = middle, between
        return None

    def concerned(self, change: Any) -> set[str]:
        return {change.account}

    def violated(self, rule: Rule, scene: Scene, change: Any) -> Finding | None:
        """A jump across the number that is as large for a billionth of it as for a thousandth."""
        value = change.of(scene)
        jumps, pairs = [], []
        for share in VANISHING:
            below, above = (change.set(scene, value * (1 + sign * share)) for sign in (-1, 1))
            if not (below.possible and above.possible):
                return None
            pairs.append((below, rule(below), above, rule(above)))
            jumps.append(float(np.abs(pairs[-1][3] - pairs[-1][1]).max()))
        smallest = jumps[-1] / abs(scene.required)
        if smallest <= JUMP or jumps[-1] < 0.5 * jumps[0]:
            return None
        below, before, above, after = pairs[0]
        sizes = ", ".join(contracts(jump) for jump in jumps)
        lead = (
            f"As {change.words} passes {value:.10g}, amounts jump: by {sizes} contracts across 0.1 %, a millionth and a "
            "billionth of it to either side. Across 0.1 %:"
        )
        shown = (Shown("just below", below, before), Shown("just above", above, after))
        return different(scene, before, after, lead, shown)._replace(size=smallest)  # type: ignore[union-attr]


AXIOMS: tuple[Axiom, ...] = (
    Feasible(),
    WashTrade(),
    Sybil(),
    PathIndependent(),
    LeveragePriority(),
    Monotone(),
    Anonymous(),
    ScaleInvariant(),
    DistributionFree(),
    Continuous(),
)
