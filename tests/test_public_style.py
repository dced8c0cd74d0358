"""One style for everything public: results, arguments, spellings, text and allocations."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import adlopt as adl
from adlopt.cli import app
from tests.public import public_names

PUBLIC = public_names()
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES: dict[str, Any] = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}

THREE_POSITIONAL = {
    "simulate": "book, path and rule are one statement, in the order of the sentence",
    "stress_test": "as `simulate`, for several paths and rules",
    "plots.volatility_filling": "three columns of one table: equity, before and after",
}
"""Functions that take a third argument by position, and why."""

NO_RESULTS = {
    "constraints.ProportionalLimit": "a function of the allocation, for `solve(constraints=...)`",
    "paths.Paths": "an input: prices, not an answer",
    "LogNormal": "an input: `examples.paper_lognormal` makes one",
    "teaching.Verdict": "one line of text and a score; a notebook shows it by its MIME type",
}
"""Classes that functions return without their being answers in tables, and why."""


def positional(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind in kinds]


ERRORS = {name for name, kind in CLASSES.items() if issubclass(kind, Exception)}


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - THREE_POSITIONAL.keys() - ERRORS))
def test_arguments_after_the_second_are_keyword_only(name: str) -> None:
    assert len(positional(PUBLIC[name])) <= 2


def returned_classes() -> dict[str, type[Any]]:
    """Public classes that some public function returns, by their public names."""
    stated = " ".join(str(inspect.signature(one).return_annotation) for one in FUNCTIONS.values())
    names = set(re.findall(r"\w+", stated))
    return {name: kind for name, kind in CLASSES.items() if kind.__name__ in names}


RESULTS = {name: kind for name, kind in returned_classes().items() if name not in NO_RESULTS}


@cache
def problem() -> adl.Problem:
    return adl.examples.paper_problem(64)


@cache
def solution() -> adl.Solution:
    return adl.solve(problem())


def isolated() -> adl.Problem:
    book = problem().book.with_margin("isolated")
    return adl.Problem(book, {"BTC": -3.0}, prices=problem().prices, objective="cvar:0.9")


def fills() -> pd.DataFrame:
    table = pd.DataFrame({"wave": 1, "account": ["a", "b"], "asset": "BTC", "mark": 50.0})
    return table.assign(size=[-4, -4], equity=100.0, realised_reduction=[-2, 0])


def crash() -> tuple[adl.Book, adl.paths.Paths]:
    book = adl.synthetic.crash(60, 2, seed=3)
    return book, adl.paths.slow_bleed(book, fall=0.3, steps=2, count=1)


def sampled() -> adl.Problem:
    return problem().with_prices(adl.examples.paper_lognormal(64))


def small_proof() -> adl.ExactProof:
    prices = adl.Scenarios([[60_000.0, 1_700.0], [74_000.0, 2_100.0]])
    stated = adl.Problem(problem().book, {"BTC": -10.0}, prices=prices)
    return adl.prove(stated, adl.solve(stated))


EXAMPLES: dict[str, Callable[[], Any]] = {
    "Audit": lambda: adl.audit(adl.policies.ProRata(), trials=3),
    "Book": lambda: problem().book,
    "Certificate": lambda: adl.certify(problem(), solution()),
    "Comparison": lambda: adl.compare(problem(), [adl.policies.ProRata()]),
    "ConfidenceInterval": lambda: adl.confidence_interval(sampled(), replicates=2),
    "ExactProof": small_proof,
    "Explanation": lambda: adl.explain(solution(), "2", what_if=False),
    "Exploration": lambda: adl.explore(problem(), [adl.ExpectedLoss(), adl.CVaR(0.9)]),
    "Exposure": lambda: adl.exposure(
        problem().book, "4", ladder={"BTC": -5.0}, policies=adl.policies.BitMEX()
    ),
    "Frontier": lambda: adl.frontier(problem(), [0.5, 1.0]),
    "OptimalSet": lambda: adl.optimal_set(isolated()),
    "Problem": problem,
    "Replay": lambda: adl.replay(fills(), [adl.policies.ProRata()]),
    "Rounding": lambda: adl.round_to_lots(problem(), solution(), lots={"BTC": 1.0}),
    "ScenarioLosses": lambda: adl.scenario_table(problem(), solution()),
    "Sensitivity": lambda: adl.sensitivity(problem(), accounts=1),
    "Simulation": lambda: adl.simulate(*crash(), adl.policies.ProRata()),
    "Solution": solution,
    "StressTest": lambda: adl.stress_test(*crash(), [adl.policies.ProRata()], workers=1),
    "Verification": lambda: adl.verify(problem()),
    "WaveReplay": lambda: adl.replay(fills(), [adl.policies.ProRata()], carry=True),
    "sources.Loaded": lambda: adl.sources.tables.load(problem().book.to_frame()),
}
"""An answer of each kind; the test below holds it to be complete."""


def test_every_kind_of_answer_has_an_example() -> None:
    assert EXAMPLES.keys() == RESULTS.keys()
    assert set(returned_classes()) >= NO_RESULTS.keys()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_answers_are_frozen_dataclasses_that_print_and_convert(name: str) -> None:
    kind, answer = RESULTS[name], EXAMPLES[name]()
    assert type(answer) is kind
    assert dataclasses.is_dataclass(kind)
    field = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(answer, field, None)
    assert kind.__repr__ is not object.__repr__
    assert "<" not in repr(answer)[:1], "the default of Python"
    assert answer._repr_html_().startswith("<")
    table = answer.to_frame()
    assert type(table) is pd.DataFrame
    assert len(table)
    names = [*table.columns, *(label for label in table.index.names if label is not None)]
    if name not in ("Exploration",):  # its columns are the objectives measured
        assets = "|".join(map(re.escape, ["BTC", "ETH", "A0", "A1"]))
        odd = [x for x in names if not re.fullmatch(rf"[a-z][a-z0-9_]*(_({assets}))?", str(x))]
        assert odd == []


def test_a_frame_is_a_copy() -> None:
    for name, make in EXAMPLES.items():
        answer = make()
        changed = answer.to_frame()
        changed.iloc[0, 0] = changed.iloc[-1, 0]
        changed["further"] = 0
        assert "further" not in answer.to_frame(), name


@pytest.mark.parametrize(
    "name", sorted(name for name, kind in CLASSES.items() if hasattr(kind, "from_json"))
)
def test_text_round_trips(name: str) -> None:
    answer = EXAMPLES[name]()
    text = answer.to_json()
    json.loads(text)
    assert CLASSES[name].from_json(text).to_json() == text


def test_problem_solution_and_comparison_have_text() -> None:
    assert {name for name, kind in CLASSES.items() if hasattr(kind, "from_json")} == {
        "Problem",
        "Solution",
        "Comparison",
    }


# ------------------------------------------------------------------ allocations


def drawn(ax: Any) -> list[Any]:
    """What a picture shows, as numbers."""
    import matplotlib.pyplot as plt

    shapes = [artist.get_data() for artist in ax.patches if hasattr(artist, "get_data")]
    numbers = [np.round(shape.values, 12).tolist() for shape in shapes]
    plt.close(ax.figure)
    return numbers


def proven(given: Any) -> Any:
    prices = adl.Scenarios([[60_000.0, 1_700.0], [74_000.0, 2_100.0]])
    return adl.prove(problem().with_prices(prices), given).value


ALLOCATION: dict[str, Callable[[Any], Any]] = {
    "certify": lambda given: adl.certify(problem(), given).value,
    "plots.stressed_probabilities": lambda given: drawn(
        adl.plots.stressed_probabilities(problem(), given)
    ),
    "plots.water_filling": lambda given: drawn(adl.plots.water_filling(problem(), given)),
    "prove": proven,
    "round_to_lots": lambda given: (
        adl.round_to_lots(problem(), given, lots={"BTC": 1.0}).allocation["lots"].tolist()
    ),
    "scenario_table": lambda given: adl.scenario_table(problem(), given).table["after"].tolist(),
    "standard_error": lambda given: adl.standard_error(problem(), given),
}
"""What each function makes of an allocation."""


def test_every_function_of_an_allocation_is_tried() -> None:
    takes = {
        name
        for name, function in FUNCTIONS.items()
        if "allocation" in inspect.signature(function).parameters
    }
    assert takes == ALLOCATION.keys()


@pytest.mark.parametrize("name", sorted(ALLOCATION))
def test_allocations_are_solutions_tables_or_arrays(name: str) -> None:
    if name.startswith("plots."):
        pytest.importorskip("matplotlib")
    table = solution().allocation
    answers = [
        ALLOCATION[name](given)
        for given in (solution(), table, table["reduction"].to_numpy(), table["reduction"].tolist())
    ]
    assert all(answer == answers[0] for answer in answers)
    with pytest.raises(adl.InputError):
        ALLOCATION[name](table["reduction"].to_numpy()[:-1])


# ------------------------------------------------------------------ spellings


def test_the_same_spellings_in_python_toml_and_on_the_command_line(tmp_path: Path) -> None:
    book, config = tmp_path / "book.csv", tmp_path / "problem.toml"
    problem().book.to_csv(book)
    config.write_text(
        f'book = "{book}"\nreduce = {{ BTC = "-30%" }}\nobjective = "cvar:0.9"\n'
        "direction = { BTC = 6654.0, ETH = 200.6 }\npoints = 64\n"
        'constraint = ["at-most-fraction:0.5"]\n'
    )
    flags = (
        f"{book} --reduce BTC=-30% --objective cvar:0.9 --direction BTC=6654 --direction ETH=200.6"
    )
    flags += " --points 64 --constraint at-most-fraction:0.5 --json"
    stated = adl.Problem(
        problem().book,
        {"BTC": "-30%"},
        prices=adl.OneFactor({"BTC": 6654.0, "ETH": 200.6}, points=64),
        objective="cvar:0.9",
    )
    value = adl.solve(stated, constraints="at-most-fraction:0.5").value
    for arguments in (flags.split(), ["--config", str(config), "--json"]):
        ran = CliRunner().invoke(app, ["solve", *arguments])
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout)["value"] == pytest.approx(value, rel=1e-9)
