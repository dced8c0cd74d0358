"""Progress is shown on a terminal, after a while, and nowhere else."""

from __future__ import annotations

import io
import time

import pytest

from adlopt._internal import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "patience", "shown"),
    [(Terminal, 0.0, True), (Terminal, 60.0, False), (io.StringIO, 0.0, False)],
)
def test_progress(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], patience: float, shown: bool
) -> None:
    out = stream()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", out)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    with progress.Progress("shadow prices") as line:
        time.sleep(0.1)
        line.report("interior-point step 3")
        time.sleep(0.1)
    assert ("step 3" in out.getvalue()) == shown
