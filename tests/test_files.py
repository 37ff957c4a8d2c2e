from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

import pytest

from patchbot import files
from patchbot.errors import EnvironmentProblem

NOBODY = 65534

HOLDER = """\
import sys, time
from pathlib import Path
from patchbot import files
with files.locked(Path(sys.argv[1]), on_wait=lambda: print("waits", flush=True)):
    print("has it", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that this process may read and not write, also where tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)
            Path(name).chmod(0o755)


def full_disk(*_args: object, **_more: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """A file that takes some bytes and then none."""

    def __init__(self, handle: int) -> None:
        self._real = open(handle, "wb")  # noqa: SIM115 - os.fdopen is what this stands in for

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._real.close()

    def write(self, data: bytes) -> None:
        self._real.write(data[:1])
        full_disk()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_write_makes_the_folders_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c"
    files.write(file, b"new", durable=True)
    assert snapshot(tmp_path) == {"a/b/c": b"new"}
    assert file.stat().st_mode & 0o777 == 0o644


def test_write_replaces_whole_files(tmp_path: Path) -> None:
    file = tmp_path / "c"
    files.write(file, b"a long text")
    with file.open("rb") as reader:
        files.write(file, b"short")
        assert reader.read() == b"a long text"
    assert snapshot(tmp_path) == {"c": b"short"}


def test_durable_write_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.pread(handle, 10, 0)))
    files.write(tmp_path / "a", b"fast")
    assert synced == []
    files.write(tmp_path / "a", b"safe", durable=True)
    assert synced == [b"safe"]


@pytest.mark.parametrize(
    ("where", "failing"),
    [
        (os, ("fdopen", lambda handle, _mode: FullDisk(handle))),
        (os, ("fsync", full_disk)),
        (Path, ("chmod", full_disk)),
        (Path, ("replace", full_disk)),
    ],
    ids=["write", "fsync", "chmod", "replace"],
)
def test_a_write_that_fails_leaves_the_old_bytes_and_nothing_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, failing: tuple[str, Callable[..., Any]]
) -> None:
    file = tmp_path / "c"
    files.write(file, b"old")
    monkeypatch.setattr(where, *failing)
    with pytest.raises(EnvironmentProblem, match="No space left on device") as caught:
        files.write(file, b"new", durable=True)
    monkeypatch.undo()
    assert snapshot(tmp_path) == {"c": b"old"}
    assert caught.value.where == str(file)
    assert "disk full" in (caught.value.hint or "")


def test_an_interrupted_write_leaves_nothing_beside_the_old_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> IO[bytes]:
        raise KeyboardInterrupt

    files.write(tmp_path / "c", b"old")
    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "c", b"new")
    assert snapshot(tmp_path) == {"c": b"old"}


def test_a_folder_that_may_not_be_written_is_told(read_only: Path) -> None:
    attempts: tuple[Callable[[], object], ...] = (
        lambda: files.write(read_only / "c", b""),
        lambda: files.write(read_only / "below" / "c", b""),
        lambda: files.replace_folder(read_only / "below", {}),
        lambda: _lock(read_only / "lock"),
    )
    for attempt in attempts:
        with pytest.raises(EnvironmentProblem, match="Permission denied") as caught:
            attempt()
        assert caught.value.hint is not None
        assert caught.value.exit_code == 9


def _lock(path: Path) -> None:
    with files.locked(path):
        pass


def test_a_file_where_a_folder_must_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(EnvironmentProblem):
        files.write(tmp_path / "file" / "c", b"")
    assert snapshot(tmp_path) == {"file": b"old"}


def test_replace_folder_makes_it_hold_exactly_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "8.0.1"
    files.replace_folder(folder, {"a": b"1", "b": b"2"})
    assert snapshot(tmp_path) == {"new/8.0.1/a": b"1", "new/8.0.1/b": b"2"}
    (folder / "stray").write_bytes(b"")
    (folder / "deep").mkdir()
    files.replace_folder(folder, {"b": b"3"})
    assert snapshot(tmp_path) == {"new/8.0.1/b": b"3"}
    assert sorted(p.name for p in folder.iterdir()) == ["b"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_replace_folder_removes_what_a_killed_run_left_and_nothing_of_its_neighbours(tmp_path: Path) -> None:
    for left in (".8.0.1~abc", ".8.0.1~def/old"):
        (tmp_path / left).mkdir(parents=True)
        (tmp_path / left / "a").write_bytes(b"")
    for neighbour in (".8.0.10~abc", "8.0.1~", ".8.0.1"):
        (tmp_path / neighbour).mkdir()
    files.replace_folder(tmp_path / "8.0.1", {"a": b"1"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".8.0.1", ".8.0.10~abc", "8.0.1", "8.0.1~"]


def test_replace_folder_takes_its_name_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".a~x").mkdir()
    files.replace_folder(tmp_path / "[ab]", {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a~x", "[ab]"]


def test_replace_folder_that_cannot_write_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.replace_folder(tmp_path / "f", {"a": b"old"})
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        files.replace_folder(tmp_path / "f", {"a": b"new"})
    monkeypatch.undo()
    assert snapshot(tmp_path) == {"f/a": b"old"}


def test_replace_folder_that_cannot_rename_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.replace_folder(tmp_path / "f", {"a": b"old"})
    rename = Path.replace

    def only_away(self: Path, target: Path) -> Path:
        if target == tmp_path / "f" and self.name != "old":
            full_disk()
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", only_away)
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        files.replace_folder(tmp_path / "f", {"a": b"new"})
    monkeypatch.undo()
    assert snapshot(tmp_path) == {"f/a": b"old"}


class Holder:
    """Another process that holds, or waits for, a lock."""

    def __init__(self, lock: Path) -> None:
        # one process group: no shell between, so the signal meets the holder itself
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> None:
        self.process.communicate("\n")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Callable[[], Holder]]:
    holders: list[Holder] = []

    def start() -> Holder:
        holders.append(Holder(tmp_path / "state" / "lock"))
        return holders[-1]

    yield start
    for holder in holders:
        with suppress(ValueError):  # finished already
            holder.kill()


def test_a_second_process_waits_for_the_lock_and_says_so(tmp_path: Path, other: Callable[[], Holder]) -> None:
    with files.locked(tmp_path / "state" / "lock"):
        second = other()
        assert second.says() == "waits"
        time.sleep(0.1)
        assert second.process.poll() is None
    assert second.says() == "has it"


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, other: Callable[[], Holder]) -> None:
    lock = tmp_path / "state" / "lock"
    holder = other()
    assert holder.says() == "has it"
    waited: list[str] = []

    def kill() -> None:
        waited.append("waits")
        holder.kill()

    with files.locked(lock, on_wait=kill):
        assert waited == ["waits"]
    with files.locked(lock, on_wait=lambda: waited.append("again")):
        assert waited == ["waits"]


def test_the_lock_is_given_back_after_a_failure(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    waited: list[str] = []
    with pytest.raises(KeyError), files.locked(lock):
        raise KeyError
    with files.locked(lock, on_wait=lambda: waited.append("waits")):
        assert waited == []


def test_the_lock_is_not_inherited_by_children(tmp_path: Path) -> None:
    with files.locked(tmp_path / "lock"):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
    waited: list[str] = []

    def give_up() -> None:
        waited.append("waits")
        child.kill()

    try:
        with files.locked(tmp_path / "lock", on_wait=give_up):
            assert waited == []
    finally:
        child.kill()
        child.wait()


def test_an_os_error_of_the_locked_work_is_not_taken_for_one_of_the_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.locked(tmp_path / "lock"):
        (tmp_path / "none").read_bytes()


def test_append_adds_and_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    file = tmp_path / "deep" / "journal"
    files.append(file, b"one\n")
    assert len(synced) == 2, "the file, and its name in the folder"
    files.append(file, b"two\n")
    assert len(synced) == 3
    files.append(file, b"three\n", durable=False)
    assert len(synced) == 3
    assert file.read_bytes() == b"one\ntwo\nthree\n"


def test_append_without_room_leaves_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "journal"
    files.append(file, b"one\n")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        files.append(file, b"two\n")
    assert file.read_bytes() == b"one\n"
