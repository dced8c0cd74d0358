"""Text that is safe to show."""

from __future__ import annotations


def visible(text: object) -> str:
    """Text with every character that would not show up as its escape sequence.

    Control characters move a terminal's cursor or change its colors, and marks of writing direction
    reorder a line: from a name in a file, neither is wanted.

    Examples
    --------
    >>> print(visible("vault \\x1b[31m7"))
    vault \\x1b[31m7
    >>> print(visible("Zürich 東京"))
    Zürich 東京
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in shown
    )
