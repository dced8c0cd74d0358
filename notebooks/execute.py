"""Execute the notebooks in clean kernels: `python notebooks/execute.py [--write] [NAME ...]`.

Without --write, exit 1 if a cell raises, warns, or prints other text than is committed: prose never
quotes a stale number.
With it, store the outputs. NAME picks notebooks by the beginning of their file names, such as 02.

For authors. Tags of cells: `answer`, `check` and `solution` make an exercise
(tests/test_notebooks.py says what they must
hold), `claim` asserts a theorem, `volatile` has outputs that differ from run to run, such as
timings.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent
TIMEOUT = 120  # seconds for one cell
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
QUIET = [
    "--log-level=ERROR"
]  # a kernel warns that it listens on the loopback interface, which is all it is to do


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Execute notebooks and compare, or store, their outputs."
    )
    parser.add_argument("--write", action="store_true", help="store the outputs")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="beginning of a file name; all notebooks if left out",
    )
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(HERE.glob("*.ipynb"))
        if path.name.startswith(tuple(options.names) or ("",))
    ]
    if not paths:
        print(f"no notebook in {HERE} is called so", file=sys.stderr)
        return 1
    return max([executed(path, write=options.write) for path in paths])


def executed(path: Path, *, write: bool) -> int:
    """Execute one notebook and say what is wrong with it; 0 if nothing is."""
    committed = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    try:
        NotebookClient(
            fresh,
            timeout=TIMEOUT,
            resources={"metadata": {"path": HERE}},
            record_timing=False,
            extra_arguments=QUIET,
        ).execute()
    except CellExecutionError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return 1
    print(f"{path.name}: executed in {time.perf_counter() - started:.1f} s")
    faults = [
        f"cell {at}: {text}" for at, cell in enumerate(fresh.cells) for text in warnings(cell)
    ]
    if write:
        describe_pictures(fresh.cells)
        fresh.metadata["language_info"] = {
            "name": "python"
        }  # and no version, which would differ without need
        nbformat.write(fresh, path)
    else:
        faults += stale(committed.cells, fresh.cells)
    for fault in faults:
        print(f"{path.name}, {fault}", file=sys.stderr)
    return 1 if faults else 0


def describe_pictures(cells: list[Any]) -> None:
    """Copy the alternative text of a cell to its picture, where other programs look for it."""
    for cell in cells:
        text = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        for out in cell.get("outputs", []):
            if text and "image/png" in out.get("data", {}):
                out.metadata.setdefault("image/png", {})["alt"] = text


def warnings(cell: Any) -> list[str]:
    """What a cell wrote to the stream for warnings."""
    return [
        out.text
        for out in cell.get("outputs", [])
        if out.output_type == "stream" and out.name == "stderr"
    ]


def stale(committed: list[Any], fresh: list[Any]) -> list[str]:
    """Cells whose text differs from what is committed."""
    faults = []
    for at, (old, new) in enumerate(zip(committed, fresh, strict=True)):
        if old.cell_type != "code" or "volatile" in old.metadata.get("tags", []):
            continue
        before, after = texts(old), texts(new)
        if len(before) != len(after) or not all(map(alike, before, after)):
            faults.append(f"cell {at} is stale; committed:\n{before}\nnow:\n{after}")
    return faults


def alike(old: str, new: str) -> bool:
    """Whether texts agree but for spaces and the last digit of their decimals, in which processors
    may differ.
    """
    words, others = (NUMBER.sub("#", " ".join(text.split())) for text in (old, new))
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
    return words == others and all(
        abs(float(a) - float(b)) <= 1.5 * last_digit(a) for a, b in pairs
    )


def last_digit(number: str) -> float:
    """What one unit in the last place shown is worth; nothing where no decimals are shown: 4
    accounts are not 5.
    """
    mantissa, _, exponent = number.partition("e")
    _, point, decimals = mantissa.partition(".")
    return float(10.0 ** (int(exponent or 0) - len(decimals))) if point else 0.0


def texts(cell: Any) -> list[str]:
    """The text of a cell's outputs, printed text in one piece; of a picture, that there is one."""
    printed = "".join(out.text for out in cell.outputs if out.output_type == "stream")
    found = [printed] if printed else []
    for out in cell.outputs:
        if out.output_type == "stream":
            continue
        if "image/png" in out.data:
            found.append("a picture")
        else:
            found += [
                out.data[kind] for kind in ("text/markdown", "text/plain") if kind in out.data
            ]
    return found


if __name__ == "__main__":
    sys.exit(main())
