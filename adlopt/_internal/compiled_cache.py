"""Where compiled loops are stored between processes.

numba stores machine code beside the source or in the user's cache directory, and raises if neither
can be written, if the disk is full, or if a stored file is damaged. A missing cache costs seconds
and must not cost the answer, so here it is mended, moved or given up, with one warning.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.runtime import rtsys


def enable(dispatcher: Any) -> None:
    """Store what numba compiles for this dispatcher, as far as that is possible."""
    dispatcher._cache = ForgivingCache(dispatcher.py_func)


class KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, which notices too when a function that it calls changes.

    numba compares the source file of the function alone, so machine code would survive an upgrade
    that changes a compiled function in another file.
    """

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), called_sources(self._py_func))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """As numba's, but without the imports that only compiling needs: they take longer than
        loading.

        Stored code needs numba's runtime. numba imports the rest itself when it compiles. Functions
        compiled with parallel=True, or with sets or dictionaries, need more: do not store them.
        """
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def holds(self, sig: Any, codegen: Any) -> bool:
        """Whether there is machine code for this signature."""
        return self._index_key(sig, codegen) in self._cache_file._load_index()


class ForgivingCache:
    """A cache that never raises: after a failure it goes on in another directory, then without."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._cache: Any = None  # found at the first use: importing a module writes nothing
        self._elsewhere = False

    @property
    def cache_path(self) -> str | None:
        return None if self._cache is None else self._cache.cache_path

    def enable(self) -> None:
        """Required by numba; a cache is always enabled here."""

    def disable(self) -> None:
        self._cache = NullCache()

    def flush(self) -> None:
        if self._cache is not None:
            self._cache.flush()

    def holds(self, signature: Any, codegen: Any) -> bool:
        """Whether machine code is stored; where that cannot be told, loading it will say why."""
        if self._cache is None:
            self._open()
        if isinstance(self._cache, NullCache):
            return False
        try:
            return bool(self._cache.holds(signature, codegen))
        except Exception:  # unpickling a damaged file may raise anything
            return True

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Stored machine code, or None: then numba compiles."""
        if self._cache is None:
            self._open()
        try:
            return self._cache.load_overload(signature, target)
        except Exception as error:  # unpickling a damaged file may raise anything
            warn_once(f"Stored machine code in {self.cache_path} cannot be read ({error!r})")
        try:
            self._cache.flush()  # an empty index replaces the damaged one
        except Exception:
            self._move()
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Store machine code; on failure in another directory, on another failure nowhere."""
        while not isinstance(self._cache, NullCache):
            try:
                self._cache.save_overload(signature, compiled)
            except Exception as error:  # a full disk, a damaged index
                warn_once(f"Machine code cannot be stored in {self.cache_path} ({error})")
                self._move()
            else:
                return

    def _open(self) -> None:
        try:
            self._cache = KernelCache(self._function)
        except (OSError, RuntimeError) as error:
            warn_once(f"Machine code cannot be stored in numba's directories ({error})")
            self._move()

    def _move(self) -> None:
        """Change to a private directory under the system's temporary one, or to no cache."""
        directory = None if self._elsewhere else private_directory()
        self._elsewhere = True
        self._cache = NullCache()
        if directory is None:
            return
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(directory)
        try:
            self._cache = KernelCache(self._function)
        except (OSError, RuntimeError):
            return
        finally:
            numba.config.CACHE_DIR = before


@cache
def private_directory() -> Path | None:
    """A directory that only this user can write, because stored code is executed when it is read;
    None if there cannot be one.
    """
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        directory = Path(tempfile.gettempdir()) / f"adlopt-numba-{user}"
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError:
        return None
    foreign = hasattr(os, "getuid") and (
        found.st_uid != os.getuid() or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    )
    return None if foreign or not stat.S_ISDIR(found.st_mode) else directory


_warned: list[str] = []


def warn_once(reason: str) -> None:
    """Say once per process why compilation will cost time again."""
    if not _warned:
        _warned.append(reason)
        warnings.warn(
            f"{reason}. Answers are not affected; compilation may take some seconds in every "
            "process. Set NUMBA_CACHE_DIR to a directory that can be written.",
            RuntimeWarning,
            stacklevel=2,
        )


def called_sources(function: Any) -> str:
    """Digest of the source files of all compiled functions that this one calls, however deep."""
    paths: set[str] = set()
    pending, seen = [function], set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        paths.add(current.__code__.co_filename)
        for name in current.__code__.co_names:
            called = getattr(current.__globals__.get(name), "py_func", None)
            if called is not None:
                pending.append(called)
    return hashlib.sha256("".join(map(digest, sorted(paths))).encode()).hexdigest()


@cache
def digest(path: str) -> str:
    """Digest of one file; of its name, if it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError:
        content = path.encode()
    return hashlib.sha256(content).hexdigest()
