"""Partial moments of a continuous distribution by piecewise integration of its density.

The real line is cut into pieces at the ends of the support, the centre, and geometrically outward
from it; each piece is halved until two Gauss-Legendre rules agree on it. Masses and moments are
summed from the outside inward, so small tail probabilities keep their digits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray

Density = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class IntegrationSettings:
    """Accuracy and effort of the piecewise integration."""

    nodes: int = 20
    """Gauss-Legendre nodes per piece: exact for polynomials of degree 39."""
    relative_error: float = 1e-11
    """Pieces are halved until the rules on a piece and on its halves differ by less than this."""
    negligible: float = 1e-250
    """Differences below this probability are ignored: near the smallest numbers of floats."""
    octaves: int = 60
    """Doublings of the distance from the centre on an infinite side, to 1e18 standard deviations;
    beyond, the tail is extrapolated as a power of the distance.
    """
    max_halvings: int = 58
    """Halvings of one piece: a jump is then enclosed as closely as floats can."""
    max_pieces: int = 50_000
    """Beyond this number the density is too rough to integrate; smooth ones take 100 to 500."""
    slowest_decay: float = 0.995
    """Largest ratio of the first moments of successive octaves that counts as a finite mean."""
    chunk: int = 2**17
    """Thresholds integrated at once: 20 MB of nodes."""


SETTINGS = IntegrationSettings()
INVERSION_STEPS = 12  # Newton steps; bisections alone would still place an edge within 1/4096


class IntegrationError(ValueError):
    """The integral did not converge; the message says in what way."""


@dataclass(frozen=True)
class Tail:
    """What lies beyond the outermost edge of one side, as seen from that edge."""

    probability: float
    excess: float  # expected distance beyond the edge
    exponent: float  # the excess falls as distance^-exponent

    def beyond(self, stretch: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability and excess beyond `stretch` >= 1 times the distance of the edge."""
        with np.errstate(over="ignore", under="ignore"):
            fall = stretch**-self.exponent
        return self.probability * fall / stretch, self.excess * fall


NO_TAIL = Tail(0.0, 0.0, np.inf)


class OneSidedMoments:
    """P(X > t) and E[(X - t)^+] for t from the first edge on, by pieces between `edges`.

    `infinite` says whether the support goes on past the last edge; distances from `centre` measure
    how the tail decays there. The other side of a distribution is this one of its mirror image.
    """

    def __init__(
        self, density: Density, edges: FloatArray, centre: float, *, infinite: bool
    ) -> None:
        self.density, self.edges, self.centre = density, edges, centre
        self.tail = self._power_tail() if infinite else NO_TAIL
        mass, moment = _integrals(density, edges[:-1], edges[1:])
        if not (np.isfinite(mass).all() and np.isfinite(moment).all()):
            raise IntegrationError("its density is not a finite number everywhere")
        inward = np.append(mass, self.tail.probability)[::-1]
        self.probability: FloatArray = np.cumsum(inward)[::-1]
        # E(X - a)^+ = E(X - b)^+ + (b - a) P(X > b) + integral of (z - a) over the piece [a, b].
        steps = np.diff(edges) * self.probability[1:] + moment
        self.excess: FloatArray = np.cumsum(np.append(steps, self.tail.excess)[::-1])[::-1]

    def _power_tail(self) -> Tail:
        """The tail beyond the last edge: a power law through the last two octaves."""
        last = float(self.edges[-1])
        distance = last - self.centre
        start = self.centre + distance * np.array([0.5, 0.25])
        mass, moment = _integrals(self.density, start, self.centre + 2.0 * (start - self.centre))
        near, far = ((start - self.centre) * mass + moment)[::-1]
        if not (far > 0.0 and near > 0.0):
            return NO_TAIL
        ratio = far / near
        if not ratio < SETTINGS.slowest_decay:
            raise IntegrationError("its tail is so heavy that the mean is not finite")
        # With a density C z^(-b - 2), first moments of octaves fall by 2^-b from one to the next.
        b = -float(np.log2(ratio))
        outer_moment = far * ratio / (1.0 - ratio)
        probability = outer_moment * b / (b + 1.0) / distance
        return Tail(probability, outer_moment - probability * distance, b)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(X > t) and E[(X - t)^+] for t at or after the first edge."""
        last = self.edges[-1]
        inside = t < last
        piece = np.searchsorted(self.edges, t[inside], side="right") - 1
        right = self.edges[piece + 1]
        mass, moment = _integrals(self.density, t[inside], right)
        probability, excess = np.zeros(t.shape), np.zeros(t.shape)
        outer = self.probability[piece + 1]
        probability[inside] = outer + mass
        excess[inside] = self.excess[piece + 1] + (right - t[inside]) * outer + moment
        if self.tail is not NO_TAIL:
            beyond = ~inside & np.isfinite(t)
            stretch = (t[beyond] - self.centre) / (last - self.centre)
            probability[beyond], excess[beyond] = self.tail.beyond(stretch)
        return probability, excess


class DensityTable:
    """Probabilities and partial moments of a density on both sides of any threshold.

    Parameters
    ----------
    density : function
        From an array to the density there.
    support : pair of float
        Ends of the support, possibly infinite.
    centre, scale : float
        A point inside the support where much of the probability is, and the width of that region.
    kinks : ndarray
        Points at which the density may jump or bend; pieces end there.

    Raises
    ------
    IntegrationError
        The density is not finite, too rough, or has no finite mean.
    """

    def __init__(
        self,
        density: Density,
        support: tuple[float, float],
        centre: float,
        scale: float,
        kinks: FloatArray,
    ) -> None:
        density = _quiet(density)
        self.density = density
        first = _first_edges(density, support, centre, scale, kinks)
        self.edges, self.error = _adapt(density, first, centre, scale)
        self._upper = OneSidedMoments(
            density, self.edges, centre, infinite=not np.isfinite(support[1])
        )
        self._lower = OneSidedMoments(
            lambda z: density(-z),
            -self.edges[::-1],
            -centre,
            infinite=not np.isfinite(support[0]),
        )
        middle = np.array([centre])
        (over, excess), (under, lack) = self._upper.above(middle), self._lower.above(-middle)
        self.total = float(over[0] + under[0])
        """The probability found in all: one, if the integration is right."""
        self.mean = centre + float(excess[0] - lack[0])
        """The mean found."""

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(X > t) and E[(X - t)^+]."""
        return _by_chunks(t, lambda s: self._either(self._upper, self._lower, s, self.mean))

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(X < t) and E[(t - X)^+]."""
        return _by_chunks(-t, lambda s: self._either(self._lower, self._upper, s, -self.mean))

    @staticmethod
    def _either(
        own: OneSidedMoments, other: OneSidedMoments, t: FloatArray, mean: float
    ) -> tuple[FloatArray, FloatArray]:
        """From the own side, or before its first edge as the complement of the other side."""
        probability, excess = np.empty(t.shape), np.empty(t.shape)
        covered = t >= own.edges[0]
        probability[covered], excess[covered] = own.above(t[covered])
        less, lack = other.above(-t[~covered])
        probability[~covered] = 1.0 - less
        excess[~covered] = mean - t[~covered] + lack
        return probability, excess

    def quantile(self, below: FloatArray, above: FloatArray) -> FloatArray:
        """Points with probability `below` before them and `above` after them, to about 1e-6 of a
        piece: good edges for strata, whose probabilities are computed anew.
        """
        upper = above < below
        points = np.empty(below.shape)
        points[upper] = self._invert(self._upper, above[upper])
        points[~upper] = -self._invert(self._lower, below[~upper])
        return points

    @staticmethod
    def _invert(side: OneSidedMoments, probability: FloatArray) -> FloatArray:
        """Where P(X > z) is `probability`, by bisection-safeguarded Newton steps in each piece."""
        falling = -side.probability
        piece = np.clip(
            np.searchsorted(falling, -probability, side="right") - 1, 0, side.edges.size - 2
        )
        low, high = side.edges[piece].copy(), side.edges[piece + 1].copy()
        point = (low + high) / 2
        for step_number in range(INVERSION_STEPS):
            excess = side.above(point)[0] - probability
            np.copyto(low, point, where=excess > 0)
            np.copyto(high, point, where=excess <= 0)
            slope = side.density(point)
            step = np.divide(excess, slope, out=np.full(point.shape, np.nan), where=slope > 0)
            newton = point + step
            good = (newton >= low) & (newton <= high)
            # A step out of the bracket often means that the root is at its end; bisect in turn.
            end = np.clip(np.where(np.isnan(newton), low, newton), low, high)
            otherwise = (low + high) / 2 if step_number % 2 else end
            point = np.where(good, newton, otherwise)
        return np.asarray(point)


def _by_chunks(
    t: FloatArray, query: Callable[[FloatArray], tuple[FloatArray, FloatArray]]
) -> tuple[FloatArray, FloatArray]:
    """Each distinct threshold once, in chunks of bounded memory."""
    distinct, back = np.unique(t, return_inverse=True)
    starts = range(0, max(distinct.size, 1), SETTINGS.chunk)
    parts = [query(distinct[start : start + SETTINGS.chunk]) for start in starts]
    probability, excess = (np.concatenate(part) for part in zip(*parts, strict=True))
    return probability[back].reshape(t.shape), excess[back].reshape(t.shape)


def _quiet(density: Density) -> Density:
    """The density as an array of floats, without warnings: overflow far out is expected."""

    def evaluate(z: FloatArray) -> FloatArray:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = np.asarray(density(z), dtype=np.float64)
            # A node beside a pole can be rounded to it; the mass between floats is nothing.
            return np.where(np.isposinf(value), 0.0, value)

    return evaluate


def _first_edges(
    density: Density, support: tuple[float, float], centre: float, scale: float, kinks: FloatArray
) -> FloatArray:
    """The ends of the support, the kinks inside, the centre, and distances from it that double.

    Where a formula overflows far out, the pieces end and the tail is extrapolated from there.
    """
    points = [np.array([centre]), kinks[(kinks > support[0]) & (kinks < support[1])]]
    for side, end in ((-1.0, support[0]), (1.0, support[1])):
        octaves = np.arange(SETTINGS.octaves + 1, dtype=np.float64)
        outward = centre + side * scale * np.exp2(octaves)
        if np.isfinite(end):
            points += [outward[side * outward < side * end], np.array([end])]
        else:
            known = np.isfinite(density(outward))
            points.append(outward if known.all() else outward[: int(np.argmin(known))])
    return np.unique(np.concatenate(points))


def _adapt(
    density: Density, edges: FloatArray, centre: float, scale: float
) -> tuple[FloatArray, float]:
    """Halve pieces until the rule on each agrees with the rule on its halves; edges, and the sum of
    what they still differ by.
    """
    settled: list[FloatArray] = []
    error = 0.0  # NaN once a piece never became finite
    left, right = edges[:-1], edges[1:]
    for halving in range(SETTINGS.max_halvings + 1):
        middle = left + (right - left) / 2
        whole, _ = _integrals(density, left, right)
        first, _ = _integrals(density, left, middle)
        second, _ = _integrals(density, middle, right)
        difference = np.abs(whole - (first + second))
        allowed = _allowed_difference(first + second, left, right, centre, scale)
        done = (difference <= allowed) & ~_peaked(density, left, right, whole)
        done |= ~(middle > left) | ~(middle < right)
        if halving == SETTINGS.max_halvings:
            done[:] = True
        settled += [left[done], right[done]]
        error += float(difference[done].sum())
        left, middle, right = left[~done], middle[~done], right[~done]
        if not left.size:
            break
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        if left.size + len(settled) > SETTINGS.max_pieces:
            raise IntegrationError("its density is too rough to integrate")
    return np.unique(np.concatenate(settled)), error


def _allowed_difference(
    mass: FloatArray, left: FloatArray, right: FloatArray, centre: float, scale: float
) -> FloatArray:
    """Largest difference between the rules on a piece and on its halves that counts as agreement.

    Nodes are rounded to floats: on a narrow piece, such as one beside a singular end of the
    support, that alone changes the density by the rounding over the width.
    """
    rounding = 8 * np.finfo(float).eps * np.maximum(np.abs(left), np.abs(right)) / (right - left)
    distance = np.maximum(np.abs(left - centre) / scale, 1.0)  # a far piece counts by its moment
    relative = np.maximum(SETTINGS.relative_error, rounding)
    return np.asarray(np.maximum(relative * mass, SETTINGS.negligible / distance))


def _peaked(density: Density, left: FloatArray, right: FloatArray, mass: FloatArray) -> BoolArray:
    """Whether the density at an end of the piece is too high for the rule to have seen the piece:
    a narrow peak there lies between the end and the first node.
    """
    _, weight = _rule()
    end = np.fmax(density(left), density(right))
    return np.asarray(end * (right - left) * weight[0] > mass)


def _integrals(
    density: Density, left: FloatArray, right: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Integrals of the density, and of (z - left) times it, from left to right."""
    node, weight = _rule()
    offset = (right - left)[:, None] * node
    value = density(left[:, None] + offset) * ((right - left)[:, None] * weight)
    return value.sum(axis=1), (value * offset).sum(axis=1)


@cache
def _rule() -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(SETTINGS.nodes)
    return (node + 1.0) / 2.0, weight / 2.0
