"""The errors that adlopt raises."""

from __future__ import annotations


class AdlError(Exception):
    """Base of all errors raised by adlopt.

    Examples
    --------
    >>> import adlopt as adl
    >>> try:
    ...     adl.Problem(adl.examples.paper_book(), {"BTC": -40.0})
    ... except adl.AdlError as error:  # InfeasibleReduction is one of them
    ...     print(type(error).__name__)
    InfeasibleReduction
    """


class InputError(AdlError, ValueError):
    """Bad input: the message names the table, row and column, and what would be right.

    Examples
    --------
    >>> import adlopt as adl
    >>> try:
    ...     adl.CVaR(1.2)
    ... except adl.InputError as error:
    ...     print(error)
    CVaR: the level is 1.2; it must lie in [0, 1)
    """


class InfeasibleReduction(AdlError, ValueError):
    """More is to be reduced than the eligible positions hold.

    Attributes
    ----------
    shortfalls : list of (asset, required, available)
        In contracts, both unsigned.

    Examples
    --------
    >>> import adlopt as adl
    >>> try:
    ...     adl.Problem(adl.examples.paper_book(), {"BTC": -40.0})
    ... except adl.InfeasibleReduction as error:
    ...     print(error.shortfalls)
    [('BTC', 40.0, 33.0)]
    """

    def __init__(self, shortfalls: list[tuple[str, float, float]]) -> None:
        self.shortfalls = shortfalls
        lines = [
            f"{asset}: required {required:.12g} contracts, available {available:.12g}"
            for asset, required, available in shortfalls
        ]
        super().__init__(
            "the reduction is larger than the eligible open interest of solvent accounts "
            f"({'; '.join(lines)}); reduce less, loosen the caps, or check the sign: a negative "
            "reduction takes from shorts"
        )


class InfeasibleLots(AdlError, ValueError):
    """No whole lots make up the reduction.

    Attributes
    ----------
    nearest : list of (asset, required, nearest)
        In contracts, both unsigned: what is required, and the nearest that whole lots make up.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> try:
    ...     adl.round_to_lots(problem, adl.solve(problem), lots={"BTC": 4.0})
    ... except adl.InfeasibleLots as error:
    ...     print(error.nearest)
    [('BTC', 10.0, 8.0)]
    """

    def __init__(self, nearest: list[tuple[str, float, float]]) -> None:
        self.nearest = nearest
        lines = [
            f"{asset}: required {required:.12g} contracts, nearest {near:.12g}"
            for asset, required, near in nearest
        ]
        super().__init__(
            "no whole lots make up the reduction; require the nearest possible "
            f"({'; '.join(lines)})"
        )


class InfeasibleConstraints(AdlError, ValueError):
    """No allocation meets the user's constraints.

    Attributes
    ----------
    relaxations : list of (number, parameter)
        What would do, one constraint at a time with the others kept: the number of the constraint,
        from 1, and the least parameter that is feasible (for the constraints of
        `adlopt.constraints`), or else the least excess relative to its size.

    Examples
    --------
    >>> import adlopt as adl
    >>> try:
    ...     adl.solve(adl.examples.paper_problem(64), constraints="at-most-fraction:0.2")
    ... except adl.InfeasibleConstraints as error:
    ...     ((number, fraction),) = error.relaxations
    >>> number, round(fraction, 3)
    (1, 0.303)
    """

    def __init__(self, message: str, relaxations: list[tuple[int, float]]) -> None:
        self.relaxations = relaxations
        super().__init__(message)


class NotApplicable(AdlError):
    """The chosen method cannot solve this problem; the message says why and what can.

    Examples
    --------
    >>> import adlopt as adl
    >>> try:
    ...     adl.solve(adl.examples.paper_problem(), "water_filling")
    ... except adl.NotApplicable as error:
    ...     print(str(error).partition(":")[0])
    water_filling
    """


class SolverFailed(AdlError):
    """The conic solver gave no usable answer; the message has its status and likely causes.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64).with_changes(objective="entropic:0.001")
    >>> try:
    ...     adl.solve(problem, "conic", solver="HIGHS")  # has no exponential cones
    ... except adl.SolverFailed as error:
    ...     print(str(error).partition(".")[0])
    HIGHS: The solver HIGHS cannot solve this problem
    """


class ConservationError(AdlError, ArithmeticError):
    """In a simulation contracts or money appeared or vanished: a defect, never the user's input.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> try:
    ...     crash = adl.simulate(book, path, adl.policies.ProRata())
    ... except adl.ConservationError as error:
    ...     print(f"please report: {error}")
    >>> len(crash.steps)
    4
    """


class ScaleWarning(UserWarning):
    """An input that is legal, but probably in another unit than meant; the message says which.

    Silence it with `warnings.simplefilter("ignore", adlopt.ScaleWarning)`.

    Examples
    --------
    >>> import adlopt as adl
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = adl.LogNormal({"BTC": 60, "ETH": 75})  # per cent, where 0.6 is meant
    ...     problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=model)
    >>> {warning.category.__name__ for warning in caught}
    {'ScaleWarning'}
    """
