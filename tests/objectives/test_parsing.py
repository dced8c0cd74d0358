"""Objectives from text: the same spellings in Python, problem files and on the command line."""

from __future__ import annotations

import pytest

import adlopt as adl
from adlopt.objectives import parse_objective


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("cvar:0.99", adl.CVaR(0.99)),
        ("CVaR: 0.99 ", adl.CVaR(0.99)),
        ("expected-loss", adl.ExpectedLoss()),
        ("expected_loss", adl.ExpectedLoss()),
        ("worst-case", adl.WorstCase()),
        ("semideviation:1,2", adl.Semideviation(1.0, 2)),
        ("semideviation:0.5", adl.Semideviation(0.5, 1)),
        ("entropic:1e+3", adl.Entropic(1e3)),
        ("entropic:1e-9", adl.Entropic(1e-9)),
        ("chi-square:2", adl.ChiSquareRobust(2.0)),
        ("expectile:.8", adl.Expectile(0.8)),
        ("0.3*cvar:0.5 + 0.7*cvar:0.9", 0.3 * adl.CVaR(0.5) + 0.7 * adl.CVaR(0.9)),
        ("1e+1*evar:0.9+expected-loss", 10 * adl.EVaR(0.9) + adl.ExpectedLoss()),
    ],
)
def test_texts(text: str, objective: adl.Objective) -> None:
    assert parse_objective(text) == objective


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cvar", "cvar takes a number after a colon"),
        ("worst-case:1", "worst-case takes no number"),
        ("cvar:0.9,2", "cvar takes fewer numbers"),
        ("cvar:x", "cvar: 'x' is not a number"),
        ("cvar:1", "must lie in"),
        ("", "is unknown; use expected-loss"),
        ("cvar:0.9 +", "is unknown"),
        ("x*cvar:0.9", "factor: 'x' is not a number"),
        ("-1*cvar:0.9", "factor -1.* must be finite and >= 0"),
        ("median:0.5", "'median:0.5' is unknown"),
        (5, "expected text such as"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(adl.InputError, match=f"--objective.*{reason}|{reason}"):
        parse_objective(text, what="--objective")
