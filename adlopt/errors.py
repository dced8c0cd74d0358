"""The errors that adlopt raises."""

from __future__ import annotations


class AdlError(Exception):
    """Base of all errors raised by adlopt.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.AdlError, Exception)
    True
    """


class InputError(AdlError, ValueError):
    """Bad input: the message names the table, row and column, and what would be right.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.InputError, ValueError)
    True
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
    >>> issubclass(adl.InfeasibleReduction, ValueError)
    True
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
    >>> issubclass(adl.InfeasibleLots, ValueError)
    True
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
    >>> issubclass(adl.InfeasibleConstraints, ValueError)
    True
    """

    def __init__(self, message: str, relaxations: list[tuple[int, float]]) -> None:
        self.relaxations = relaxations
        super().__init__(message)


class NotApplicable(AdlError):
    """The chosen method cannot solve this problem; the message says why and what can.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.NotApplicable, adl.AdlError)
    True
    """


class SolverFailed(AdlError):
    """The conic solver gave no usable answer; the message has its status and likely causes.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.SolverFailed, adl.AdlError)
    True
    """


class ConservationError(AdlError, ArithmeticError):
    """In a simulation contracts or money appeared or vanished: a defect, never the user's input.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.ConservationError, ArithmeticError)
    True
    """


class ScaleWarning(UserWarning):
    """An input that is legal, but probably in another unit than meant; the message says which.

    Silence it with `warnings.simplefilter("ignore", adlopt.ScaleWarning)`.

    Examples
    --------
    >>> import adlopt as adl
    >>> issubclass(adl.ScaleWarning, UserWarning)
    True
    """
