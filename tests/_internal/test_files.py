"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

import adlopt as adl
from adlopt._internal.files import replacing, write_text


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    write_text(path, "one\r\n")
    path.chmod(0o640)
    write_text(path, "two\n")
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "answer.txt"
    write_text(path, "old")
    with pytest.raises(failure), replacing(path) as beside:  # noqa: PT012
        beside.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(adl.InputError, match=r"cannot write .*missing.*No such file"):
        write_text(tmp_path / "missing" / "answer.txt", "text")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "answer.txt"
    path.write_text("old")
    with pytest.raises(adl.InputError, match="No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
