"""The verdicts that exercises give."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl

CLAIMS = (
    (lambda x: np.asarray(x) > 0, "it is money: more than nothing"),
    (lambda x: abs(x - 3.0) < 1e-9, "count the shorts"),
)


@pytest.mark.parametrize("answer", [..., (1.0, ...), [...], {"1": 2.0, "2": ...}])
def test_dots_are_no_answer(answer):
    verdict = adl.teaching.check(answer, *CLAIMS)
    assert not verdict.answered
    assert not verdict.passed
    assert repr(verdict).startswith("Not answered yet")


def test_right_answer_passes():
    verdict = adl.teaching.check(3.0, *CLAIMS)
    assert verdict.answered
    assert verdict.passed
    assert repr(verdict) == "Right."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(-3.0, "more than nothing"), (4.0, "count the shorts"), (np.array([3, 0]), "more")],
)
def test_first_broken_claim_gives_its_hint(answer, hint):
    verdict = adl.teaching.check(answer, *CLAIMS)
    assert verdict.answered
    assert not verdict.passed
    assert hint in repr(verdict)


def test_answer_of_another_kind_fails_with_hint_and_reason():
    verdict = adl.teaching.check("three", (lambda x: x - 3 == 0, "a number is wanted"))
    assert not verdict.passed
    assert "a number is wanted" in verdict.text
    assert "TypeError" in verdict.text


def test_nothing_is_asked_of_an_open_answer():
    adl.teaching.check(..., (lambda x: pytest.fail("asked"), ""))
