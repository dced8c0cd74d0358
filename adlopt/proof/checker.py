"""Check a proof that an allocation is nearly optimal, in integers, with the standard library alone.

    python checker.py proof.json.gz        exit code 0 if every claim holds, 1 if one does not

Pool i has equity E_i > 0 and positions q_j. Scenario s has probability p_s (a share of the weights)
and moves prices by m_ks. Reductions x_j between 0 and cap_j settle o_k above the mark, which leaves
V_is = E_i + sum_j (x_j o_k + (q_j - x_j) m_ks). With the insurance fund F the loss is l_s = (sum_i
(-V_is)^+ - F)^+. A market takes z_k, at most the depth, for a_k |z_k| + b_k z_k^2 / 2, and x and z
sum to Q_k for asset k. The objective is this cost plus terms f CVaR_a(l) or, called semideviation,
f (E l + c E (l - E l)^+). Three things are checked:
1. x and z are feasible, and the value is what these formulas give.
2. The stresses w are dual feasible: w.l <= sum of terms for all l >= 0. For CVaRs this holds if the
   sum of w over any set A of scenarios is at most sum f min(P(A) / (1 - a), 1): integrate over the
   sets {l > u}. Sets of largest w / p suffice, since the right side is concave in P(A).
   A semideviation adds f p (1 + c (h - E h)), for heights h between 0 and 1.
3. With shares t_is in [0, 1], objective >= cost + sum_s w_s (sum_i t_is (-V_is) - F). Given a price
   on each sum, its minimum over boxes and depths bounds every allocation. So does 0.
Numbers are integers in units of 2^-n; `units` lists each n. A share is 1 where V_is < 0 at the
reductions `reference` and 0 elsewhere, unless it is listed.
"""

import gzip
import json
import sys
from decimal import Decimal
from fractions import Fraction
from operator import mul
from types import SimpleNamespace
from typing import Any

FORMAT, ASSETS = "adlopt exact proof 1", "required offset price sold depth linear slope"
MAX_BYTES, MAX_WORK, MAX_BITS = 1 << 26, 20_000_000_000, 4096  # raise them for larger books
SMALLEST = Fraction(1, 1 << 1022)  # the gap is relative to max(|value|, SMALLEST)


def require(holds: bool, claim: str) -> None:
    if not holds:
        raise ValueError(f"this does not hold: {claim}")


def read(path: str, limit: int = MAX_BYTES) -> Any:
    """Contents of the file, of which no more than the limit is ever unpacked."""
    with open(path, "rb") as plain, gzip.open(path) as packed:
        text = (packed if plain.peek(2)[:2] == b"\x1f\x8b" else plain).read(limit + 1)
    require(len(text) <= limit, f"the file has at most {limit} bytes")
    return json.loads(text)


def table(data: Any, columns: str, low: float = float("-inf")) -> Any:
    """Columns of integers, all of one length."""
    lists = [data[column] for column in columns.split()]
    good = all(type(x) is int and x.bit_length() <= MAX_BITS and x >= low for v in lists for x in v)
    require(good and len(set(map(len, lists))) == 1, f"{columns}: integers >= {low}, of one length")
    return SimpleNamespace(**dict(zip(columns.split(), lists)))


def cvar(loss: list[int], p: list[int], level: Fraction) -> Fraction:
    """Mean of the worst 1 - level of probability; the largest loss if the level is 1."""
    left = tail = sum(p) * (level.denominator - level.numerator)
    total = 0 if tail else max(x for x, weight in zip(loss, p) if weight)
    for s in sorted(range(len(loss)), key=lambda s: -loss[s]):
        part = min(p[s] * level.denominator, left)
        total, left = total + part * loss[s], left - part
    return Fraction(total, tail or 1)


def objective(terms: Any, loss: list[int], p: list[int], w: list[Fraction]) -> Fraction:
    """The objective of the losses, if the stresses w are dual feasible for it."""
    value, total, tails = Fraction(0), sum(p), [(Fraction(0), Fraction(1))]
    for kind, factor, parameter, heights in terms:
        f, a, *h = (Fraction(float.fromhex(number)) for number in (factor, parameter, *heights))
        require(f >= 0 and all(0 <= x <= 1 for x in (a, *h)), "terms are convex and monotone")
        require(kind in ("cvar", "semideviation"), "a term is a cvar or a semideviation")
        if kind == "cvar":
            value, tails = value + f * cvar(loss, p, a), [*tails, (f, 1 - a)]
            continue
        mean, level = Fraction(sum(map(mul, p, loss)), total), sum(map(mul, p, h)) / total
        above = [u * (x - mean) for u, x in zip(p, loss) if x > mean]
        value += f * (mean + a * sum(above) / total)
        w = [v - f * u * (1 + a * (x - level)) / total for v, u, x in zip(w, p, h, strict=True)]
    mass, held = 0, Fraction(0)
    require(all(p[s] or w[s] <= 0 for s in range(len(p))), "what cannot happen has no stress")
    for s in sorted((s for s in range(len(p)) if w[s] > 0), key=lambda s: -w[s] / p[s]):
        mass, held = mass + p[s], held + w[s]
        limit = sum(f * min(Fraction(mass, total) / tail if tail else 1, 1) for f, tail in tails)
        require(held <= limit, f"the stresses are dual feasible (scenario {s})")
    return value


def check(data: Any, limit: int = MAX_WORK) -> dict[str, Fraction]:
    """Value, lower bound and gap, if all that the file claims is true; otherwise ValueError."""
    require(data["format"] == FORMAT, f"the format is {FORMAT!r}")
    (p0, m0, w0, t0, b0), (fund,) = table(data, "units", 0).units, table(data, "fund", 0).fund
    E, by_asset = table(data, "equity", 1).equity, table(data, ASSETS)
    case, listed = table(data, "weight stress", 0), table(data, "pools scenarios shares", 0)
    rows = table(data, "pool asset size cap reduction reference")
    n, d, S = len(data["accounts"]), len(data["assets"]), len(case.weight)
    moves = [table({"moves": series}, "moves").moves for series in data["moves"]]
    require((n, d, [S] * d) == (len(E), len(by_asset.price), [*map(len, moves)]), "sizes agree")
    columns = (E, rows.size, rows.reference, by_asset.offset, case.weight, case.stress, *moves)
    bits = max(x.bit_length() for column in columns for x in column)
    work = (n + len(rows.pool) + 50 * len(data["objective"])) * S * bits
    require(work <= limit and p0 + m0 + w0 + t0 + b0 <= MAX_BITS, "the work is within the limits")
    pools: list[list[tuple[int, ...]]] = [[] for _ in E]
    sums, cost, least = list(by_asset.sold), Fraction(0), Fraction(0)
    for Q, _, price, z, depth, linear, slope in zip(*vars(by_asset).values()):
        side, a, b = -1 if Q < 0 else 1, Fraction(linear, 1 << m0), Fraction(slope, 1 << b0)
        require(0 <= side * z <= depth and min(a, b) >= 0, "sales are within the depth, at a cost")
        sold, most = Fraction(abs(z), 1 << p0), Fraction(depth, 1 << p0)
        saved = Fraction(side * price, 1 << m0 + w0 + t0) - a
        best = min(max(saved / b, Fraction(0)), most) if b else most * (saved > 0)
        cost, least = cost + sold * (a + b * sold / 2), least + best * (b * best / 2 - saved)
    for i, k, q, cap, x, y in zip(*vars(rows).values()):
        require(0 <= x <= cap <= q or q <= cap <= x <= 0, f"reduction {x} of {q} is within bounds")
        require(min(i, k) >= 0 and (not cap or cap * by_asset.required[k] > 0), "sides agree")
        pools[i].append((k, q, cap, x, y))
        sums[k] += x
    require(sums == by_asset.required, "reductions and sales of an asset sum to what is required")
    require(max(listed.shares, default=0) <= 1 << t0, "shares are at most 1")
    given = {(i, s): t * case.stress[s] for i, s, t in zip(*vars(listed).values())}
    loss, stress = [0] * S, [w << t0 for w in case.stress]
    bound = sum(map(mul, by_asset.price, by_asset.required)) - fund * sum(stress)
    for i, held in enumerate(pools):
        V, U = [E[i]] * S, [E[i]] * S
        for k, q, _, x, y in held:
            V = [v + (q - x) * m + x * by_asset.offset[k] for v, m in zip(V, moves[k])]
            U = [v + (q - y) * m + y * by_asset.offset[k] for v, m in zip(U, moves[k])]
        loss = [x - v if v < 0 else x for x, v in zip(loss, V)]
        w = [given.get((i, s), x if v < 0 else 0) for s, (x, v) in enumerate(zip(stress, U))]
        bound -= sum(w) * E[i]
        for k, q, cap, _, _ in held:
            moment = sum(map(mul, w, moves[k]))
            slope = moment - sum(w) * by_asset.offset[k] - by_asset.price[k]
            bound += min(0, slope * cap) - q * moment
    loss, stresses = [max(x - fund, 0) for x in loss], [Fraction(x, 1 << w0) for x in case.stress]
    value = cost + objective(data["objective"], loss, case.weight, stresses) / (1 << p0 + m0)
    lower = max(Fraction(bound, 1 << p0 + m0 + w0 + t0) + least, Fraction(0))
    found = {"value": value, "lower_bound": lower, "gap": (value - lower) / max(value, SMALLEST)}
    for name, x in found.items():
        require(data["claims"][name] == f"{x.numerator:#x}/{x.denominator:#x}", f"claimed {name}")
    return found


if __name__ == "__main__":
    try:
        for name, x in check(read(sys.argv[1])).items():
            decimal = Decimal(x.numerator) / x.denominator
            print(f"{name} = {decimal:.17g}, exactly {x.numerator:#x}/{x.denominator:#x}")
    except Exception as error:
        sys.exit(f"REFUSED: {error!r}")
