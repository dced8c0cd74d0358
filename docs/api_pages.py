"""The pages of the API reference: which public name stands on which page."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType

import adlopt

# Page: its title, what it is about, its names.
PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "statement": (
        "State a problem",
        "Books, problems, and the market as another way out.",
        ("Book", "Problem", "Market"),
    ),
    "prices": (
        "Price models",
        "Models of the prices at the horizon.",
        (
            "LogNormal",
            "ExactLogNormal",
            "Gaussian",
            "StudentT",
            "OneFactor",
            "History",
            "Scenarios",
            "Stress",
            "Mixture",
            "PriceModel",
            "ScenarioSet",
        ),
    ),
    "objectives": (
        "Objectives",
        "Convex risk measures of the exchange's loss.",
        (
            "ExpectedLoss",
            "CVaR",
            "EVaR",
            "Entropic",
            "Spectral",
            "WorstCase",
            "Semideviation",
            "Expectile",
            "ChiSquareRobust",
            "Custom",
            "Objective",
        ),
    ),
    "solving": (
        "Solve and verify",
        "From a problem to a proven solution.",
        ("solve", "Solution", "verify", "Verification", "to_cvxpy", "standard_error"),
    ),
    "proof": (
        "Prove",
        "Bounds on how far an allocation is from optimal, and proofs in exact arithmetic.",
        ("certify", "Certificate", "prove", "ExactProof"),
    ),
    "studies": (
        "Studies",
        "What can be asked around one problem.",
        (
            "compare",
            "Comparison",
            "explore",
            "Exploration",
            "frontier",
            "Frontier",
            "exposure",
            "Exposure",
            "optimal_set",
            "OptimalSet",
            "round_to_lots",
            "Rounding",
            "scenario_table",
            "ScenarioLosses",
            "explain",
            "Explanation",
            "sensitivity",
            "Sensitivity",
            "confidence_interval",
            "ConfidenceInterval",
            "audit",
            "Audit",
            "replay",
            "Replay",
            "WaveReplay",
        ),
    ),
    "simulation": (
        "Simulation",
        "A crash step by step, and stress tests over many paths.",
        ("Exchange", "simulate", "Simulation", "stress_test", "StressTest"),
    ),
    "errors": (
        "Errors and warnings",
        "Every error that adlopt raises on purpose derives from `AdlError`.",
        (
            "AdlError",
            "InputError",
            "InfeasibleReduction",
            "InfeasibleLots",
            "InfeasibleConstraints",
            "NotApplicable",
            "SolverFailed",
            "ConservationError",
            "ScaleWarning",
        ),
    ),
}

# Public modules: a page each, with every public function and class in them.
MODULES: dict[str, tuple[str, str]] = {
    "policies": ("Policies", "Rules that turn a problem into an allocation."),
    "constraints": ("Constraints", "Convex constraints beyond boxes and sums."),
    "paths": ("Price paths", "Paths for simulations: models, bootstraps and named shapes."),
    "sources": ("Sources", "Loaders for the formats that exchanges and libraries write."),
    "plots": ("Plots", "Pictures of books, solutions and studies. They need matplotlib."),
    "examples": ("Examples", "Small embedded problems."),
    "synthetic": ("Synthetic books", "Random books of any size for tests and benchmarks."),
    "teaching": ("Teaching", "Checks for exercises."),
}


def pages() -> dict[str, str]:
    """Text of every page by file name."""
    texts = {}
    for page, (title, about, names) in PAGES.items():
        present = [name for name in names if name in adlopt.__all__]
        if present:
            texts[page] = _page(title, about, "adlopt", present)
    for name, (title, about) in MODULES.items():
        module = getattr(adlopt, name, None)
        if isinstance(module, ModuleType):
            texts[name] = _page(title, about, module.__name__, members(module))
    listed = "\n".join(texts)
    texts["index"] = (
        "# API reference\n\n"
        "By concept. `import adlopt as adl` gives all names of the pages below; "
        "modules such as `adl.policies` are attributes of the package.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )
    return texts


def members(module: ModuleType) -> list[str]:
    """Public functions and classes: those of `__all__`, or those that the module defines."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
    return [
        name
        for name in names
        if inspect.isclass(getattr(module, name))
        or callable(getattr(module, name))
        or isinstance(getattr(module, name), ModuleType)
    ]


def _page(title: str, about: str, module: str, names: list[str]) -> str:
    rows = "".join(f"   {name}\n" for name in names)
    return (
        f"# {title}\n\n{about}\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n\n"
        f".. autosummary::\n   :toctree: generated\n\n{rows}```\n"
    )


def write(folder: Path) -> None:
    """Write the pages that differ from what is in the folder, and remove those of old names."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = pages()
    for old in set(folder.glob("*.md")) - {folder / f"{page}.md" for page in texts}:
        old.unlink()
    for page, text in texts.items():
        path = folder / f"{page}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
