"""The page of the explorer, from its parts and from books."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from adlopt.errors import InputError
from adlopt.explorer.presets import presets
from adlopt.model.book import Book

MAX_ACCOUNTS = 2_000  # more make a page slow: at 1,000 one setting takes about 50 ms
VOLATILITY = 0.8  # annualised, of an asset whose volatility is not given

PARTS = {
    "/*STYLE*/": "style.css",
    "/*MATHEMATICS*/": "mathematics.js",
    "/*PICTURES*/": "pictures.js",
    "/*APPLICATION*/": "application.js",
}


def page(book: Book | None = None, *, name: str = "Your book") -> str:
    """The explorer as the text of one HTML page.

    Parameters
    ----------
    book : Book, optional
        A book to start with, in front of the presets. At most 2,000 accounts with equity > 0.
    name : str
        What the page calls it.

    Returns
    -------
    str
        A page that needs no other file and makes no request.

    Raises
    ------
    InputError
        The book is too large, or no solvent account holds a position.

    Examples
    --------
    >>> import adlopt as adl
    >>> from adlopt.explorer import page
    >>> text = page(adl.examples.paper_book())
    >>> text.startswith("<!doctype html>")
    True
    """
    assets = files("adlopt.explorer") / "assets"
    text = (assets / "explorer.html").read_text(encoding="utf-8")
    for mark, part in PARTS.items():
        text = text.replace(mark, (assets / part).read_text(encoding="utf-8"))
    chosen = ([] if book is None else [preset_of(book, name)]) + presets()
    # "</script>" in a name must not end the element, nor "<!--" begin a comment.
    data = json.dumps(chosen, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return text.replace("/*PRESETS*/", data)


def write(path: str | Path, book: Book | None = None, *, name: str = "Your book") -> None:
    """Write the page to a file, which appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        The HTML file.
    book : Book, optional
        See `page`.
    name : str
        See `page`.

    Raises
    ------
    InputError
        The book is too large, or the file cannot be written.
    """
    from adlopt._internal.files import write_text

    write_text(path, page(book, name=name))


def preset_of(book: Book, name: str) -> dict[str, Any]:
    """A book as the page's scripts read it: pools as accounts, and a setting to start from."""
    rows = np.flatnonzero(book.solvent[book.pool] & (book.size != 0))
    if not rows.size:
        raise InputError("explorer: no solvent account of the book holds a position")
    pools = np.unique(book.pool[rows])
    if pools.size > MAX_ACCOUNTS:
        raise InputError(
            f"explorer: the book has {pools.size:,} solvent accounts; the page takes at most "
            f"{MAX_ACCOUNTS:,}. Give a part of the book, such as its largest accounts"
        )
    short = np.bincount(
        book.asset[rows],
        np.maximum(-book.size[rows], 0.0) * book.marks[book.asset[rows]],
        minlength=len(book.assets),
    )
    return {
        "name": name,
        "asset": str(book.assets[int(np.argmax(short))]),
        "side": -1 if short.any() else 1,
        "reduction": 300,
        "days": 10,
        "correlation": 0.85,
        "marks": {str(k): float(p) for k, p in zip(book.assets, book.marks, strict=True)},
        "volatility": {str(k): VOLATILITY for k in book.assets},
        "accounts": [_account(book, int(i)) for i in pools],
    }


def _account(book: Book, pool: int) -> dict[str, Any]:
    rows = range(int(book.first_position[pool]), int(book.first_position[pool + 1]))
    entry = book.entry_price
    return {
        "name": str(book.account_names[book.pool_account[pool]]),
        "equity": float(book.equity[pool]),
        "positions": {str(book.assets[book.asset[r]]): float(book.size[r]) for r in rows},
        "entry": {
            str(book.assets[book.asset[r]]): float(entry[r])
            for r in rows
            if entry is not None and np.isfinite(entry[r])
        },
    }
