from __future__ import annotations

import json
from pathlib import Path

import pytest

from patchbot import state
from patchbot.errors import EnvironmentProblem


def test_a_result_is_recalled_under_its_key(tmp_path: Path) -> None:
    file = tmp_path / "a" / "scan.json"
    state.remember(file, "key", {"names": ["a", "b"]})
    assert state.recall(file, "key") == {"names": ["a", "b"]}


def test_a_result_under_another_key_is_not_recalled(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    state.remember(file, "key", [1])
    assert state.recall(file, "other") is None


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"\xff", b"[]", b"3", b'"key"', b'{"key": "key"}', b'{"result": 1}', b"null"],
)
def test_a_damaged_memory_counts_as_none(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "scan.json"
    file.write_bytes(damaged)
    assert state.recall(file, "key") is None


def test_a_memory_cut_anywhere_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    state.remember(file, "key", {"a": 1})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert state.recall(file, "key") is None


def test_nothing_is_recalled_where_nothing_was_remembered(tmp_path: Path) -> None:
    assert state.recall(tmp_path / "none.json", "key") is None
    assert state.recall(tmp_path, "key") is None


def test_the_later_result_replaces_the_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    state.remember(file, "one", 1)
    state.remember(file, "two", 2)
    assert (state.recall(file, "one"), state.recall(file, "two")) == (None, 2)
    assert json.loads(file.read_bytes()) == {"key": "two", "result": 2}


def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem):
        state.remember(tmp_path / "file" / "scan.json", "key", 1)


def test_a_key_says_its_parts_and_their_order() -> None:
    keys = {state.key("a", "b"), state.key("b", "a"), state.key("ab"), state.key("a", "b", ""), state.key()}
    assert len(keys) == 5
    assert state.key("a", 1) == state.key("a", "1")


SHARED = (
    "model/release.py",
    "git/store.py",
    "targets.py",
    "truth.py",
    "symbols/a.py",
    "symbols/b.rs",
)


def test_the_digest_of_the_code_changes_with_the_rooms_and_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*SHARED, "series/c.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    monkeypatch.setattr(state, "_PACKAGE", tmp_path)

    def code(*rooms: str) -> str:
        state.code.cache_clear()
        return state.code(*rooms)

    before = code("symbols")
    assert code("symbols") == before
    assert code("symbols", "series") != before
    (tmp_path / "series" / "c.py").write_text("changed")
    (tmp_path / "symbols" / "notes.txt").write_text("no source")
    assert code("symbols") == before
    for name in SHARED:
        (tmp_path / name).write_text("changed")
        after = code("symbols")
        assert after != before, name
        before = after
    state.code.cache_clear()
