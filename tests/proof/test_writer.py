"""Proof files appear whole or not at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import adlopt as adl
from adlopt.proof.writer import write


def test_plain_and_compressed(tmp_path: Path) -> None:
    document = {"name": "ü\n", "values": [1, -(10**30)]}
    write(document, tmp_path / "a.json")
    write(document, tmp_path / "a.json.gz")
    assert json.loads((tmp_path / "a.json").read_bytes()) == document
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == document
    first = (tmp_path / "a.json.gz").read_bytes()
    write(document, tmp_path / "a.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.json.gz"]


def test_a_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(adl.InputError, match=r"cannot write .*No space left"):
        write({"a": 1}, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(adl.InputError, match="cannot write"):
        write({}, tmp_path / "none" / "a.json")
