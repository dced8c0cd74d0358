"""A set of price paths, and what may be given in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.prices.scenarios import Scenarios


@dataclass(frozen=True, eq=False, repr=False)
class Paths:
    """Price paths: what each step of each path marks the assets at.

    Parameters
    ----------
    assets : Index or list of names (d,)
    prices : array (paths, steps, d)
        Prices > 0 after each step; the book's own marks come before the first one.
    depth : array (paths, steps, d), optional
        Factor >= 0 on the exchange's depth in each step; one where left out.
    basis : array (paths, steps, d), optional
        Market price over mark, minus one: what sales get beside their cost. Zero where left out.
    funding : array (paths, steps, d), optional
        Share of notional that longs pay to shorts in each step; zero where left out.
    name : str
        What tables and pictures call the paths.

    Raises
    ------
    InputError
        Shapes that differ, or a price that is not a finite number > 0.

    Examples
    --------
    >>> import numpy as np
    >>> import adlopt as adl
    >>> paths = adl.paths.Paths(["BTC"], np.array([[[90.0], [80.0]]]))
    >>> len(paths), paths.steps
    (1, 2)
    """

    assets: pd.Index
    prices: FloatArray
    _: KW_ONLY
    depth: FloatArray | None = None
    basis: FloatArray | None = None
    funding: FloatArray | None = None
    name: str = "paths"

    if TYPE_CHECKING:  # names may be a list, and arrays anything that NumPy reads

        def __init__(
            self,
            assets: pd.Index[Any] | Sequence[str],
            prices: npt.ArrayLike,
            depth: npt.ArrayLike | None = None,
            basis: npt.ArrayLike | None = None,
            funding: npt.ArrayLike | None = None,
            name: str = "paths",
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "assets", pd.Index(self.assets))
        if not self.assets.is_unique or not len(self.assets):
            raise InputError(f"paths: asset names must be given once each; got {list(self.assets)}")
        prices = _array("prices", self.prices)
        if prices.ndim != 3 or prices.shape[2] != len(self.assets) or not prices.size:
            raise InputError(
                "paths: prices need the shape (paths, steps, assets), with at least one of each; "
                f"got {prices.shape} for {len(self.assets)} assets"
            )
        put(self, "prices", prices)
        for path, step, k in np.argwhere(~(prices > 0))[:1]:
            raise InputError(
                f"paths, path {path}, step {step + 1}, asset {self.assets[k]!r}: "
                f"{prices[path, step, k]} is not a price > 0"
            )
        for name in ("depth", "basis", "funding"):
            given = getattr(self, name)
            if given is None:
                continue
            try:
                values = np.broadcast_to(_array(name, given), prices.shape)
            except ValueError:
                raise InputError(
                    f"paths: {name} needs the shape of the prices, {prices.shape}"
                ) from None
            low = 0.0 if name == "depth" else -1.0
            if (values < low).any():
                raise InputError(f"paths: {name} has an entry below {low:g}")
            put(self, name, values)

    @property
    def steps(self) -> int:
        """Number of steps of each path."""
        return int(self.prices.shape[1])

    def __len__(self) -> int:
        return len(self.prices)

    def __getitem__(self, index: int | slice) -> Paths:
        """The paths at these positions, as a set of their own."""
        chosen = slice(index, index + 1 or None) if isinstance(index, int | np.integer) else index
        cut: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[chosen]
            for name in ("prices", "depth", "basis", "funding")
        }
        if not len(cut["prices"]):
            raise IndexError(f"there are {len(self)} paths; none at {index}")
        return replace(self, **cut)

    def __iter__(self) -> Iterator[Paths]:
        return (self[index] for index in range(len(self)))

    def for_book(self, book: Book) -> Paths:
        """The paths in the order of the book's assets; those without a path keep their mark.

        Parameters
        ----------
        book : Book

        Returns
        -------
        Paths

        Raises
        ------
        InputError
            A path's asset is not in the book.
        """
        where = book.assets.get_indexer(self.assets)
        if (where < 0).any():
            raise InputError(
                f"paths: asset {self.assets[where < 0][0]!r} is not in the book, which has "
                f"{validation.format_names(book.assets)}"
            )
        if where.size == len(book.assets) and (where == np.arange(where.size)).all():
            return self
        shape = (*self.prices.shape[:2], len(book.assets))
        filled: dict[str, Any] = {}
        for name, neutral in (
            ("prices", book.marks),
            ("depth", 1.0),
            ("basis", 0.0),
            ("funding", 0.0),
        ):
            given = getattr(self, name)
            if given is not None:
                whole = np.broadcast_to(neutral, shape).copy()
                whole[:, :, where] = given
                filled[name] = whole
        return replace(self, assets=book.assets, **filled)

    def model(self, *, horizon: int = 1, points: int = 1000) -> Scenarios:
        """A price model of this set's moves: the returns of all its windows, equally likely.

        Parameters
        ----------
        horizon : int, default 1
            Steps of a window.
        points : int, default 1000
            Most scenarios; of more windows, evenly spaced ones in the order of path and step.

        Returns
        -------
        Scenarios
            For `Optimal(prices=...)` and for the `prices` of a simulation. It pools all steps, so
            it does not know how far a crash has come.

        Examples
        --------
        >>> import numpy as np
        >>> import adlopt as adl
        >>> adl.paths.Paths(["BTC"], np.array([[[100.0], [90.0], [99.0]]])).model()
        Scenarios(2 x BTC)
        """
        validation.require_integer("paths: horizon", horizon, 1)
        validation.require_integer("paths: points", points, 1)
        if self.steps <= horizon:
            raise InputError(
                f"paths: windows of {horizon} steps need more than {horizon} steps; there are "
                f"{self.steps}"
            )
        growth = self.prices[:, horizon:] / self.prices[:, :-horizon]
        returns = growth.reshape(-1, len(self.assets)) - 1.0
        if len(returns) > points:
            returns = returns[np.linspace(0, len(returns) - 1, points).astype(int)]
        return Scenarios(returns=returns, assets=list(self.assets))

    def to_frame(self) -> pd.DataFrame:
        """Prices, a row per path and step, a column per asset."""
        paths, steps, d = self.prices.shape
        index = pd.MultiIndex.from_product(
            [range(paths), range(1, steps + 1)], names=["path", "step"]
        )
        return pd.DataFrame(self.prices.reshape(-1, d), index=index, columns=self.assets)

    def __repr__(self) -> str:
        further = [
            name for name in ("depth", "basis", "funding") if getattr(self, name) is not None
        ]
        also = f", with {' and '.join(further)}" if further else ""
        return (
            f"Paths({self.name}: {len(self):,} x {self.steps} steps of "
            f"{validation.format_names(self.assets)}{also})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(max_rows=20)}"


def _array(name: str, given: npt.ArrayLike) -> FloatArray:
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"paths: {name} must be numbers") from None
    if not np.isfinite(values).all():
        raise InputError(f"paths: {name} has an entry that is not a finite number")
    return values


def as_paths(given: object, book: Book) -> Paths:
    """Paths of the book's assets from a `Paths`, a table, an array, or a list of these.

    A DataFrame is one path: a row per step, a column per asset. An array is (steps, d) or (paths,
    steps, d) in the order of the book's assets.
    """
    if isinstance(given, Paths):
        return given.for_book(book)
    if isinstance(given, pd.DataFrame):
        if not len(given):
            raise InputError("paths: the table has no rows; a path needs a row per step")
        if not given.columns.is_unique:
            raise InputError("paths: a column appears twice in the table; give each asset once")
        values = [validation.numbers("paths", given, name) for name in given.columns]
        return Paths(given.columns, np.column_stack(values)[None]).for_book(book)
    if isinstance(given, np.ndarray):
        prices = _array("prices", given)
        return Paths(book.assets, prices[None] if prices.ndim == 2 else prices)
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given):
        return joined([as_paths(one, book) for one in given])
    raise InputError(
        f"paths: a {type(given).__name__} is not a path; give adl.paths.flash_crash(book), a "
        "DataFrame with a row per step, or an array (paths, steps, assets)"
    )


def joined(parts: Sequence[Paths]) -> Paths:
    """One set of all paths; they need the same assets and the same number of steps."""
    first = parts[0]
    for part in parts:
        if part.steps != first.steps or not part.assets.equals(first.assets):
            raise InputError(
                "paths: all paths of a set need the same assets and the same number of steps; "
                f"got {part.steps} and {first.steps} steps"
            )
    joint: dict[str, Any] = {"prices": np.concatenate([part.prices for part in parts])}
    for name, neutral in (("depth", 1.0), ("basis", 0.0), ("funding", 0.0)):
        if any(getattr(part, name) is not None for part in parts):
            joint[name] = np.concatenate(
                [
                    np.full(part.prices.shape, neutral)
                    if getattr(part, name) is None
                    else getattr(part, name)
                    for part in parts
                ]
            )
    names = {part.name for part in parts}
    return Paths(first.assets, **joint, name=names.pop() if len(names) == 1 else "paths")


def generators(seed: int, count: int) -> list[np.random.Generator]:
    """A random generator per path; those of the first paths do not depend on how many there are."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


def check_sizes(steps: int, count: int, seed: int) -> None:
    """Refuse numbers of steps and paths, or a seed, that are not whole numbers in range."""
    validation.require_integer("paths: steps", steps, 1)
    validation.require_integer("paths: count", count, 1)
    validation.require_integer("paths: seed", seed, 0)
