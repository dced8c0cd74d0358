"""Keep the banner of HiGHS off standard output.

`highspy.Highs()` prints a banner from C when it is constructed, before any option can turn it off;
cvxpy constructs one in every solve. Only a redirection of file descriptor 1 keeps it away.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any

BANNER = re.compile(rb"HiGHS|MIT licen[cs]e|third-party software", re.IGNORECASE)


class _Filter:
    """A redirection of file descriptor 1 that several threads share: the first to enter starts it,
    the last to leave ends it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._original: int | None = None  # copy of descriptor 1 while it is redirected
        self._held: IO[bytes] | None = None  # what it writes to meanwhile

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._start()
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._end()

    def _start(self) -> None:
        _flush()
        with contextlib.suppress(OSError):  # no space, or a process without standard output
            held = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _end)
            try:
                self._original = os.dup(1)
            except OSError:
                held.close()
                raise
            os.dup2(held.fileno(), 1)
            self._held = held

    def _end(self) -> None:
        if self._original is None or self._held is None:
            return
        _flush()
        os.dup2(self._original, 1)
        os.close(self._original)
        with self._held as held:
            held.seek(0)
            kept = b"".join(line for line in held if not BANNER.search(line))
        self._original = self._held = None
        # If the reader is gone, the program's own next write says so.
        with contextlib.suppress(OSError):
            while kept:
                kept = kept[os.write(1, kept) :]


def _flush() -> None:
    """Write out what Python and the C library hold for descriptor 1."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stdout.flush()
    with contextlib.suppress(AttributeError, TypeError, OSError):
        ctypes.CDLL(None if os.name == "posix" else "ucrtbase").fflush(None)


_FILTER = _Filter()


@contextlib.contextmanager
def no_banner() -> Iterator[None]:
    """Remove the banner of HiGHS from what is written to file descriptor 1 in this block.

    Everything else that is written there meanwhile, by this thread or another, is held back and
    written when the block ends. May be nested and used by several threads at once. Without a file
    descriptor 1, or without a place for a temporary file, it does nothing.
    """
    _FILTER.enter()
    try:
        yield
    finally:
        _FILTER.leave()


def silent_highs() -> Any:
    """A `highspy.Highs` that neither printed its banner nor will print a log."""
    import highspy

    with no_banner():
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
    return highs
