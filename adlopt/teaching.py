"""Exercises that check themselves: what the teaching notebooks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Claim = tuple[Callable[[Any], object], str]


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says of an answer; a notebook shows its text."""

    answered: bool
    passed: bool
    text: str

    def __repr__(self) -> str:
        return self.text


def check(answer: object, *claims: Claim) -> Verdict:
    """Judge the answer to an exercise.

    Parameters
    ----------
    answer : whatever the exercise asks for; Ellipsis, or a tuple, list or mapping that holds one,
        is no answer yet.
    claims : pairs of a condition on the answer and the hint to give where it fails. They are tried
        in order, the first
        that fails decides. A condition may return an array, all of which must be true; one that
        raises has failed.
    """
    if _open(answer):
        return Verdict(
            False,
            False,
            "Not answered yet: replace the dots in the cell above and run it, then this one again.",
        )
    for condition, hint in claims:
        try:
            holds, why = bool(np.all(np.asarray(condition(answer)))), ""
        except Exception as error:  # an answer may be anything at all
            holds, why = False, f" ({type(error).__name__}: {error})"
        if not holds:
            return Verdict(True, False, f"Not yet. Hint: {hint}{why}")
    return Verdict(True, True, "Right.")


def _open(answer: object) -> bool:
    if isinstance(answer, Mapping):
        return any(_open(part) for part in answer.values())
    if isinstance(answer, tuple | list):
        return any(_open(part) for part in answer)
    return answer is ...
