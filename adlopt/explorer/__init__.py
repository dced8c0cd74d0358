"""A page in which one reduction can be explored with the mouse, without a server or a network.

The page is HTML, style and plain scripts in `assets`, joined into one file together with its books.
Its mathematics is closed: water-filling and factor leverage, two correlated normal prices, rules by
sorting, and the bound by a sort.
"""

from adlopt.explorer.page import page, preset_of, write

__all__ = ["page", "preset_of", "write"]
