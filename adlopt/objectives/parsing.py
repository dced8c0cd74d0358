"""Objectives from text, such as "cvar:0.99" or "expected-loss + 0.5*evar:0.95".

Python, problem files and the command line share this grammar:

    objective = term { "+" term }
    term      = [ factor "*" ] name [ ":" parameter { "," parameter } ]
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.objectives.chi_square import ChiSquareRobust
from adlopt.objectives.cvar import CVaR
from adlopt.objectives.entropic import Entropic
from adlopt.objectives.evar import EVaR
from adlopt.objectives.expected_loss import ExpectedLoss
from adlopt.objectives.expectile import Expectile
from adlopt.objectives.protocol import Objective
from adlopt.objectives.semideviation import Semideviation
from adlopt.objectives.worst_case import WorstCase

BY_NAME: dict[str, Callable[..., Objective]] = {
    "expected-loss": ExpectedLoss,
    "cvar": CVaR,
    "evar": EVaR,
    "entropic": Entropic,
    "expectile": Expectile,
    "semideviation": Semideviation,
    "chi-square": ChiSquareRobust,
    "worst-case": WorstCase,
}
"""Constructors by name; the parameters after the colon are passed on as numbers."""


def parse_objective(text: str, *, what: str = "objective") -> Objective:
    """The objective that a text describes.

    Parameters
    ----------
    text : str
        A name, with parameters after a colon, or a sum of such terms, each with a factor if need
        be. Upper case and "_" are accepted. A mixture of CVaRs is a sum:
        "0.3*cvar:0.5 + 0.7*cvar:0.9".
    what : str
        How messages name the input.

    Returns
    -------
    Objective

    Raises
    ------
    InputError
        A name is unknown, or a parameter is missing, superfluous or out of its range.

    Examples
    --------
    >>> from adlopt.objectives.parsing import parse_objective
    >>> parse_objective("cvar:0.99")
    CVaR(level=0.99)
    >>> print(parse_objective("expected-loss + 0.5*semideviation:1,2"))
    ExpectedLoss() + 0.5 * Semideviation(c=1.0, order=2)
    """
    if not isinstance(text, str):
        raise InputError(f"{what}: expected text such as 'cvar:0.99', got {text!r}")
    # The plus sign of a number such as 1e+3 separates nothing.
    parts = re.split(r"(?<!\d[eE])\+", text)
    terms = [_term(part.strip(), what) for part in parts]
    return sum(terms[1:], start=terms[0])


def _term(text: str, what: str) -> Objective:
    factor, times, measure = text.rpartition("*")
    name, colon, parameters = (part.strip() for part in measure.partition(":"))
    constructor = BY_NAME.get(name.lower().replace("_", "-"))
    if constructor is None:
        raise InputError(
            f"{what}: {text!r} is unknown; use {', '.join(BY_NAME)}, with parameters as in "
            "cvar:0.99, or a sum of them"
        )
    arguments = [
        validation.read_number(f"{what}, {name}", part.strip())
        for part in (parameters.split(",") if colon else [])
    ]
    try:
        inspect.signature(constructor).bind(*arguments)
    except TypeError:
        wanted = "fewer numbers" if arguments else "a number after a colon, such as cvar:0.99"
        if constructor in (ExpectedLoss, WorstCase):
            wanted = "no number"
        raise InputError(f"{what}: {name} takes {wanted}") from None
    objective = constructor(*arguments)
    return (
        validation.read_number(f"{what}, factor", factor.strip()) * objective
        if times
        else objective
    )
