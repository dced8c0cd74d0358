"""Loops on all processors can be interrupted."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest

from adlopt._jit import on_all


def test_sums_of_chunks() -> None:
    def kernel(chunk: np.ndarray, factor: float, out: np.ndarray) -> None:
        out[0] += factor * chunk.sum()

    for chunks in ([np.arange(10)], np.array_split(np.arange(10), 4)):
        (total,) = on_all(kernel, chunks, (2.0,), (1,))
        assert total[0] == 90.0


def test_interruption_ends_with_the_chunks_under_way() -> None:
    ran = []

    def kernel(chunk: np.ndarray, out: np.ndarray) -> None:
        time.sleep(0.02)
        ran.append(chunk)

    before = threading.active_count()
    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        on_all(kernel, [np.arange(1)] * 500, (), (1,))
    assert 0 < len(ran) < 500
    assert threading.active_count() <= before
