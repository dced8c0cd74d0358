"""Claims and exercises of the teaching notebooks: one visible line, a hint, a score."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Condition = tuple[Callable[[Any], object], str]

SCORE_FILE = "ADLOPT_SCORE_FILE"
"""Environment variable: the JSON file in which `check` keeps the scores of named exercises."""
SCORE_MIME = "application/vnd.adlopt.score+json"
"""Type under which a notebook stores the score of a check in its output."""
DIGITS = 3  # significant digits that an answer needs


@dataclass(frozen=True, repr=False)
class Verdict:
    """The result of a check. A notebook shows its text and stores its score as JSON.

    Examples
    --------
    >>> import adlopt as adl
    >>> verdict = adl.teaching.Verdict(answered=True, passed=True, text="Right.")
    >>> verdict, verdict.score
    (Right., 1.0)
    """

    answered: bool
    """False as long as the answer holds dots."""
    passed: bool
    """Whether the answer is right."""
    _: KW_ONLY
    text: str
    """What the notebook shows."""
    name: str | None = None
    """Name of the exercise."""
    max_score: float = 1.0
    """Score of a right answer."""

    @property
    def score(self) -> float:
        """`max_score` if the answer is right, otherwise 0."""
        return self.max_score if self.passed else 0.0

    def to_json(self) -> str:
        """The score as JSON: name, answered, passed, score, max_score, text."""
        return json.dumps(self._record(), ensure_ascii=False)

    def _record(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score}

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text, SCORE_MIME: self._record()}


def check(
    answer: object, *conditions: Condition, name: str | None = None, max_score: float = 1.0
) -> Verdict:
    """Judge the answer to an exercise.

    Parameters
    ----------
    answer : object
        What the exercise asks for. Ellipsis, or a tuple, list or mapping that holds one, is no
        answer yet.
    *conditions : pairs of callable and str
        A condition on the answer and the hint to give if it fails. They are tried in order; the
        first that fails decides. A condition may return an array, all of which must be true; one
        that raises has failed, and the verdict says with which error.
    name : str, optional
        Name of the exercise, such as "4.2". With it, the score is also written to the JSON file
        that the environment variable ADLOPT_SCORE_FILE names, one entry for each name.
    max_score : float, default 1
        Score of a right answer.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.teaching.check(2.0, (lambda x: x > 0, "it is positive."), (lambda x: x > 3, "more."))
    Not yet. Hint: more.
    >>> adl.teaching.check(..., (lambda x: x > 0, "it is positive.")).answered
    False
    """
    verdict = _judge(answer, conditions, name, max_score)
    path = os.environ.get(SCORE_FILE)
    if path and name is not None:
        _write_score(Path(path), verdict)
    return verdict


def _judge(
    answer: object, conditions: Iterable[Condition], name: str | None, max_score: float
) -> Verdict:
    if _is_unanswered(answer):
        text = (
            "Not answered yet: replace the dots in the cell above and run it, then run this one "
            "again."
        )
        return Verdict(False, False, text=text, name=name, max_score=max_score)
    for condition, hint in conditions:
        try:
            holds, why = bool(np.all(np.asarray(condition(answer)))), ""
        except Exception as error:  # an answer may be anything at all
            holds, why = False, f" ({type(error).__name__}: {error})"
        if not holds:
            text = f"Not yet. Hint: {hint}{why}"
            return Verdict(True, False, text=text, name=name, max_score=max_score)
    return Verdict(True, True, text="Right.", name=name, max_score=max_score)


def _write_score(path: Path, verdict: Verdict) -> None:
    """Replace the entry of this exercise in the score file."""
    scores = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    scores[str(verdict.name)] = json.loads(verdict.to_json())
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def _is_unanswered(answer: object) -> bool:
    if isinstance(answer, Mapping):
        return any(_is_unanswered(part) for part in answer.values())
    if isinstance(answer, tuple | list):
        return any(_is_unanswered(part) for part in answer)
    return answer is ...


def claim(text: str, ok: object) -> None:
    """Print one line that says what holds, after checking that it does.

    Parameters
    ----------
    text : str
        The claim, in words.
    ok : bool or array of bool
        Whether it holds; of an array, all entries must be true.

    Raises
    ------
    AssertionError
        The claim does not hold.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.teaching.claim("two and two make four", 2 + 2 == 4)
    ✓ two and two make four
    """
    if not np.all(np.asarray(ok)):
        print(f"✗ {text}")
        raise AssertionError(f"the claim does not hold: {text}")
    print(f"✓ {text}")


def agrees(answer: object, right: object, *, digits: int = DIGITS) -> bool:
    """Whether numbers agree with the right ones when rounded to so many significant digits.

    Numbers straight from a solver agree too, and so does any number more accurate than asked.
    Where the right number is zero, half a unit of that many decimals is allowed.

    Parameters
    ----------
    answer : float or array
    right : float or array
        Of the same shape.
    digits : int, default 3
        Significant digits.

    Returns
    -------
    bool

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.teaching.agrees(1.64, 23 / 14), adl.teaching.agrees(1.65, 23 / 14)
    (True, False)
    """
    given, exact = np.asarray(answer, dtype=float), np.asarray(right, dtype=float)
    if given.shape != exact.shape:
        return False
    units = [
        10.0 ** (math.floor(math.log10(abs(x))) + 1 - digits) if x else 10.0**-digits
        for x in exact.ravel()
    ]
    allowed = 0.5 * np.reshape(units, exact.shape) * (1 + 1e-9)
    return bool((np.abs(given - exact) <= allowed).all())


def is_whole(numbers: object) -> bool:
    """Whether all numbers are whole, up to a solver's rounding.

    Parameters
    ----------
    numbers : float or iterable of float

    Returns
    -------
    bool

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.teaching.is_whole([3, 7.0]), adl.teaching.is_whole([3.5, 6.5])
    (True, False)
    """
    values = np.asarray(list(numbers) if isinstance(numbers, Iterable) else numbers, dtype=float)
    return bool((np.abs(values - np.rint(values)) <= 1e-6).all())
