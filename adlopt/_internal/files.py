"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adlopt.errors import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    After an exception, an interruption included, the old file is untouched and nothing is left
    beside it. InputError if the file cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name[:40]}.", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    beside = Path(name)
    try:
        yield beside
        _sync(beside)
        _take_permissions(beside, target)
        os.replace(beside, target)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def require_place(what: str, path: Path) -> None:
    """Refuse, before any work, a path at which no file can be written."""
    if path.is_dir():
        raise InputError(f"{what} {path}: this is a directory; name a file")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputError(f"{what} {path}: the directory {folder} does not exist")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def _sync(path: Path) -> None:
    """Wait until the content is on the disk: a rename may otherwise reach it first."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _take_permissions(beside: Path, target: Path) -> None:
    """Those of the file that is replaced, or what the process gives to new files."""
    if target.exists():
        mode = target.stat().st_mode & 0o777
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    beside.chmod(mode)
