"""Verdicts, scores and claims."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import adlopt as adl

CONDITIONS = (
    (lambda x: np.asarray(x) > 0, "it is money: more than nothing"),
    (lambda x: abs(x - 3.0) < 1e-9, "count the shorts"),
)


@pytest.mark.parametrize("answer", [..., (1.0, ...), [...], {"1": 2.0, "2": ...}])
def test_dots_are_no_answer(answer: object) -> None:
    verdict = adl.teaching.check(answer, *CONDITIONS)
    assert not verdict.answered
    assert not verdict.passed
    assert repr(verdict).startswith("Not answered yet")


def test_right_answer_passes() -> None:
    verdict = adl.teaching.check(3.0, *CONDITIONS)
    assert verdict.answered
    assert verdict.passed
    assert repr(verdict) == "Right."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(-3.0, "more than nothing"), (4.0, "count the shorts"), (np.array([3, 0]), "more")],
)
def test_first_failing_condition_gives_its_hint(answer: object, hint: str) -> None:
    verdict = adl.teaching.check(answer, *CONDITIONS)
    assert verdict.answered
    assert not verdict.passed
    assert hint in repr(verdict)


def test_answer_of_another_kind_fails_with_hint_and_reason() -> None:
    verdict = adl.teaching.check("three", (lambda x: x - 3 == 0, "a number is wanted"))
    assert not verdict.passed
    assert "a number is wanted" in verdict.text
    assert "TypeError" in verdict.text


def test_nothing_is_asked_of_an_open_answer() -> None:
    adl.teaching.check(..., (lambda x: pytest.fail("asked"), ""))


def test_score_is_json_in_the_output_and_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = adl.teaching.check(3.0, *CONDITIONS, name="9.1", max_score=2.0)
    assert json.loads(right.to_json()) == {
        "name": "9.1",
        "answered": True,
        "passed": True,
        "text": "Right.",
        "score": 2.0,
        "max_score": 2.0,
    }
    bundle = right._repr_mimebundle_()
    assert bundle["text/plain"] == "Right."
    assert bundle[adl.teaching.SCORE_MIME]["score"] == 2.0
    assert not list(tmp_path.iterdir())

    path = tmp_path / "scores.json"
    monkeypatch.setenv("ADLOPT_SCORE_FILE", str(path))
    adl.teaching.check(3.0, *CONDITIONS)  # without a name there is no entry
    assert not path.exists()
    adl.teaching.check(..., *CONDITIONS, name="9.1")
    adl.teaching.check(4.0, *CONDITIONS, name="9.2")
    adl.teaching.check(3.0, *CONDITIONS, name="9.1")
    scores = json.loads(path.read_text(encoding="utf-8"))
    assert {name: entry["score"] for name, entry in scores.items()} == {"9.1": 1.0, "9.2": 0.0}
    assert [one.name for one in tmp_path.iterdir()] == ["scores.json"]


def test_a_claim_prints_one_line_or_fails(capsys: pytest.CaptureFixture[str]) -> None:
    adl.teaching.claim("all equal", np.array([True, True]))
    assert capsys.readouterr().out == "✓ all equal\n"
    with pytest.raises(AssertionError, match="does not hold: some are not"):
        adl.teaching.claim("some are not", [True, False])
    assert capsys.readouterr().out == "✗ some are not\n"


@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        (84, 84.0, True),
        (84.04, 84.0, True),
        (84.06, 84.0, False),
        (0.923, 0.92343, True),
        (0.924, 0.92343, False),
        (-265, -265.44, True),
        (1e-9, 0.0, True),
        (0.01, 0.0, False),
        ([0.4, 0.6], [0.4, 0.6000001], True),
        ([0.4], [0.4, 0.6], False),
    ],
)
def test_three_digits_are_enough(answer: object, right: object, same: bool) -> None:
    assert adl.teaching.agrees(answer, right) == same


def test_whole_numbers() -> None:
    assert adl.teaching.is_whole({"a": 3, "b": 7.0000001}.values())
    assert adl.teaching.is_whole(4)
    assert not adl.teaching.is_whole([3.02, 6.98])
    with pytest.raises((TypeError, ValueError)):
        adl.teaching.is_whole(["three"])
