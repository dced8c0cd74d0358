"""Copies of the notebooks for JupyterLite: `python tools/browser_notebooks.py FOLDER`.

Each copy starts with a cell that installs adlopt, because every kernel in a browser is a new
installation. Outputs are left out, so readers see their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
INSTALL = "%pip install -q adlopt"
KERNEL = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        first = nbformat.v4.new_code_cell(INSTALL, id="install")
        notebook.cells.insert(0, first)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        notebook.metadata["kernelspec"] = KERNEL
        nbformat.validate(notebook)
        nbformat.write(notebook, folder / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
