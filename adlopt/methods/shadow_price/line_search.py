"""Exact line search of a pool's step: kinks are passed until the derivative turns (eq. 8)."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import jit_inner
from adlopt.methods.shadow_price.tuning import Pivoting
from adlopt.methods.shadow_price.vertex import (
    Workspace,
    add_to_gradient,
    leave,
    leaving_slot,
    nearest_face,
    pivot,
    set_hinge_row,
)


@jit_inner
def collect_kinks(work: Workspace, m: int, h: int, leaving: int, step: float) -> int:
    """Kinks that the direction reaches before `step`, in `when` and `which`; how many."""
    for p in range(h):
        work.rate[p] = 0.0
    for j in range(m):
        d = work.direction[j]
        if d != 0.0:
            for p in range(h):
                work.rate[p] += work.slope[j, p] * d
    count = 0
    for p in range(h):
        if work.side[p] * work.rate[p] < 0.0 and p != leaving:
            t = -work.shortfall[p] / work.rate[p]
            if t < step:
                work.when[count] = t
                work.which[count] = p
                count += 1
    return count


@jit_inner
def swap(when: FloatArray, which: IntArray, a: int, b: int) -> None:
    when[a], when[b] = when[b], when[a]
    which[a], which[b] = which[b], which[a]


@jit_inner
def partition(work: Workspace, first: int, last: int) -> tuple[int, float]:
    """Kinks first..last - 1 split at a middle one: where the later ones begin, and how much the
    earlier ones turn the derivative.
    """
    middle = work.when[first + (last - first) // 2]
    low = first
    high = last - 1
    turn = 0.0
    while low <= high:
        if work.when[low] <= middle:
            hinge = work.which[low]
            turn += work.stress[hinge] * abs(work.rate[hinge])
            low += 1
        else:
            swap(work.when, work.which, low, high)
            high -= 1
    return low, turn


@jit_inner
def cross(
    m: int,
    gradient: FloatArray,
    slope: FloatArray,
    side: IntArray,
    hinge: int,
    stress: float,
) -> None:
    """A kink is passed: the hinge changes sides, and the gradient with it."""
    add_to_gradient(m, gradient, slope, hinge, -stress * side[hinge])
    side[hinge] = -side[hinge]


@jit_inner
def pass_kinks(
    work: Workspace, m: int, first: int, last: int, slope: float, scan: int
) -> tuple[int, float]:
    """Pass kinks in the order of `when` while the derivative stays below zero.

    Returns the hinge that stops the step and the step's length; -1 if none does. Once a partition
    has shown that one of the first kinks turns the derivative, the last of them must enter even if
    rounding in the sum denies it: otherwise exact ties would leave the pool short of its optimum.
    """
    turns = False
    while first < last:
        if last - first > scan:
            middle, turn = partition(work, first, last)
            if slope + turn >= 0.0 and middle < last:
                last = middle
                turns = True
                continue
            if slope + turn < 0.0:
                for x in range(first, middle):
                    hinge = work.which[x]
                    cross(m, work.gradient, work.slope, work.side, hinge, work.stress[hinge])
                slope += turn
                first = middle
                continue
        earliest = first
        for x in range(first + 1, last):
            if work.when[x] < work.when[earliest]:
                earliest = x
        swap(work.when, work.which, first, earliest)
        hinge = work.which[first]
        stress = work.stress[hinge]
        slope += stress * abs(work.rate[hinge])
        first += 1
        if slope >= 0.0 or (turns and first == last):
            if work.side[hinge] > 0:
                add_to_gradient(m, work.gradient, work.slope, hinge, -stress)
            work.side[hinge] = 0
            return hinge, max(work.when[first - 1], 0.0)
        cross(m, work.gradient, work.slope, work.side, hinge, stress)
    return -1, 0.0


@jit_inner
def move(work: Workspace, m: int, h: int, slot: int, entering: int, step: float) -> None:
    """Take the step; the entering constraint takes the slot and holds exactly."""
    for j in range(m):
        work.y[j] += step * work.direction[j]
    for p in range(h):
        work.shortfall[p] += step * work.rate[p]
    if entering >= 0:
        work.shortfall[entering] = 0.0
        set_hinge_row(m, work.edge, work.slope, entering, work.row)
    else:
        j = (-entering - 1) // 2
        upper = (-entering - 1) % 2 == 1
        work.y[j] = 1.0 if upper else 0.0
        work.face[j] = 1 if upper else -1
        for a in range(m):
            work.row[a] = work.edge[a, j] if upper else -work.edge[a, j]
    pivot(m, work.edge, work.row, slot)
    work.code[slot] = entering


@jit_inner
def optimise(work: Workspace, m: int, h: int, numbers: Pivoting) -> int:
    """Pivot to an optimal vertex; the number of pivots, or -1 if the limit was met."""
    for count in range(numbers.pivots * (m + 5)):
        slot = leaving_slot(work, m, numbers.optimality)
        if slot < 0:
            return count
        leaving = work.code[slot]
        slope = leave(work, m, slot)
        step, entering = nearest_face(work, m, numbers.direction)
        kinks = collect_kinks(work, m, h, leaving, step)
        hinge, length = pass_kinks(work, m, 0, kinks, slope, numbers.scan)
        if hinge >= 0:
            entering = hinge
            step = length
        if step == np.inf:
            return -1
        move(work, m, h, slot, entering, step)
    return -1
