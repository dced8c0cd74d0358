"""Write a proof to a file that appears whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from adlopt.errors import InputError


def write(document: dict[str, Any], path: Path) -> None:
    """JSON, compressed if the name ends in .gz: written beside its place, synced, then renamed.

    The same proof gives the same bytes. Raises InputError if the file cannot be written.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()
    if path.suffix == ".gz":
        text = gzip.compress(text, compresslevel=6, mtime=0)
    beside = None
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, path)
        beside = None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)


def _umask() -> int:
    """The permissions that new files do without; reading it means setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
