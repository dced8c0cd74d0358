"""Problems as JSON text: floats in full, nothing executed when it is read.

An object of the package is written as the name of its class and its attributes. Reading accepts
the classes of `KNOWN` alone and sets attributes; it calls no code that the text names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from adlopt import objectives, prices
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.market import Market
from adlopt.objectives import protocol as objective_protocol
from adlopt.prices import shocks

FORMAT = 1  # raised when older readers would misread the text

KNOWN: dict[str, type] = {
    one.__name__: one
    for module in (objectives, prices, objective_protocol)
    for one in vars(module).values()
    if isinstance(one, type) and one.__module__.startswith("adlopt.")
} | {"Book": Book, "Market": Market, "SampleShock": shocks.SampleShock}


def dumps(kind: str, content: Mapping[str, Any]) -> str:
    """JSON text of named values."""
    fields = {name: encode(name, value) for name, value in content.items()}
    return json.dumps({"adlopt": kind, "format": FORMAT, **fields}, allow_nan=False)


def loads(kind: str, text: str) -> dict[str, Any]:
    """The named values of a text that `dumps` wrote, or an InputError."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{kind}.from_json: the text is not JSON ({error})") from error
    if not isinstance(content, dict) or content.pop("adlopt", None) != kind:
        raise InputError(f"{kind}.from_json: expected the text that {kind}.to_json writes")
    if content.pop("format", None) != FORMAT:
        raise InputError(f"{kind}.from_json: the text was written by another version of adlopt")
    try:
        return {name: decode(value) for name, value in content.items()}
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise InputError(f"{kind}.from_json: the text is damaged ({error!r})") from error


def encode(what: str, value: Any) -> Any:
    """A value as JSON has it; InputError, naming `what`, for one that it cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray):
        return {"array": [encode(what, one) for one in value.tolist()], "dtype": value.dtype.str}
    if isinstance(value, pd.DatetimeIndex):
        return {"times": [one.isoformat() for one in value]}
    if isinstance(value, pd.Index):
        return {"index": [encode(what, one) for one in value], "name": encode(what, value.name)}
    if isinstance(value, pd.Series):
        return {"series": _column(what, value), "index": encode(what, value.index)}
    if isinstance(value, pd.DataFrame):
        columns = [[encode(what, name), _column(what, value[name])] for name in value]
        return {"frame": columns, "index": encode(what, value.index)}
    if isinstance(value, Mapping):
        return {"map": [[encode(what, key), encode(what, one)] for key, one in value.items()]}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encode(what, one) for one in value]}
    if KNOWN.get(type(value).__name__) is type(value):
        return {"type": type(value).__name__, "attributes": _attributes(what, value)}
    raise InputError(
        f"to_json: {what}: a {type(value).__name__} cannot be written; JSON holds the objectives "
        "and price models of adlopt"
    )


def _attributes(what: str, value: object) -> dict[str, Any]:
    """The attributes that make an object, without cached ones."""
    cached = {
        name
        for kind in type(value).__mro__
        for name, entry in vars(kind).items()
        if isinstance(entry, cached_property)
    }
    return {
        name: encode(f"{what}.{name}", one)
        for name, one in vars(value).items()
        if name not in cached
    }


def _column(what: str, column: pd.Series[Any]) -> dict[str, Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = [encode(what, one) for one in column.cat.categories]
        return {"codes": column.cat.codes.tolist(), "categories": categories}
    if column.dtype.kind in "iufb":
        return encode(what, column.to_numpy())  # type: ignore[no-any-return]
    return {"objects": [None if pd.isna(one) else encode(what, one) for one in column]}


def decode(value: Any) -> Any:
    """The value that `encode` wrote."""
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "iufbO":
            raise ValueError(f"an array of type {dtype}")
        return np.array([decode(one) for one in value["array"]], dtype=dtype)
    if "times" in value:
        return pd.DatetimeIndex(value["times"])
    if "series" in value:
        return pd.Series(_decode_column(value["series"]), index=decode(value["index"]))
    if "frame" in value:
        columns = {decode(name): _decode_column(column) for name, column in value["frame"]}
        return pd.DataFrame(columns, index=decode(value["index"]))
    if "index" in value:
        return pd.Index([decode(one) for one in value["index"]], name=decode(value["name"]))
    if "map" in value:
        return {decode(key): decode(one) for key, one in value["map"]}
    if "tuple" in value:
        return tuple(decode(one) for one in value["tuple"])
    if "list" in value:
        return [decode(one) for one in value["list"]]
    kind = KNOWN[value["type"]]
    made: object = object.__new__(kind)
    for name, one in value["attributes"].items():
        object.__setattr__(made, name, decode(one))
    return made


def _decode_column(column: dict[str, Any]) -> Any:
    if "codes" in column:
        return pd.Categorical.from_codes(column["codes"], categories=column["categories"])
    if "objects" in column:
        return [decode(one) for one in column["objects"]]
    return decode(column)
