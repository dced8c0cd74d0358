"""A problem in a TOML file: its entries are the flags, and stand for those that are not given."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

from adlopt.errors import InputError

MODELS = ("direction", "volatility", "covariance", "history", "scenarios")
MODEL = (*MODELS, "correlation", "horizon", "horizon_days", "degrees", "window", "points", "seed")
"""Entries of a price model: a model on the command line replaces the file's as a whole."""

SIMULATION = "simulate"
"""The section whose entries only the command of that name takes."""

SIMULATION_PARAMETERS: dict[str, inspect.Parameter] = {}
"""Of that command; where a name is also in `PARAMETERS` the kind of value may differ."""

PARAMETERS: dict[str, inspect.Parameter] = {}
"""Of every command that states a problem, by name: one file serves all, and ignores what its
command does not take.
"""

PATH_OR_NUMBER = ("correlation",)


def use(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's entries as defaults of the command's parameters; the callback of
    `--config`.
    """
    if path is not None and not context.resilient_parsing:
        context.default_map = defaults(context, path)
    return path


def defaults(context: typer.Context, path: Path) -> dict[str, Any]:
    """The file's entries as the command line would give them.

    InputError names the entry that no command knows, with the nearest that one does, or that has
    the wrong kind of value.
    """
    own = {parameter.name for parameter in context.command.params}
    found: dict[str, object] = {}
    entries = read(path)
    section = entries.pop(SIMULATION, {})
    if not isinstance(section, dict):
        raise InputError(f"{path}: {SIMULATION} is {section!r}; write a section [{SIMULATION}]")
    known = PARAMETERS | SIMULATION_PARAMETERS
    if context.command.name == SIMULATION:
        entries |= section
    else:
        known |= PARAMETERS
    for key, value in entries.items():
        name = "mark" if key == "marks" and isinstance(value, dict) else key
        if name not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.5)
            raise InputError(
                f"{path}: unknown entry {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if name in own:
            found[name] = _given(f"{path}, entry {key!r}", known[name], value, path.parent)
    return {
        name: _unless_replaced(context, value) if name in MODEL else value
        for name, value in found.items()
    }


def read(path: Path) -> dict[str, Any]:
    """The entries of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # of TOML and of decoding: ValueErrors
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error


def _unless_replaced(context: typer.Context, value: object) -> Callable[[], object]:
    """The value, unless a price model stands on the command line, whose flags are read before any
    default is.
    """

    def choose() -> object:
        sources = [context.get_parameter_source(name) for name in MODELS]
        return (
            None
            if any(source is not None and source.name == "COMMANDLINE" for source in sources)
            else value
        )

    return choose


def _given(what: str, parameter: inspect.Parameter, value: object, folder: Path) -> object:
    """An entry's value as its flag takes it; paths are relative to the file's folder."""
    annotation, option = get_args(parameter.annotation)
    kinds = set(get_args(annotation) or [annotation])
    if get_origin(annotation) is list or any(get_origin(kind) is list for kind in kinds):
        return (
            _pairs(what, value) if str(option.metavar).startswith("ASSET=") else _texts(what, value)
        )
    if bool in kinds:
        return _checked(what, value, "true or false", isinstance(value, bool))
    if kinds & {int, float}:
        allowed = int | float if float in kinds else int
        kind = "a number" if float in kinds else "a whole number"
        return _checked(
            what, value, kind, isinstance(value, allowed) and not isinstance(value, bool)
        )
    if Path in kinds or (
        parameter.name in PATH_OR_NUMBER and isinstance(value, str) and not _is_number(value)
    ):
        return str(
            folder / str(_checked(what, value, "the name of a file", isinstance(value, str)))
        )
    if isinstance(value, list):
        return ",".join(_number_text(what, item) for item in value)
    return _number_text(what, value)


def _checked(what: str, value: object, kind: str, right: bool) -> object:
    if not right:
        raise InputError(f"{what}: {value!r} is not {kind}")
    return value


def _pairs(what: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        raise InputError(f"{what}: write a table of numbers by asset, not {value!r}")
    return [
        f"{asset}={_number_text(f'{what}, {asset!r}', number)}" for asset, number in value.items()
    ]


def _texts(what: str, value: object) -> list[str]:
    return [_number_text(what, item) for item in (value if isinstance(value, list) else [value])]


def _number_text(what: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{what}: {value!r} is neither a number nor text")
    return value if isinstance(value, str) else repr(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
