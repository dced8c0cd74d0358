"""Look for violations, and make those that are found as small and round as they can be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.axioms.definitions import AXIOMS, Anonymous, Axiom, Finding, Rule, Shown
from adlopt.axioms.report import Audit, Counterexample, Step
from adlopt.axioms.small_books import ASSET, Scene, scenes, simpler, taken
from adlopt.policies.protocol import AnyPolicy, name_of
from adlopt.policies.queues import ScoreQueue

ORDER = Anonymous()
VISIBLE = 0.01  # of the requirement: smaller violations are the worse counterexamples


def audit(policy: AnyPolicy, *, trials: int = 200, seed: int = 0) -> Audit:
    """Try which axioms a rule keeps, on books of one asset with two to six accounts.

    Half of the books have round numbers, ties among them; the rest are random. A violation is
    shrunk: accounts are left out
    and numbers rounded as long as it persists. Axioms: model section "What makes a rule fair".

    Parameters
    ----------
    policy : of any kind; it is asked some forty times per trial.
    trials : books per axiom.
    """
    validation.require_integer("audit: trials", trials, 1)
    validation.require_integer("audit: seed", seed, 0)
    found: dict[str, Counterexample] = {}
    for at, axiom in enumerate(AXIOMS):
        counterexample = _search(policy, axiom, int(trials), np.random.default_rng([seed, at]))
        if counterexample is not None:
            found[axiom.name] = counterexample
    theory = getattr(policy, "theory", {})
    return Audit(
        policy=name_of(policy),
        trials=int(trials),
        seed=seed,
        holds={axiom.name: axiom.name not in found for axiom in AXIOMS},
        counterexamples=found,
        theory=dict(theory) if isinstance(theory, Mapping) else {},
    )


def _search(
    policy: AnyPolicy, axiom: Axiom, trials: int, rng: np.random.Generator
) -> Counterexample | None:
    def rule(scene: Scene) -> Any:
        return taken(policy, scene)

    found: tuple[Scene, Any, Finding] | None = None
    for scene in scenes(rng, trials):
        for tried, change in axiom.changes(rule, scene, rng):
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
    return not axiom.ties_aside or all(
        ORDER.violated(rule, shown.scene, "rows") is None for shown in finding.shown
    )


def _shrunk(axiom: Axiom, rule: Rule, scene: Scene, change: Any, finding: Finding) -> Finding:
    """The finding of a simpler scene, as long as one is left that shows it."""
    enough = min(finding.size, VISIBLE)
    keep = axiom.concerned(change)
    clean = _free_of_ties(axiom, rule, finding)
    progress = True
    while progress:
        progress = False
        for candidate in simpler(scene, keep):
            if candidate == scene or not candidate.possible:
                continue
            smaller = axiom.violated(rule, candidate, change)
            if (
                smaller is not None
                and smaller.size >= enough
                and not (clean and not _free_of_ties(axiom, rule, smaller))
            ):
                scene, finding, progress = candidate, smaller, True
                break
    return finding


def _counterexample(policy: AnyPolicy, axiom: Axiom, finding: Finding) -> Counterexample:
    return Counterexample(
        axiom.name, axiom.promise, finding.text, tuple(_step(policy, one) for one in finding.shown)
    )


def _step(policy: AnyPolicy, shown: Shown) -> Step:
    scene = shown.scene
    size = np.array(scene.size)
    side = np.sign(scene.required)
    columns: dict[str, Any] = {
        "account": scene.account,
        "asset": ASSET,
        "size": size,
        "entry_price": scene.entry,
        "equity": scene.equity,
        "leverage": scene.leverage,
    }
    if isinstance(policy, ScoreQueue):
        problem = scene.problem
        score = np.full(size.size, np.nan)
        score[problem.pool] = policy.scores(problem)
        columns["score"] = score + 0.0  # no negative zeros
    remaining = size - side * shown.taken
    columns |= {
        "reduction": side * shown.taken + 0.0,
        "remaining": remaining,
        "leverage_after": np.abs(remaining) * scene.mark / np.array(scene.equity),
    }
    return Step(
        shown.label,
        pd.DataFrame(columns),
        {ASSET: scene.mark},
        {ASSET: scene.required},
        scene.prices,
    )
