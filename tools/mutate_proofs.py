"""Try to make the checker of exact proofs accept a false claim.

    python -m tools.mutate_proofs [--mutations 10000] [--seed 0]

Small proofs of many kinds are changed at one place each: numbers, order, names, claims, bytes. What
the checker accepts is judged by fractions and a linear program that share no code with it
(`tests/proof/judge.py`); an accepted file whose claims are false is a failure. Hostile files
(bombs, nesting, huge numbers) run in a process limited to 2 GiB and a minute each.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import adlopt as adl
from adlopt.proof import checker
from tests.proof.judge import false_claims
from tests.support import random_allocation, random_case

Document = dict[str, Any]
MEMORY, SECONDS = 2 << 30, 120

OBJECTIVES = (
    adl.ExpectedLoss(),
    adl.CVaR(0.7),
    0.7 * adl.ExpectedLoss() + 0.6 * adl.CVaR(0.9),
    adl.Spectral([0.3, 0.8], [0.4, 0.6]),
    adl.WorstCase(),
    adl.Semideviation(0.5),
)


def proofs(count: int, seed: int) -> list[Document]:
    """Documents of small books: every objective, one or two assets, settlement, fund, rules."""
    found = []
    for number in range(count):
        case = random_case(
            1000 * seed + number,
            ("cross", "mixed", "isolated")[number % 3],
            twist=("plain", "ties", "tight caps", "equal leverage")[number % 4],
            one_factor=number % 4 == 0,
            reduced=1 + number % 2,
            settlement=number % 5 == 1,
            fund=number % 7 == 2,
            scenarios=8,
        )
        problem = case.problem(OBJECTIVES[number % len(OBJECTIVES)])
        if number % 4 == 2:
            depth = dict(zip(problem.book.assets, 0.3 * np.abs(problem.required), strict=True))
            problem = replace(problem, market=adl.Market(depth, spread=1e-3, impact=0.05))
        given = random_allocation(case, np.random.default_rng(number)) if number % 3 == 0 else None
        proof = adl.prove(problem, adl.solve(problem) if given is None else given)
        found.append(json.loads(json.dumps(proof.document)))
    return found


def _columns(file: Document) -> list[list[Any]]:
    """All lists of the file that are not empty."""
    lists = [v for v in file.values() if isinstance(v, list) and v]
    return lists + [row for row in file["moves"] if row]


def change_number(file: Document, rng: np.random.Generator) -> None:
    """One integer becomes another."""
    columns = [c for c in _columns(file) if all(type(x) is int for x in c)]
    column = columns[rng.integers(len(columns))]
    j = int(rng.integers(len(column)))
    x = column[j]
    column[j] = [
        x + 1, x - 1, -x, 0, 2 * x, x // 2, x ^ (1 << int(rng.integers(80))), x << 200, 1
    ][rng.integers(9)]  # fmt: skip


def change_order(file: Document, rng: np.random.Generator) -> None:
    """Two entries of one column change places, or two columns do."""
    columns = _columns(file)
    column = columns[rng.integers(len(columns))]
    if len(column) > 1 and rng.random() < 0.8:
        i, j = rng.choice(len(column), 2, replace=False)
        column[i], column[j] = column[j], column[i]
        return
    names = ["size", "cap", "reduction", "reference", "pool", "asset", "required", "offset",
             "price", "weight", "stress", "equity"]  # fmt: skip
    a, b = rng.choice(names, 2, replace=False)
    file[a], file[b] = file[b], file[a]


def change_name(file: Document, rng: np.random.Generator) -> None:
    """A key or an account's name changes, or goes."""
    key = str(rng.choice(list(file)))
    if rng.random() < 0.3:
        file["accounts"][rng.integers(len(file["accounts"]))] = "x\u0000[/b]"
    elif rng.random() < 0.5:
        del file[key]
    else:
        file[key + "x"] = file.pop(key)


def change_claim(file: Document, rng: np.random.Generator) -> None:
    """A digit of a claim, a sign, two claims exchanged, or another type."""
    name, other = rng.choice(["value", "lower_bound", "gap"], 2, replace=False)
    text = file["claims"][name]
    choice = rng.integers(5)
    if choice == 0:
        at = int(rng.integers(2, len(text)))
        file["claims"][name] = (
            text[:at] + str(rng.choice(list("0123456789abcdef"))) + text[at + 1 :]
        )
    elif choice == 1:
        file["claims"][name] = "-" + text
    elif choice == 2:
        file["claims"][name], file["claims"][other] = file["claims"][other], text
    elif choice == 3:
        top, bottom = text.split("/")
        file["claims"][name] = f"{int(top, 16) + 1:#x}/{bottom}"
    else:
        file["claims"][name] = [1, 0.5, None, {}, "0x1/0x0", "NaN"][rng.integers(6)]


def change_objective(file: Document, rng: np.random.Generator) -> None:
    """Another kind, factor, level or height; a term twice, or none."""
    term = file["objective"][rng.integers(len(file["objective"]))]
    values = ["cvar", "semideviation", "nan", "inf", "-0x1p+0", "0x1p-1", "0x1p+0", "0x0p+0", 1, []]
    choice = rng.integers(4)
    if choice == 0:
        term[rng.integers(len(term))] = values[rng.integers(len(values))]
    elif choice == 1 and term[3]:
        term[3][rng.integers(len(term[3]))] = "0x1.8p-1"
    elif choice == 2:
        file["objective"].append(copy.deepcopy(term))
    else:
        file["objective"].remove(term)


def change_type(file: Document, rng: np.random.Generator) -> None:
    """An entry or a column becomes something else."""
    others: list[Any] = [None, True, 1.5, "7", [], {}, -1, 10**300]
    other = others[rng.integers(len(others))]
    if rng.random() < 0.5:
        file[str(rng.choice(list(file)))] = other
    else:
        columns = _columns(file)
        column = columns[rng.integers(len(columns))]
        column[rng.integers(len(column))] = other


KINDS: tuple[Callable[[Document, np.random.Generator], None], ...] = (
    change_number,
    change_number,
    change_order,
    change_name,
    change_claim,
    change_objective,
    change_type,
)


def change_bytes(text: bytes, rng: np.random.Generator) -> bytes:
    """The text cut, or one byte of it changed, removed or doubled."""
    at = int(rng.integers(len(text)))
    replaced = bytes([int(rng.integers(256))])
    return [text[:at], text[:at] + replaced + text[at + 1 :], text[:at] + text[at + 1 :],
            text[:at] + text[at : at + 1] + text[at:]][rng.integers(4)]  # fmt: skip


def mutate(count: int, seed: int) -> Counter[str]:
    """Outcomes of `count` mutations; raises AssertionError at a false claim that was accepted."""
    rng = np.random.default_rng(seed)
    originals = proofs(36, seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        file = copy.deepcopy(originals[rng.integers(len(originals))])
        if rng.random() < 0.15:
            text = change_bytes(json.dumps(file).encode(), rng)
        else:
            KINDS[rng.integers(len(KINDS))](file, rng)
            text = json.dumps(file).encode()
        try:
            data = json.loads(text)
            checker.check(data)
        except Exception as error:  # any error is a refusal
            outcomes[f"refused ({type(error).__name__})"] += 1
            continue
        try:
            wrong = false_claims(data)
        except RuntimeError:  # numbers of 200 bits and more: feasibility, value and gap hold
            outcomes["accepted, and the linear program cannot be solved in floats"] += 1
            continue
        assert not wrong, f"accepted, but these claims are false: {wrong}\n{text.decode()}"
        outcomes["accepted, and true"] += 1
    return outcomes


def hostile(folder: Path, file: Document) -> Iterator[tuple[str, Path]]:
    """Files made to exhaust a reader."""
    megabytes = 1 << 20
    text = json.dumps(file)
    contents: dict[str, bytes] = {
        "empty": b"",
        "not JSON": b"\xff\xfe\x00",
        "nested lists": b"[" * (60 * megabytes),
        "nested objects": b'{"a":' * (12 * megabytes),
        "many empty lists": b"[" + b"[]," * (20 * megabytes) + b"[]]",
        "many empty objects": b"[" + b"{}," * (20 * megabytes) + b"{}]",
        "many lists of one": b"[" + b"[1]," * (15 * megabytes) + b"[1]]",
        "many objects of one": b"[" + b'{"a":1},' * (8 * megabytes - 10) + b"{}]",
        "many numbers": b"[" + b"300," * (16 * megabytes - 10) + b"1]",
        "many floats": b"[" + b"1e9," * (16 * megabytes - 10) + b"1]",
        "one long number": text.replace('"fund": [', '"fund": [' + "9" * 10_000_000).encode(),
        "huge exponent": text.replace('"fund": [', '"fund": [1e999999999,').encode(),
        "NaN": text.replace('"fund": [', '"fund": [NaN,').encode(),
        "Infinity": text.replace('"fund": [', '"fund": [-Infinity,').encode(),
        "bomb": gzip.compress(b"0" * (1 << 30), 9),
        "bomb of bombs": gzip.compress(gzip.compress(b"0" * (1 << 28), 9) * 500, 1),
        "truncated": gzip.compress(text.encode())[:-40],
        "wrong checksum": gzip.compress(text.encode())[:-8] + bytes(8),
        "beyond the limit": text.encode() + b" " * (65 * megabytes),
    }
    for unit in range(5):
        changed = copy.deepcopy(file)
        changed["units"][unit] = 10**15
        contents[f"unit {unit}"] = json.dumps(changed).encode()
    wide = copy.deepcopy(file)
    wide["assets"], wide["moves"] = ["a"] * 2_000_000, [[1]] * 2_000_000
    wide |= {name: [0] * 2_000_000 for name in ("required", "offset", "price")}
    contents["many assets"] = json.dumps(wide).encode()
    tall = copy.deepcopy(file)
    tall |= {"weight": [1] * 3_000_000, "stress": [1] * 3_000_000}
    tall["moves"] = [[1] * 3_000_000] * len(file["assets"])
    contents["many scenarios"] = json.dumps(tall).encode()
    crowd = copy.deepcopy(file)
    crowd |= {"accounts": ["a"] * 1_000_000, "equity": [1] * 1_000_000}
    crowd |= {"weight": [1] * 1_000_000, "stress": [1] * 1_000_000}
    crowd["moves"] = [[1] * 1_000_000] * len(file["assets"])
    contents["many of both"] = json.dumps(crowd).encode()
    many_terms = copy.deepcopy(file)
    many_terms["objective"] = [["cvar", "0x1p+0", "0x1p-1", []]] * 1_000_000
    contents["many terms"] = json.dumps(many_terms).encode()
    for name, content in contents.items():
        path = folder / f"{name.replace(' ', '_')}.json"
        path.write_bytes(content)
        yield name, path
        path.unlink()


def refuse_hostile(file: Document) -> list[str]:
    """What the standalone checker does with each hostile file: it must refuse within the limits."""
    lines = []
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        for name, path in hostile(Path(folder), file):
            started = time.perf_counter()
            run = subprocess.run(
                [sys.executable, checker.__file__, str(path)],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                preexec_fn=limit,
                check=False,
            )
            seconds = time.perf_counter() - started
            assert run.returncode == 1, (name, run.returncode, run.stdout[:200], run.stderr[-500:])
            assert "Traceback" not in run.stderr, (name, run.stderr[-500:])
            lines.append(f"{name:20} {seconds:6.1f} s  {run.stderr.strip()[:90]}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    outcomes = mutate(given.mutations, given.seed)
    for outcome, count in outcomes.most_common():
        print(f"{count:7,} {outcome}")
    for line in refuse_hostile(proofs(1, given.seed)[0]):
        print(line)


if __name__ == "__main__":
    main()
