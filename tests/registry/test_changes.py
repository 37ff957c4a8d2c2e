from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from registry import killed

from patchbot import files
from patchbot.errors import EnvironmentProblem, PublishError
from patchbot.registry import changes

BEFORE = {"a": b"one", "deep/b": b"two", "gone": b"three"}
CHANGES = {"a": b"\x00\xff new", "deep/b": b"", "gone": None, "deeper/c": b"more"}
AFTER = {"a": b"\x00\xff new", "deep/b": b"", "deeper/c": b"more"}


def prepare(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in BEFORE.items():
        files.write(folder / name, data)


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".new-")
    }


def test_all_of_them_are_made(tmp_path: Path) -> None:
    prepare(tmp_path / "r")
    changes.apply(tmp_path / "r", CHANGES)
    assert content(tmp_path / "r") == AFTER
    assert not changes.complete(tmp_path / "r")


def test_a_run_that_was_killed_anywhere_has_made_none_or_the_next_makes_all(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    decided = []
    for survived in killed.everywhere(
        folder, lambda: prepare(folder), lambda: changes.apply(folder, CHANGES)
    ):
        there = content(folder)
        decided.append(changes.complete(folder))
        assert there in (BEFORE, AFTER) or decided[-1], survived
        assert content(folder) == (AFTER if decided[-1] or there == AFTER else BEFORE), survived
        assert not changes.complete(folder)
    assert True in decided
    assert False in decided


def test_finishing_can_be_killed_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "r"

    def half_done() -> None:
        prepare(folder)
        assert killed.in_a_child(folder, lambda: changes.apply(folder, CHANGES), die_after=3) < 0
        assert (folder / changes.PENDING).is_file()

    count = 0
    for _ in killed.everywhere(folder, half_done, lambda: changes.complete(folder)):
        changes.complete(folder)
        assert content(folder) == AFTER
        count += 1
    assert count > len(CHANGES)


def test_one_change_is_whole_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr(files, "write", lambda file, _data, **_: written.append(file))
    changes.apply(tmp_path, {"a": b"x"})
    assert written == [tmp_path / "a"]


def test_a_file_of_somebody_else_under_that_name_is_told(tmp_path: Path) -> None:
    (tmp_path / changes.PENDING).write_bytes(b"{")
    with pytest.raises(PublishError, match="is damaged"):
        changes.complete(tmp_path)
    (tmp_path / changes.PENDING).unlink()
    (tmp_path / changes.PENDING).mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        changes.complete(tmp_path)
