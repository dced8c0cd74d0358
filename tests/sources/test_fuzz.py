"""Ten thousand mutated records per loader: InputError or an answer, every row accounted for, and
never a wrong sign.
"""

from __future__ import annotations

import copy
import math
import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import adlopt as adl
from adlopt.sources import Loaded, binance, bybit, ccxt, hyperliquid, hyperreplay, tables
from tests.sources.golden import BINANCE, BYBIT, CCXT, HYPERLIQUID, HYPERREPLAY, TABLE

Record = dict[str, Any]
Held = dict[str, Record]
Load = Callable[[Held], Loaded]
Sign = Callable[[Record], float | None]

COUNT, BATCH = 10_000, 200
JUNK: list[Any] = [
    None,
    "",
    " ",
    0,
    "0",
    -1,
    "-1",
    1e300,
    "1e999",
    -1e-300,
    float("nan"),
    float("inf"),
    "nan",
    "-inf",
    True,
    False,
    [],
    [1],
    {},
    {"a": 1},
    "x",
    "long",
    "Sell",
    "1,000",
    "1_000",
    "\uff15",
    "0x10",
    b"1",
    1j,
    10**400,
    "9" * 400,
    np.float64(2.5),
    np.int64(-3),
    np.array([1.0]),
    object,
    "BTC/USD:BTC",
    "BTCUSD",
    "isolated",
    "cross",
    2.5,
]
SIDES = {"long": 1, "buy": 1, "short": -1, "sell": -1}


def by_side(position: Record) -> float | None:
    return SIDES.get(str(position.get("side")).strip().lower())


def by_size(key: str) -> Sign:
    def sign(position: Record) -> float | None:
        try:
            return math.copysign(1, float(position[key]))
        except (TypeError, ValueError, KeyError):
            return None

    return sign


def with_money(load: Callable[..., Loaded]) -> Load:
    return lambda held: load(held, dict.fromkeys(held, 50.0))


def by_row(load: Callable[..., Loaded]) -> Load:
    return lambda held: load(list(held.values()))


CROSS: Record = copy.deepcopy(HYPERLIQUID)
CROSS["assetPositions"][0]["position"]["leverage"] = {"type": "cross", "value": 20}

# Loader of records by account, a cross and an isolated record, the key of the symbol, a position's
# sign told independently.
FORMATS: dict[str, tuple[Load, list[Record], str, Sign]] = {
    "hyperliquid": (hyperliquid.load, [CROSS, HYPERLIQUID], "coin", by_size("szi")),
    "ccxt": (
        lambda held: ccxt.load(held, equity=dict.fromkeys(held, 50.0)),
        [CCXT, CCXT | {"marginMode": "isolated"}],
        "symbol",
        by_side,
    ),
    "binance": (
        with_money(binance.load),
        [BINANCE, BINANCE | {"isolatedMargin": "5"}],
        "symbol",
        by_size("positionAmt"),
    ),
    "bybit": (with_money(bybit.load), [BYBIT | {"tradeMode": 0}, BYBIT], "symbol", by_side),
    "hyperreplay": (by_row(hyperreplay.load), [HYPERREPLAY], "coin", by_size("position_size")),
    "tables": (
        by_row(tables.load),
        [TABLE, TABLE | {"margin_mode": "isolated"}],
        "asset",
        by_size("size"),
    ),
}
NAMES = {"hyperreplay": "user", "tables": "account"}


def position_of(record: Record) -> Record:
    """The mapping that holds the position."""
    return record["assetPositions"][0]["position"] if "assetPositions" in record else record


def places(record: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a record."""
    found = []
    inside = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in inside:
        found.append((record, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


def mutate(rng: random.Random, record: Record) -> None:
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        container, key = rng.choice(places(record) or [(None, None)])
        if container is None:
            return
        change = rng.random()
        if change < 0.2:
            del container[key]
        elif (
            change < 0.4
            and isinstance(container[key], str | int | float)
            and not isinstance(container[key], bool)
        ):
            try:
                container[key] = rng.choice([-1, 1000, 1e-9, 1.01]) * float(container[key])
            except (OverflowError, ValueError):
                container[key] = ""
        elif change < 0.5 and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        else:
            container[key] = rng.choice(JUNK)


def batches(name: str) -> Iterator[Held]:
    documented, symbol = [pickle.dumps(record) for record in FORMATS[name][1]], FORMATS[name][2]
    rng = random.Random(f"records of {name}")
    for _ in range(COUNT // BATCH):
        held: Held = {}
        for at in range(BATCH):
            record = pickle.loads(rng.choice(documented))
            position = position_of(record)
            # An asset of its own, so that records cannot blame each other for their marks.
            position[symbol] = {"ccxt": f"A{at}/USDT:USDT"}.get(name, f"A{at}USDT")
            if name in NAMES:
                record[NAMES[name]] = f"a{at}"
            mutate(rng, record)
            held[f"a{at}"] = record
        yield held


def check(result: Loaded, held: Held, symbol: str, sign: Sign) -> None:
    """Numbers are finite, every row rejected has its reason, and the signs of those taken are the
    records'.
    """
    assert np.isfinite(result.book.size).all()
    frame = result.book.to_frame().dropna(subset="size")  # the others hold no position
    assert np.isfinite(result.book.equity).all()
    assert result.rejected["reason"].str.len().gt(0).all()
    for account, asset, size in zip(frame["account"], frame["asset"], frame["size"], strict=True):
        record = held.get(
            account, {}
        )  # another account's name may have been mutated into the row's
        entries = record.get("assetPositions") if isinstance(record, dict) else None
        positions = (
            [p.get("position") for p in entries if isinstance(p, dict)]
            if isinstance(entries, list)
            else [record]
        )
        told = {
            sign(p)
            for p in positions
            if isinstance(p, dict) and isinstance(p.get(symbol), str) and p[symbol] == asset
        }
        assert not told or np.sign(size) in told


def outcomes(load: Load, held: Held) -> Iterator[tuple[Loaded | None, Held]]:
    """What loading gives, and the records loaded; a batch that is refused is tried by halves. None
    for a refused record.
    """
    try:
        yield load(held), held
    except adl.InputError:
        names = list(held)
        if len(names) == 1:
            yield None, held
            return
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            yield from outcomes(load, {name: held[name] for name in half})


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_records(name: str) -> None:
    load, _, symbol, sign = FORMATS[name]
    taken = rejected = refused = 0
    for held in batches(name):
        for result, loaded in outcomes(load, held):
            if result is None:
                refused += 1
                continue
            check(result, loaded, symbol, sign)
            taken += result.book.size.size
            rejected += len(result.rejected)
    assert taken > COUNT / 5
    assert rejected > COUNT / 20
    assert (
        taken + rejected + refused >= 0.9 * COUNT
    )  # states of accounts that hold nothing are neither


NONE: list[Any] = [*JUNK, [[]], [[1]], [None], {"a": None}, {"a": [None]}, {"a": {"b": {}}}, {1: 2}]


@pytest.mark.parametrize("name", FORMATS)
def test_sources_that_are_none(name: str) -> None:
    modules = {
        "hyperliquid": hyperliquid,
        "ccxt": ccxt,
        "binance": binance,
        "bybit": bybit,
        "hyperreplay": hyperreplay,
    }
    for source in NONE:
        try:
            result = modules.get(name, tables).load(source)
        except adl.InputError:
            continue
        assert result.book.size.size == 0
