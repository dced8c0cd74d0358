"""Tables as users have them: what cannot be read is an InputError that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import untyped


def table(**columns: Any) -> pd.DataFrame:
    given = {"account": ["a", "b"], "asset": ["X", "X"], "size": [2.0, 3.0], "equity": [9.0, 4.0]}
    return pd.DataFrame(given | columns)


MARKS = {"X": 10.0}


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: untyped.Book.read_csv(None), "expected the path of a file, got a NoneType"),
        (lambda: untyped.Book.read_csv("https://example.org/b.csv"), "is an address, not a file"),
        (lambda: untyped.Book.read_parquet("s3://bucket/b.parquet"), "is an address, not a file"),
        (lambda: untyped.Book.read_csv("no such file.csv"), "cannot read no such file.csv"),
        (lambda: untyped.Book.from_frame(table(account=[["a"], ["b"]]), marks=MARKS), "not a name"),
        (lambda: untyped.Book.from_frame(table(account=[("a",), "b"]), marks=MARKS), "not a name"),
        (lambda: untyped.Book.from_frame(table(asset=[{"X"}, "X"]), marks=MARKS), "not a name"),
        (lambda: untyped.Book.from_frame(table(account=[b"a", "b"]), marks=MARKS), "not a name"),
        (lambda: untyped.Book.from_frame(5), "positions: expected a pandas DataFrame"),
        (
            lambda: untyped.Book.from_frame(table().set_index(["account", "asset"]), marks=MARKS),
            "column 'account' is missing.*reset_index",
        ),
        (
            lambda: untyped.Book.from_frame(pd.concat({"t": table()}, axis=1), marks=MARKS),
            "several levels",
        ),
        (
            lambda: untyped.Book.from_frame(table(size=[1e308, 1.0]), marks=MARKS),
            "than a float can",
        ),
        (
            lambda: untyped.Book.from_frame(table(size=[1e307] * 2), marks={"X": 17.9}),
            "than a float",
        ),
        (
            lambda: untyped.Book.from_frame(table(size=[None, 1.0]), marks=MARKS),
            "column 'size': nan is not a finite number",
        ),
        (lambda: book().to_csv("/no/such/directory/b.csv"), "cannot write /no/such"),
        (lambda: book().to_parquet("/no/such/directory/b.parquet"), "cannot write /no/such"),
        (lambda: untyped.Book.to_csv(book(), None), "expected the path of a file"),
        (
            lambda: untyped.Problem(book(), {"X": 1.0}, prices=adl.Scenarios([[1e308], [1.0]])),
            "more than a float can",
        ),
    ],
)
def test_refused(make: Any, pattern: str) -> None:
    with pytest.raises(adl.InputError, match=pattern):
        make()


def book() -> adl.Book:
    return adl.Book.from_frame(table(), marks=MARKS)


def test_a_column_twice_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("account,asset,size,equity,mark,mark\na,X,1,5,10,11\n")
    with pytest.raises(adl.InputError, match="column 'mark' appears twice"):
        adl.Book.read_csv(path)


class Polars:
    """Stands for a table of another library."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


def test_tables_of_other_libraries() -> None:
    given = untyped.Book.from_frame(Polars(table()), marks=MARKS)
    pd.testing.assert_frame_equal(given.to_frame(), book().to_frame())
    caps = Polars(pd.DataFrame({"account": ["a"], "fraction": [0.25]}))
    problem = untyped.Problem(given, {"X": 1.0}, caps=caps)
    assert problem.max_reduction.tolist() == [0.5, 3.0]


def test_polars_itself() -> None:
    polars = pytest.importorskip("polars")
    given = adl.Book.from_frame(polars.from_pandas(table()), marks=MARKS)
    np.testing.assert_array_equal(given.size, [2.0, 3.0])


@pytest.mark.parametrize("names", [["1", "2"], ["007", "8"], ["1e5", "x"], [1, 2]], ids=repr)
def test_allocations_survive_a_file(tmp_path: Path, names: list[Any]) -> None:
    """pandas reads the account "1" as the number 1."""
    problem = adl.Problem(
        adl.Book.from_frame(table(account=names), marks=MARKS),
        {"X": 3.0},
        prices=adl.Scenarios([[4.0], [11.0]]),
    )
    solution = adl.solve(problem)
    solution.allocation.to_csv(tmp_path / "a.csv", index=False)
    read = pd.read_csv(tmp_path / "a.csv")
    assert adl.certify(problem, read).value == pytest.approx(solution.value, rel=1e-12)


def test_readme_example_survives_a_file(tmp_path: Path) -> None:
    problem = adl.examples.paper_problem()
    solution = adl.solve(problem)
    solution.allocation.to_csv(tmp_path / "a.csv")
    assert adl.certify(problem, pd.read_csv(tmp_path / "a.csv")).gap < 1e-6


def test_numbers_that_spell_two_names_are_refused() -> None:
    book = adl.Book.from_frame(table(account=["7", "07"]), marks=MARKS)
    problem = adl.Problem(book, {"X": 3.0}, prices=adl.Scenarios([[4.0]]))
    given = pd.DataFrame({"account": [7.0, 7.0], "asset": "X", "reduction": [1.0, 2.0]})
    with pytest.raises(adl.InputError, match=r"7\.0 is not in the book"):
        adl.certify(problem, given)


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a"b', " a ", "NA", "a,b", "_名"])
def test_names_survive_a_file(tmp_path: Path, name: str) -> None:
    given = adl.Book.from_frame(table(account=[name, "b"]), marks=MARKS)
    given.to_csv(tmp_path / "b.csv")
    assert adl.Book.read_csv(tmp_path / "b.csv").account_names.tolist() == [name, "b"]


def test_idle_accounts_and_unused_assets_survive(tmp_path: Path) -> None:
    accounts = pd.DataFrame({"account": ["b", "idle", "a"], "equity": [4.0, 77.0, 9.0]})
    given = adl.Book.from_frame(
        table().drop(columns="equity"), accounts, marks={"X": 10.0, "UNUSED": 3.0}
    )
    frame = given.to_frame()
    assert frame["size"].isna().sum() == 2
    given.to_csv(tmp_path / "b.csv")
    given.to_parquet(tmp_path / "b.parquet")
    for again in (
        adl.Book.from_frame(frame),
        adl.Book.read_csv(tmp_path / "b.csv"),
        adl.Book.read_parquet(tmp_path / "b.parquet"),
    ):
        pd.testing.assert_frame_equal(again.to_frame(), frame)
        assert again.account_names.tolist() == ["a", "b", "idle"]
        assert again.assets.tolist() == ["X", "UNUSED"]
        assert again.marks.tolist() == [10.0, 3.0]
        assert again.accounts.set_index("account")["equity"].to_dict() == {
            "a": 9.0,
            "b": 4.0,
            "idle": 77.0,
        }


def test_rows_without_a_size_that_contradict() -> None:
    twice = pd.concat(
        [table(), pd.DataFrame({"account": ["a"], "equity": [5.0]})], ignore_index=True
    )
    with pytest.raises(adl.InputError, match=r"row 2 .*'a' has other rows under cross margin"):
        adl.Book.from_frame(twice, marks=MARKS)


def test_arrays_cannot_be_written_to() -> None:
    problem = adl.Problem(book(), {"X": 1.0}, prices=adl.Scenarios([[4.0]]))
    for owner, names in (
        (problem.book, ("size", "equity", "marks", "pool", "asset", "isolated", "gross")),
        (
            problem,
            ("required", "eligible", "max_reduction", "available", "moves", "settlement_offset"),
        ),
    ):
        for name in names:
            with pytest.raises(ValueError, match="read-only"):
                getattr(owner, name)[0] = 0


def test_sizes_as_percentages() -> None:
    for reduction, wanted in (
        ({"X": "40%"}, 2.0),
        ({"X": " 2.5 "}, 2.5),
        ({"X": "100%"}, 5.0),
        (pd.Series({"X": "40%"}), 2.0),
    ):
        assert adl.Problem(book(), reduction).required.tolist() == [wanted]
    for text, pattern in (
        ("-40%", "no solvent account is short"),
        ("x%", "'x' is not a number"),
        ("", "'' is not a number"),
        ("0%", "is zero"),
    ):
        with pytest.raises(adl.InputError, match=pattern):
            adl.Problem(book(), {"X": text})
    with pytest.raises(adl.InfeasibleReduction):
        adl.Problem(book(), {"X": "101%"})


@pytest.mark.parametrize("price", [30.0, 3.0, 1e6])
def test_settlement_prices_out_of_scale_are_questioned(price: float) -> None:
    with pytest.warns(UserWarning, match=r"settlement, asset 'X': .* times the mark 10"):
        adl.Problem(book(), {"X": 1.0}, settlement={"X": price})


def test_no_negative_zeros() -> None:
    problem = adl.Problem(book(), {"X": 0.5}, prices=adl.Scenarios([[4.0], [11.0]]))
    table = adl.solve(problem).allocation
    for column in ("reduction", "fraction", "remaining"):
        assert not np.signbit(table.loc[table[column] == 0, column]).any()
    shorts = adl.Problem(
        adl.Book.from_frame(
            pd.DataFrame(
                {"account": ["a", "b"], "asset": "X", "size": [-2.0, -3.0], "equity": 9.0}
            ),
            marks=MARKS,
        ),
        {"X": -0.5},
    )
    table = adl.solve(shorts).allocation
    assert not np.signbit(table.loc[table["fraction"] == 0, "fraction"]).any()
