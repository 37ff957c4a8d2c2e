"""The folder of a private toolchain: there whole, or not there."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from patchbot import files
from patchbot.proof.cross import private
from patchbot.proof.cross.private import Private

TRIPLE = "s390x-unknown-linux-gnu"


def nobody() -> None:
    pytest.fail("nobody else has the lock")


def put(room: Path) -> Private:
    for name in ("usr/bin/rustc", "usr/bin/cargo"):
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / name).write_text("x")
    return Private(
        room, "usr/bin/rustc", "usr/bin/cargo", ("lib", "usr/lib"), "rustc 1.85.0", ("rustc=1.85.0-1",)
    )


def make(cache: Path) -> Private:
    with private.making(cache, TRIPLE, on_wait=nobody) as room:
        return private.keep(put(room), cache, TRIPLE)


def names(cache: Path) -> set[str]:
    return {entry.name for entry in (cache / "toolchains").iterdir()} - {f"{TRIPLE}.lock"}


def test_it_is_made_beside_its_place_and_then_there(tmp_path: Path) -> None:
    assert private.load(tmp_path, TRIPLE) is None
    made = make(tmp_path)
    folder = tmp_path / "toolchains" / TRIPLE
    assert made.folder == folder
    assert private.load(tmp_path, TRIPLE) == made
    assert made.environment == {"LD_LIBRARY_PATH": f"{folder}/lib:{folder}/usr/lib"}
    assert names(tmp_path) == {TRIPLE}


def test_what_is_not_kept_goes_away(tmp_path: Path) -> None:
    def broken() -> None:
        with private.making(tmp_path, TRIPLE, on_wait=nobody) as room:
            put(room)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert names(tmp_path) == set()
    assert private.load(tmp_path, TRIPLE) is None


def test_a_new_one_replaces_the_old_one(tmp_path: Path) -> None:
    old = make(tmp_path)
    (old.folder / "stale").touch()
    make(tmp_path)
    assert not (old.folder / "stale").exists()


def test_what_a_killed_run_left_is_never_taken_and_removed_by_the_next(tmp_path: Path) -> None:
    folder = private.folder_of(tmp_path, TRIPLE)
    put(folder)
    room = folder.with_name(f"{TRIPLE}.new")
    put(room)
    (room / "half").touch()
    assert private.load(tmp_path, TRIPLE) is None, "without a marker nothing is whole"
    with private.making(tmp_path, TRIPLE, on_wait=nobody) as given:
        assert given == room
        assert list(given.iterdir()) == []
        private.keep(put(given), tmp_path, TRIPLE)
    assert private.load(tmp_path, TRIPLE) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"libraries": "lib"},
        {"packages": None},
        {"rustc": "usr/bin/other"},
        {"cargo": "nowhere/cargo"},
    ],
)
def test_another_marker_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    made = make(tmp_path)
    marker = made.folder / private.MARKER
    data = json.loads(marker.read_text())
    marker.write_text(json.dumps({**data, **change}))
    assert private.load(tmp_path, TRIPLE) is None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"{}", b'"x"', b"\xff\xfe", b'{"schema": 1}'])
def test_a_marker_that_cannot_be_read_is_none(tmp_path: Path, text: bytes) -> None:
    made = make(tmp_path)
    (made.folder / private.MARKER).write_bytes(text)
    assert private.load(tmp_path, TRIPLE) is None


def test_removal_takes_all_of_it(tmp_path: Path) -> None:
    assert private.remove(tmp_path, TRIPLE, on_wait=nobody) is False
    assert not (tmp_path / "toolchains").exists(), "nothing is made in order to remove it"
    make(tmp_path)
    put(private.folder_of(tmp_path, TRIPLE).with_name(f"{TRIPLE}.new"))
    assert private.remove(tmp_path, TRIPLE, on_wait=nobody) is True
    assert names(tmp_path) == set()
    assert private.remove(tmp_path, TRIPLE, on_wait=nobody) is False


def test_two_at_once_wait_for_each_other(tmp_path: Path) -> None:
    waits: list[str] = []
    seen: list[Private | None] = []

    def second() -> None:
        with private.making(tmp_path, TRIPLE, on_wait=lambda: waits.append("waits")):
            seen.append(private.load(tmp_path, TRIPLE))

    with private.making(tmp_path, TRIPLE, on_wait=nobody) as room:
        thread = threading.Thread(target=second)
        thread.start()
        deadline = time.monotonic() + 10
        while not waits and time.monotonic() < deadline:
            time.sleep(0.01)
        private.keep(put(room), tmp_path, TRIPLE)
    thread.join(10)
    assert waits == ["waits"]
    assert seen == [private.load(tmp_path, TRIPLE)]
    assert seen[0] is not None


def test_a_removal_waits_for_who_makes_it(tmp_path: Path) -> None:
    make(tmp_path)
    waits: list[str] = []
    folder = private.folder_of(tmp_path, TRIPLE)

    def second() -> None:
        private.remove(tmp_path, TRIPLE, on_wait=lambda: waits.append("waits"))

    with files.locked(folder.with_name(f"{TRIPLE}.lock")):
        thread = threading.Thread(target=second)
        thread.start()
        deadline = time.monotonic() + 10
        while not waits and time.monotonic() < deadline:
            time.sleep(0.01)
        assert folder.exists()
    thread.join(10)
    assert not folder.exists()


def test_a_program_that_outlived_a_killed_run_does_not_keep_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = private.folder_of(tmp_path, TRIPLE).with_name(f"{TRIPLE}.new")
    room.mkdir(parents=True)
    monkeypatch.setattr(private, "_PAUSE", 0.02)
    stop = threading.Event()

    def write() -> None:
        count = 0
        while not stop.is_set() and count < 300:
            count += 1
            try:
                (room / f"sub{count}").mkdir()
                (room / f"sub{count}" / "file").touch()
            except OSError:
                return

    thread = threading.Thread(target=write)
    thread.start()
    with private.making(tmp_path, TRIPLE, on_wait=nobody):
        stop.set()
        thread.join(10)
