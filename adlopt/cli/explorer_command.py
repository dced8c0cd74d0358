"""`adlopt explorer`: one HTML page to explore reductions with the mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adlopt.cli.command import app


@app.command(epilog="Example: adlopt explorer book.csv --mark BTC=67000 --out explorer.html")
def explorer(
    book: Annotated[
        Path | None,
        typer.Argument(metavar="[BOOK]", help="CSV or Parquet table of positions. [default: none]"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")] = Path(
        "explorer.html"
    ),
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of accounts with their equity.")
    ] = None,
    mark: Annotated[
        list[str] | None, typer.Option(metavar="ASSET=PRICE", help="Mark price. Repeatable.")
    ] = None,
    marks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table of marks: asset, mark.")
    ] = None,
) -> None:
    """Write a page that compares rules with the optimum while you move a slider.

    The page needs no server and makes no request. Without BOOK it offers four small books.
    """
    from adlopt.cli.reading import read_book
    from adlopt.explorer import write

    given = None if book is None else read_book(book, accounts, mark, marks)
    write(out, given, name="Your book" if book is None else book.name)
    print(f"{out}: open it in a browser")
