"""Search for violations of axioms and shrink them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.axioms.axiom import Axiom, Exhibit, Finding, Rule
from adlopt.axioms.definitions import AXIOMS, Anonymous
from adlopt.axioms.report import Audit, Counterexample, Step
from adlopt.axioms.small_books import ASSET, SmallBook, simplifications, small_books, taken
from adlopt.policies.protocol import AnyPolicy, name_of
from adlopt.policies.queues import ScoreQueue
from adlopt.policies.reading import as_policy

ORDER = Anonymous()
VISIBLE = 0.01  # of the requirement: smaller violations are the worse counterexamples


def audit(policy: AnyPolicy | str, *, trials: int = 200, seed: int = 0) -> Audit:
    """Search for violations of ten axioms by a rule, on small books of one asset.

    Books have two to six accounts. Half of them have round numbers, with ties; the rest are random.
    A violation is shrunk: accounts are left out and numbers rounded as long as it persists.

    Parameters
    ----------
    policy : Policy, its name, object with `allocate(problem)` or callable
        It is asked some forty times for each trial.
    trials : int, default 200
        Books for each axiom.
    seed : int, default 0
        Of the random books.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        `trials` or `seed` is not a whole number, or the policy does not return an allocation.

    Examples
    --------
    >>> import adlopt as adl
    >>> report = adl.audit(adl.policies.ProRata(), trials=20)
    >>> [axiom for axiom, holds in report.holds.items() if not holds]
    ['leverage priority']
    """
    rule = as_policy(policy)
    validation.require_integer("audit: trials", trials, 1)
    validation.require_integer("audit: seed", seed, 0)
    found: dict[str, Counterexample] = {}
    for index, axiom in enumerate(AXIOMS):
        counterexample = _search(rule, axiom, int(trials), np.random.default_rng([seed, index]))
        if counterexample is not None:
            found[axiom.name] = counterexample
    theory = getattr(rule, "theory", {})
    return Audit(
        policy=name_of(rule),
        trials=int(trials),
        seed=seed,
        holds={axiom.name: axiom.name not in found for axiom in AXIOMS},
        counterexamples=found,
        theory=dict(theory) if isinstance(theory, Mapping) else {},
    )


def _search(
    policy: AnyPolicy, axiom: Axiom, trials: int, rng: np.random.Generator
) -> Counterexample | None:
    def rule(book: SmallBook) -> Any:
        return taken(policy, book)

    found: tuple[SmallBook, Any, Finding] | None = None
    for book in small_books(rng, trials):
        for tried, change in axiom.changes(rule, book, rng):
            finding = axiom.violated(rule, tried, change)
            if finding is None:
                continue
            clear = finding.size >= VISIBLE and _free_of_ties(axiom, rule, finding)
            if clear or found is None:
                found = tried, change, finding
            if clear:
                return _counterexample(policy, axiom, _shrunk(axiom, rule, *found))
    return None if found is None else _counterexample(policy, axiom, _shrunk(axiom, rule, *found))


def _free_of_ties(axiom: Axiom, rule: Rule, finding: Finding) -> bool:
    """Whether the order of rows decides nothing in the books shown: that would be the failure of
    another axiom.
    """
    return not axiom.ignore_ties or all(
        ORDER.violated(rule, shown.book, "rows") is None for shown in finding.shown
    )


def _shrunk(axiom: Axiom, rule: Rule, book: SmallBook, change: Any, finding: Finding) -> Finding:
    """The finding of a simplifications book, as long as one is left that shows it."""
    enough = min(finding.size, VISIBLE)
    keep = axiom.protected_accounts(change)
    clean = _free_of_ties(axiom, rule, finding)
    progress = True
    while progress:
        progress = False
        for candidate in simplifications(book, keep):
            if candidate == book or not candidate.possible:
                continue
            smaller = axiom.violated(rule, candidate, change)
            if (
                smaller is not None
                and smaller.size >= enough
                and not (clean and not _free_of_ties(axiom, rule, smaller))
            ):
                book, finding, progress = candidate, smaller, True
                break
    return finding


def _counterexample(policy: AnyPolicy, axiom: Axiom, finding: Finding) -> Counterexample:
    return Counterexample(
        axiom.name, axiom.promise, finding.text, tuple(_step(policy, one) for one in finding.shown)
    )


def _step(policy: AnyPolicy, shown: Exhibit) -> Step:
    book = shown.book
    size = np.array(book.size)
    side = np.sign(book.required)
    columns: dict[str, Any] = {
        "account": book.account,
        "asset": ASSET,
        "size": size,
        "entry_price": book.entry,
        "equity": book.equity,
        "leverage": book.leverage,
    }
    if isinstance(policy, ScoreQueue):
        problem = book.problem
        score = np.full(size.size, np.nan)
        score[problem.pool] = policy.scores(problem)
        columns["score"] = score + 0.0  # no negative zeros
    remaining = size - side * shown.taken
    columns |= {
        "reduction": side * shown.taken + 0.0,
        "remaining": remaining,
        "leverage_after": np.abs(remaining) * book.mark / np.array(book.equity),
    }
    return Step(
        shown.label,
        pd.DataFrame(columns),
        {ASSET: book.mark},
        {ASSET: book.required},
        book.prices,
    )
