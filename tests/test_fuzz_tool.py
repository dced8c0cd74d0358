"""The fuzzing program runs, repeats a trial by its seed, and reports findings."""

from __future__ import annotations

from collections import Counter

import pytest

import adlopt as adl
from tests.typed import priced
from tools import fuzz
from tools.fuzz_commands import Finding


def test_a_few_trials_of_each_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz", "--count", "12", "--seed", "5"])
    assert fuzz.main() == 0
    printed = capsys.readouterr().out
    assert "12 trials from seed 5, 0 findings" in printed
    for kind in fuzz.KINDS:
        assert f"  {kind}: " in printed


@pytest.mark.parametrize("error", [Finding("wrong"), ZeroDivisionError("by zero")])
def test_findings_are_printed_with_their_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(seed: int) -> None:
        raise error

    monkeypatch.setitem(fuzz.KINDS, "solve", fail)
    monkeypatch.setattr("sys.argv", ["fuzz", "--only", "solve", "--seed", "41", "--count", "1"])
    assert fuzz.main() == 1
    assert "tools/fuzz.py --only solve --seed 41 --count 1" in capsys.readouterr().out


def test_refusals_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seed: int) -> None:
        raise adl.InputError("no")

    monkeypatch.setitem(fuzz.KINDS, "solve", refuse)
    counts: Counter[str] = Counter()
    assert fuzz.trial("solve", 1, counts)
    assert counts == {"solve: refused, InputError": 1}


def test_a_wrong_value_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference notices an optimum that is one percent too high."""
    solve = adl.solve

    def wrong(problem: adl.Problem, method: str = "auto") -> adl.Solution:
        import dataclasses

        solution = priced(solve(problem, method))
        return dataclasses.replace(solution, value=1.01 * solution.value, gap=0.0)

    monkeypatch.setattr(adl, "solve", wrong)
    findings = 0
    for seed in range(8):
        try:
            fuzz.fuzz_solve(seed)
        except Finding:
            findings += 1
        except adl.AdlError:
            pass
    assert findings
