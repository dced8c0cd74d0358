"""Docstrings of public names say everything: parameters with types, results, fields, an example."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytest

from tests.public import public_names

SECTION = re.compile(r"^([A-Z]\w+)\n-+$", re.MULTILINE)
BORROWED = (
    "adlopt.model.book_changes",
    "adlopt.model.book_frames",
    "adlopt.model.margin",
    "adlopt.model.problem_changes",
)
"""Modules whose functions are methods of a class: the first parameter is the object itself."""


def sections(text: str | None) -> dict[str, str]:
    """The sections of a numpydoc docstring by title."""
    clean = inspect.cleandoc(text or "")
    heads = list(SECTION.finditer(clean))
    found = {}
    for head, after in zip(heads, [*heads[1:], None], strict=True) if heads else ():
        end = len(clean) if after is None else after.start()
        found[head.group(1)] = clean[head.end() : end].strip("\n")
    return found


def entries(section: str) -> dict[str, str]:
    """Names described in a section of parameters, with the type of each."""
    found: dict[str, str] = {}
    for line in section.splitlines():
        if line and not line[0].isspace():
            names, _, kind = line.partition(" : ")
            found |= {name.strip().lstrip("*"): kind.strip() for name in names.split(",")}
    return found


def own_parameters(function: Callable[..., Any], *, method: bool) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    if (
        method
        and parameters
        and (parameters[0].name in ("self", "cls") or function.__module__ in BORROWED)
    ):
        return parameters[1:]
    return parameters


def missing(function: Callable[..., Any], *, method: bool) -> list[str]:
    """What the docstring of a function or method does not say."""
    said = sections(function.__doc__)
    described = entries(said.get("Parameters", ""))
    parameters = own_parameters(function, method=method)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    lacking = [f"parameter {one.name}" for one in parameters if one.name not in described]
    lacking += [
        f"type of {one.name}"
        for one in parameters
        if one.kind not in variadic and described.get(one.name) == ""
    ]
    lacking += [
        f"{name}, which it does not have"
        for name in described
        if name not in inspect.signature(function).parameters
    ]
    answer = inspect.signature(function).return_annotation
    returns = answer not in (None, "None", inspect.Signature.empty)
    if returns and (parameters or not method) and "Returns" not in said:
        lacking.append("Returns")
    if not method and "Examples" not in said:
        lacking.append("Examples")
    return lacking


def undocumented_fields(kind: type[Any]) -> list[str]:
    """Fields of a dataclass that neither its docstring nor a string after them describes."""
    said = sections(kind.__doc__)
    described = {*entries(said.get("Parameters", "")), *entries(said.get("Attributes", ""))}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(field.target, ast.Name)
            described.add(field.target.id)
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.name in kind.__annotations__
        and not field.name.startswith("_")
        and field.name not in described
    ]


def methods(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public methods and properties that a class defines, but for overrides of documented ones."""
    for name, value in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property) and value.fget is not None:
            function: Any = value.fget
        elif isinstance(value, cached_property):
            function = value.func
        else:
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        inherited = any(getattr(vars(base).get(name), "__doc__", None) for base in kind.__mro__[1:])
        if inspect.isfunction(function) and (function.__doc__ or not inherited):
            yield name, function


PUBLIC = public_names()
FUNCTIONS = sorted(name for name, value in PUBLIC.items() if inspect.isfunction(value))
CLASSES = sorted(name for name, value in PUBLIC.items() if inspect.isclass(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_describe_parameters_and_results(name: str) -> None:
    assert missing(PUBLIC[name], method=False) == []


@pytest.mark.parametrize("name", CLASSES)
def test_methods_describe_parameters_and_results(name: str) -> None:
    for method, function in methods(PUBLIC[name]):
        assert function.__doc__, method
        assert missing(function, method=True) == [], method


@pytest.mark.parametrize("name", CLASSES)
def test_classes_describe_what_they_hold(name: str) -> None:
    kind: Any = PUBLIC[name]
    if dataclasses.is_dataclass(kind):
        assert undocumented_fields(PUBLIC[name]) == []
    elif inspect.isfunction(vars(kind).get("__init__")) and not issubclass(kind, Exception):
        if getattr(kind, "_is_protocol", False):
            return  # its __init__ is Python's own
        described = entries(sections(kind.__doc__).get("Parameters", ""))
        assert set(inspect.signature(kind).parameters) <= described.keys()
