"""Loops of the presolve: a bound per pool and block, then the pairs of the blocks it leaves."""

from __future__ import annotations

from typing import NamedTuple

from adlopt._internal.arrays import AnyIntArray, BoolArray, FloatArray, IntArray
from adlopt._internal.parallel import jit_inner, jit_loop


class Blocks(NamedTuple):
    """Scenarios in blocks of like price moves."""

    order: IntArray  # (S,) scenario at each place
    edge: IntArray  # (blocks + 1,) places where blocks begin
    moves: FloatArray  # (d, S) in the order of places
    low: FloatArray  # (blocks, d) least move
    high: FloatArray  # (blocks, d) largest move


class Ranges(NamedTuple):
    """Pools with the range of reductions that each position may take."""

    solvent: BoolArray  # (n,)
    reducible: BoolArray  # (n,)
    equity: FloatArray  # (n,)
    start: IntArray  # (n + 1,)
    asset: IntArray  # (m,)
    size: FloatArray  # (m,)
    first: FloatArray  # (m,) one end of the reductions, contracts
    last: FloatArray  # (m,) the other end
    offset: FloatArray  # (d,) settlement price less mark
    slack: FloatArray  # (n,) money by which the range is widened


@jit_inner
def lowest_equity(i: int, ranges: Ranges, low: FloatArray, high: FloatArray) -> float:
    """A lower bound of pool i's equity over its reductions and over moves from low to high (d,).

    Each position's part is bilinear in its move and its reduction, so a corner attains its least.
    """
    bound: float = ranges.equity[i] - ranges.slack[i]
    for j in range(ranges.start[i], ranges.start[i + 1]):
        k = ranges.asset[j]
        q = ranges.size[j]
        lo = low[k]
        hi = high[k]
        if ranges.first[j] == 0.0 and ranges.last[j] == 0.0:
            bound += min(q * lo, q * hi)
            continue
        one = ranges.first[j]
        two = ranges.last[j]
        off = ranges.offset[k]
        low_end = min(q * lo - one * (lo - off), q * lo - two * (lo - off))
        bound += min(low_end, q * hi - one * (hi - off), q * hi - two * (hi - off))
    return bound


@jit_inner
def equity_and_range(
    i: int,
    ranges: Ranges,
    moves: FloatArray,
    begin: int,
    count: int,
    work: FloatArray,  # out: rows V at no reduction, least and most that reductions add to -V
) -> None:
    """Equity and range of pool i at `count` places from `begin`."""
    V = work[0]
    low = work[1]
    high = work[2]
    for s in range(count):
        V[s] = ranges.equity[i]
        low[s] = -ranges.slack[i]
        high[s] = ranges.slack[i]
    for j in range(ranges.start[i], ranges.start[i + 1]):
        row = moves[ranges.asset[j]]
        q = ranges.size[j]
        for s in range(count):
            V[s] += q * row[begin + s]
        one = ranges.first[j]
        two = ranges.last[j]
        if one != 0.0 or two != 0.0:
            off = ranges.offset[ranges.asset[j]]
            for s in range(count):
                a = one * (row[begin + s] - off)
                b = two * (row[begin + s] - off)
                low[s] += min(a, b)
                high[s] += max(a, b)


@jit_loop
def classify(
    pools: IntArray,
    ranges: Ranges,
    blocks: Blocks,
    written: IntArray,  # in and out: (2,) how many linear pairs and hinges are written
    count: AnyIntArray,  # out: (2, n) linear pairs and hinges of each pool
    scenario: AnyIntArray,  # out: (2, many) scenarios of linear pairs and of hinges, in a row
    shortfall: FloatArray,  # out: (2, many)
    constant: FloatArray,  # out: (S,) loss of pools that cannot be reduced
    work: FloatArray,  # scratch: (3, block)
) -> None:
    """Write down the pairs of some pools that can cost."""
    V = work[0]
    for i in pools:
        if not ranges.solvent[i]:
            continue
        linear = written[0]
        hinge = written[1]
        for block in range(blocks.edge.size - 1):
            if lowest_equity(i, ranges, blocks.low[block], blocks.high[block]) > 0.0:
                continue
            begin = blocks.edge[block]
            places = blocks.edge[block + 1] - begin
            equity_and_range(i, ranges, blocks.moves, begin, places, work)
            for s in range(places):
                at = blocks.order[begin + s]
                if not ranges.reducible[i]:
                    constant[at] += max(-V[s], 0.0)
                elif work[2, s] > V[s]:
                    if work[1, s] >= V[s]:
                        scenario[0, linear] = at
                        shortfall[0, linear] = -V[s]
                        linear += 1
                    else:
                        scenario[1, hinge] = at
                        shortfall[1, hinge] = -V[s]
                        hinge += 1
        count[0, i] = linear - written[0]
        count[1, i] = hinge - written[1]
        written[0] = linear
        written[1] = hinge
