"""Pages of the documentation that are written from the program itself before each build."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import api_pages
import guide_pictures

ROOT = Path(__file__).parents[1]


def write(docs: Path) -> None:
    """Write the reference pages, copy the notebooks and bring in the changelog."""
    api_pages.write(docs / "api")
    _write_if_changed(docs / "guide" / "command_line.md", command_line())
    notebooks = docs / "course" / "notebooks"
    notebooks.mkdir(parents=True, exist_ok=True)
    current = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for old in {path.name for path in notebooks.glob("*.ipynb")} - {path.name for path in current}:
        (notebooks / old).unlink()
    for notebook in current:
        _copy_if_changed(notebook, notebooks / notebook.name)
    _write_if_changed(docs / "changelog.md", (ROOT / "CHANGELOG.md").read_text())
    guide_pictures.write(docs / "_static" / "pictures")
    shipped = docs / "_static" / "explorer.html"
    explorer = explorer_page()
    if explorer is not None:
        _write_if_changed(shipped, explorer)


def explorer_page() -> str | None:
    """The explorer with its presets, as `adlopt explorer` writes it."""
    try:
        from adlopt.explorer import page
    except ImportError:
        return None
    return page()


def command_line() -> str:
    """Every command with its help text, arguments and options."""
    import typer.main

    from adlopt.cli import app

    group: Any = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "This page is written from the program. `adlopt COMMAND --help` prints the same texts.",
        "",
        _options_as_code(str(group.help)),
        "",
        str(group.epilog),
        "",
    ]
    for name, command in sorted(group.commands.items()):
        lines += [f"## adlopt {name}", "", _options_as_code(_plain(command.help)), ""]
        rows = [
            _row(parameter) for parameter in command.params if not getattr(parameter, "hidden", 0)
        ]
        if rows:
            lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    if getattr(parameter, "opts", None) and parameter.param_type_name == "option":
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
        takes_value = not (parameter.is_flag or parameter.count)
        name += f" {parameter.metavar or parameter.type.name.upper()}" if takes_value else ""
    else:
        name = parameter.metavar or str(parameter.name).upper()
    meaning = _cell(_plain(getattr(parameter, "help", "") or ""))
    return f"| `{_cell(name)}` | {_options_as_code(meaning)} |"


def _options_as_code(text: str) -> str:
    """Options in a text as code, since prose would turn their two hyphens into a dash."""
    return re.sub(r"(?<![`\w-])(--[a-z][a-z-]*)", r"`\1`", text)


def _plain(text: str | None) -> str:
    return (text or "").replace("\b", "").strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _write_if_changed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _copy_if_changed(source: Path, target: Path) -> None:
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)
