"""The teaching notebooks: their shape, their exercises, and that prose quotes no number which no
cell has computed.

`notebooks/execute.py` runs them in clean kernels; here the code of each runs once, in this process.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("IPython", reason="the notebooks need pip install '.[notebooks]'")
matplotlib = pytest.importorskip(
    "matplotlib", reason="the notebooks need pip install '.[notebooks]'"
)

HOUSE = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(HOUSE.glob("*.ipynb"))
EXERCISES = 3
PARTS = ("answer", "check", "solution")  # of an exercise, by tag
MOST_BYTES = 400_000
SECTIONS = ("The question", "The mathematics", "The program", "Exercises", "What to read next")


@dataclass(frozen=True)
class Cell:
    kind: str
    source: str
    tags: tuple[str, ...]
    outputs: list[dict[str, Any]]
    metadata: dict[str, Any]
    alternative: str  # text of a picture

    @property
    def text(self) -> str:
        """What the outputs say, in all their forms."""
        parts = [
            part
            for out in self.outputs
            for part in (out, *(v for k, v in out.get("data", {}).items() if k.startswith("text/")))
        ]
        return "\n".join(
            "".join(part.get("text", "")) if isinstance(part, dict) else "".join(part)
            for part in parts
        )

    @property
    def has_picture(self) -> bool:
        return any("image/png" in out.get("data", {}) for out in self.outputs)


@dataclass
class Exercise:
    answer: Cell
    check: Cell
    solution: Cell
    open: Any = None  # verdicts
    solved: Any = None
    wrong: list[tuple[str, Any]] = field(default_factory=list)
    right: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Notebook:
    cells: list[Cell]
    metadata: dict[str, Any]

    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    def prose(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "markdown"]

    def exercises(self) -> list[Exercise]:
        parts = [[cell for cell in self.cells if tag in cell.tags] for tag in PARTS]
        return [Exercise(*exercise) for exercise in zip(*parts, strict=True)]


def read(path: Path) -> Notebook:
    raw = json.loads(path.read_text(encoding="utf-8"))
    cells = [
        Cell(
            cell["cell_type"],
            "".join(cell["source"]),
            tuple(cell["metadata"].get("tags", ())),
            cell.get("outputs", []),
            cell["metadata"].get("adlopt", {}),
            cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", ""),
        )
        for cell in raw["cells"]
    ]
    return Notebook(cells, raw["metadata"].get("adlopt", {}))


def run(source: str, names: dict[str, Any]) -> Any:
    """Execute code and return what its last expression gives, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "notebook", "exec"), names)
        return None
    tree.body.pop()
    exec(compile(tree, "notebook", "exec"), names)
    return eval(compile(ast.Expression(last.value), "notebook", "eval"), names)


def solution_code(cell: Cell) -> str:
    """The code in the collapsed part of a solution's text."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", cell.source, re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture(scope="module", params=PATHS, ids=[path.stem for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def notebook(path: Path) -> Notebook:
    return read(path)


@pytest.fixture(scope="module")
def exercises(notebook: Notebook) -> list[Exercise]:
    """The notebook's exercises, with what their checks said: as they stand, solved, and answered
    wrongly.

    Everything else runs too, so that every assertion of the notebook is met.
    """
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    found = notebook.exercises()
    by_check = {id(one.check): one for one in found}
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
    for cell in notebook.code():
        result = run(cell.source, names)
        plt.close("all")
        one = by_check.get(id(cell))
        if one is None:
            continue
        one.open = result
        run(solution_code(one.solution), names)
        one.solved = run(cell.source, names)
        for wrong in cell.metadata.get("wrong_answers", []):
            run(wrong, names)
            one.wrong.append((wrong, run(cell.source, names)))
        for right in cell.metadata.get("right_answers", []):
            run(right, names)
            one.right.append((right, run(cell.source, names)))
        run(one.answer.source, names)
    return found


def test_there_are_notebooks() -> None:
    assert PATHS


def test_sections(notebook: Notebook) -> None:
    """The parts that every notebook has, in order."""
    headings = "\n".join(
        line
        for cell in notebook.prose()
        for line in cell.source.splitlines()
        if line.startswith("#")
    )
    places = [headings.find(f"# {section}") for section in SECTIONS]
    assert -1 not in places, f"sections {SECTIONS}, found:\n{headings}"
    assert places == sorted(places)


def test_outputs_are_committed_and_clean(path: Path, notebook: Notebook) -> None:
    assert path.stat().st_size < MOST_BYTES
    for cell in notebook.code():
        kinds = [(out["output_type"], out.get("name")) for out in cell.outputs]
        assert not {("error", None), ("stream", "stderr")} & set(kinds), cell.source
        shows = isinstance(
            ast.parse(cell.source).body[-1], ast.Expr
        ) and not cell.source.rstrip().endswith(";")
        assert cell.outputs or not shows, f"no output is committed of:\n{cell.source}"


def test_pictures_have_captions(notebook: Notebook) -> None:
    """A picture is followed by a cell that begins with its number and says what is seen."""
    pictures = [at for at, cell in enumerate(notebook.cells) if cell.has_picture]
    assert pictures
    for number, at in enumerate(pictures, start=1):
        caption = notebook.cells[at + 1]
        assert caption.kind == "markdown"
        assert caption.source.startswith(f"**Figure {number}.** "), caption.source


def test_pictures_have_alternative_text(notebook: Notebook) -> None:
    """In the cell's metadata, for the site, and in the output's, for other programs."""
    for cell in notebook.cells:
        if cell.has_picture:
            assert len(cell.alternative) >= 100, f"metadata.mystnb.image.alt of:\n{cell.source}"
            for out in cell.outputs:
                if "image/png" in out.get("data", {}):
                    assert out["metadata"]["image/png"]["alt"] == cell.alternative


def test_claims_assert(notebook: Notebook) -> None:
    """Cells that claim something check it, and hide how behind one visible outcome."""
    claims = [cell for cell in notebook.cells if "claim" in cell.tags]
    assert claims
    for cell in claims:
        nodes = list(ast.walk(ast.parse(cell.source)))
        stated = "teaching.claim(" in cell.source
        assert stated or any(isinstance(node, ast.Assert) for node in nodes), cell.source
        assert "hide-input" in cell.tags, cell.source
        assert cell.outputs, cell.source


MAX_LINES = {"09": 40}
"""Lines of a visible cell, by notebook: 15, but 40 where a whole algorithm is the lesson."""


def test_teaching_cells_are_short(path: Path, notebook: Notebook) -> None:
    for cell in notebook.code():
        if "hide-input" not in cell.tags:
            assert len(cell.source.splitlines()) <= MAX_LINES.get(path.name[:2], 15), cell.source


def test_public_face_alone(notebook: Notebook) -> None:
    """Notebooks import the package as users do, and touch nothing that begins with an
    underscore.
    """
    for cell in notebook.code():
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("adlopt"), cell.source
            if isinstance(node, ast.Import):
                assert all(not alias.name.startswith("adlopt.") for alias in node.names), (
                    cell.source
                )
            if isinstance(node, ast.Attribute):
                assert not re.match("_[^_]", node.attr), cell.source


def test_exercises_are_complete(notebook: Notebook) -> None:
    tags = [tag for cell in notebook.cells for tag in cell.tags if tag in PARTS]
    assert tags == list(PARTS) * EXERCISES
    for one in notebook.exercises():
        assert "..." in one.answer.source
        assert one.check.metadata.get("wrong_answers"), (
            "give plausible mistakes, as code, in metadata.adlopt.wrong_answers"
        )
        assert one.solution.kind == "markdown"
        assert "<details>" in one.solution.source


def test_open_exercises_say_so(exercises: list[Exercise]) -> None:
    for one in exercises:
        assert not one.open.answered, one.answer.source
        assert one.check.text.strip() == one.open.text


def test_solutions_pass(exercises: list[Exercise]) -> None:
    for one in exercises:
        assert one.solved.passed, f"{one.solution.source}\n{one.solved}"


def test_right_answers_pass(exercises: list[Exercise]) -> None:
    """From a solver, with three digits, whole numbers, and in another form."""
    for one in exercises:
        assert one.right, "give right answers in other forms in metadata.adlopt.right_answers"
        for right, verdict in one.right:
            assert verdict.passed, f"{right}\n{verdict}"


def test_wrong_answers_fail_with_a_hint(exercises: list[Exercise]) -> None:
    for one in exercises:
        for wrong, verdict in one.wrong:
            assert verdict.answered, wrong
            assert not verdict.passed, wrong
            assert "Hint: " in verdict.text, wrong


def test_checks_are_named_for_the_score(path: Path, exercises: list[Exercise]) -> None:
    number = int(path.name[:2])
    assert [one.solved.name for one in exercises] == [
        f"{number}.{k}" for k in range(1, EXERCISES + 1)
    ]


def test_every_notebook_has_a_proof_with_a_solution(notebook: Notebook) -> None:
    proofs = [cell for cell in notebook.prose() if "proof" in cell.tags]
    assert len(proofs) >= 2
    assert proofs[-1].source.startswith("<details>")


@pytest.mark.parametrize("text", [*PATHS, HOUSE / "README.md"], ids=lambda text: text.stem)
def test_links_lead_somewhere(text: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (HOUSE / target).exists(), target


NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
YEAR = r"(?:January|May|July|October) (?:19|20)\d\d|(?:19|20)\d\d\)"
NOT_RESULTS = re.compile(
    rf"```.*?```|`[^`]*`|https?://\S+|\]\([^)]*\)|arXiv[: ]\S+|{YEAR}", re.DOTALL
)


def significant(number: str) -> int:
    digits = number.replace(",", "")
    return len(digits.replace(".", "").lstrip("0") if "." in digits else digits.strip("0"))


def quoted(text: str) -> set[str]:
    """Numbers of three significant digits or more, other than years of publication and those in
    links and code.
    """
    return {
        number.rstrip(",")
        for number in NUMBER.findall(NOT_RESULTS.sub(" ", text))
        if significant(number.rstrip(",")) >= 3
    }


def test_prose_quotes_only_what_cells_show(notebook: Notebook) -> None:
    """Facts from elsewhere stand in the notebook's metadata, adlopt.sourced: the number and where
    it is from.
    """
    shown = (
        "\n".join(cell.source + "\n" + cell.text for cell in notebook.code())
        .replace("_", "")
        .replace(",", "")
    )
    known = {number for number in NUMBER.findall(shown)} | set(notebook.metadata.get("sourced", {}))
    for cell in notebook.prose():
        unknown = {number for number in quoted(cell.source) if number.replace(",", "") not in known}
        assert not unknown, f"{unknown} in:\n{cell.source}"


def test_quoted_numbers_are_found() -> None:
    text = (
        "In May 2010 it was 501.2 of 67,000 or 1,234; see (2000), arXiv 2603.15963, "
        "[a](https://b.c/1234), 0.25, `x[1234]`."
    )
    assert quoted(text) == {"501.2", "1,234"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("loss 1.80 of 2,331", "loss  1.81 of 2,331", True),
        ("loss 1.80", "loss 1.83", False),
        ("4 accounts", "5 accounts", False),
        ("gap 2.3e-08", "gap 2.4e-08", True),
        ("2,331 lost", "2,332 lost", False),
        ("a 1.5", "b 1.5", False),
    ],
)
def test_stale_text_is_told_from_another_processors_last_digit(
    old: str, new: str, same: bool
) -> None:
    spec = importlib.util.spec_from_file_location("execute", HOUSE / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    assert execute.alike(old, new) == same
