"""One line on a terminal's error stream while a long computation runs; nothing where nobody
looks.
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec
from types import TracebackType
from typing import Any

PATIENCE = 2.0  # seconds before anything is shown


class Progress:
    """Say what a computation is doing, once it has taken two seconds and if the error stream is a
    terminal.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._status: Any = None
        self._timer: threading.Timer | None = None

    def report(self, doing: str) -> None:
        if self._status is not None:
            self._status.update(f"{self.what}: {doing}")

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and find_spec("rich") is not None:
            from rich.console import Console

            self._status = Console(stderr=True).status(self.what)
            self._timer = threading.Timer(PATIENCE, self._status.start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._status.stop()
