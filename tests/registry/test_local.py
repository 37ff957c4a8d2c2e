from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fork import small
from registry import killed, tiny

from patchbot import files
from patchbot.errors import EnvironmentProblem, PublishError
from patchbot.model import ForkedCrate, IndexEntry
from patchbot.registry.local import LocalRegistry, State, Taken

CRATES = tiny.forks().crates
TESTS = Path(__file__).parents[1]


def made(name: str, version: str = "1.0.0", data: bytes = b"the crate") -> ForkedCrate:
    pin = small.pin(name, version=version)
    entry = dataclasses.replace(pin.entry, sha256=hashlib.sha256(data).hexdigest())
    return ForkedCrate(pin, entry, data, "has a link-time name")


def changed(crate: ForkedCrate) -> ForkedCrate:
    return made(crate.entry.name, crate.entry.version, crate.data + b"!")


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "registry")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file with its bytes, its time and its inode: written again is not untouched."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino)
        for file in folder.rglob("*")
        if file.is_file()
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        name: data for name, (data, _, _) in snapshot(folder).items() if not Path(name).name.startswith(".")
    }


def assert_whole(registry: LocalRegistry, crates: tuple[ForkedCrate, ...]) -> None:
    """Whatever the index names is there, byte for byte."""
    for crate in crates:
        for version, entry in registry.entries(crate.entry.name).items():
            data = (registry.folder / f"{entry.name}-{version}.crate").read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry.sha256


def test_a_registry_that_is_not_there_is_empty(registry: LocalRegistry) -> None:
    assert registry.entries("tiny") == {}
    assert [step.state for step in registry.plan(CRATES)] == [State.NEW] * 3
    assert not registry.folder.exists()


def test_published_crates_stand_where_cargo_looks_for_them(registry: LocalRegistry) -> None:
    assert [step.state for step in registry.publish(CRATES)] == [State.NEW] * 3
    for crate in CRATES:
        entry = crate.entry
        assert (registry.folder / f"{entry.name}-{entry.version}.crate").read_bytes() == crate.data
        assert registry.entries(entry.name) == {entry.version: entry}
    assert (registry.folder / "index" / "ti" / "ny" / "tiny-v1-2-3").is_file()


@pytest.mark.parametrize(
    ("name", "place"),
    [("a", "1/a"), ("ab", "2/ab"), ("Abc", "3/a/abc"), ("Abcd-E", "ab/cd/abcd-e")],
)
def test_index_files_are_lower_case_and_lines_are_not(registry: LocalRegistry, name: str, place: str) -> None:
    registry.publish([made(name)])
    line = json.loads((registry.folder / "index" / place).read_bytes())
    assert line["name"] == name
    assert (registry.folder / f"{name}-1.0.0.crate").is_file()


def test_publishing_twice_touches_nothing(registry: LocalRegistry) -> None:
    registry.publish(CRATES)
    before = snapshot(registry.folder)
    assert [step.state for step in registry.publish(CRATES)] == [State.PRESENT] * 3
    assert snapshot(registry.folder) == before


def test_only_what_is_new_is_added(registry: LocalRegistry) -> None:
    registry.publish(CRATES[:2])
    before = snapshot(registry.folder)
    steps = registry.publish(CRATES)
    assert [step.state for step in steps] == [State.PRESENT, State.PRESENT, State.NEW]
    assert [step.crate for step in steps] == list(CRATES)
    after = snapshot(registry.folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2


def test_another_version_of_a_crate_is_a_line_more(registry: LocalRegistry) -> None:
    registry.publish([made("a", "1.0.0")])
    first = (registry.folder / "index" / "1" / "a").read_bytes()
    registry.publish([made("a", "1.0.1", b"other")])
    assert (registry.folder / "index" / "1" / "a").read_bytes().startswith(first)
    assert set(registry.entries("a")) == {"1.0.0", "1.0.1"}


def test_the_same_crates_give_the_same_registry_in_any_folder(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "far" / "two"]
    for folder in folders:
        LocalRegistry(folder).publish(CRATES)
    assert bytes_of(folders[0]) == bytes_of(folders[1])
    assert not [name for name in snapshot(folders[0]) if "/.new-" in name or name.startswith(".new-")]


def test_files_can_be_read_by_everyone(registry: LocalRegistry) -> None:
    umask = os.umask(0o077)
    try:
        registry.publish(CRATES)
    finally:
        os.umask(umask)
    modes = {f.stat().st_mode & 0o777 for f in registry.folder.rglob("*.crate")}
    assert modes == {0o644}


# -- nothing is overwritten --------------------------------------------------------------------------


def test_other_bytes_under_a_published_name_stop_the_run_before_anything_is_written(
    registry: LocalRegistry,
) -> None:
    registry.publish([made("b")])
    before = snapshot(registry.folder)
    other = changed(made("b"))
    with pytest.raises(PublishError) as told:
        registry.publish([made("a"), other, made("c")])
    assert snapshot(registry.folder) == before
    assert made("b").entry.sha256 in told.value.what
    assert other.entry.sha256 in told.value.what
    assert told.value.where == str(registry.folder / "index" / "1" / "b")
    assert "[fork.revisions]" in str(told.value.hint)
    with pytest.raises(PublishError, match=r"b 1\.0\.0 is published as"):
        registry.plan([made("a"), other])


def test_a_plan_with_two_crates_of_one_name_is_refused_before_anything_is_written(
    registry: LocalRegistry,
) -> None:
    with pytest.raises(PublishError, match=r"a 1\.0\.0 is to be published as .* and as ") as told:
        registry.publish([made("a"), made("b"), changed(made("a"))])
    assert made("a").entry.sha256 in told.value.what
    assert changed(made("a")).entry.sha256 in told.value.what
    assert bytes_of(registry.folder) == {}


def test_a_crate_that_was_changed_on_disk_is_found_out(registry: LocalRegistry) -> None:
    registry.publish([made("a")])
    file = registry.folder / "a-1.0.0.crate"
    file.write_bytes(b"somebody was here")
    with pytest.raises(PublishError) as told:
        registry.publish([made("a")])
    assert hashlib.sha256(b"somebody was here").hexdigest() in told.value.what
    assert told.value.where == str(file)
    assert file.read_bytes() == b"somebody was here"


def test_a_crate_that_is_gone_from_the_disk_is_found_out(registry: LocalRegistry) -> None:
    registry.publish([made("a")])
    (registry.folder / "a-1.0.0.crate").unlink()
    with pytest.raises(PublishError, match="no file") as told:
        registry.publish([made("a")])
    assert told.value.where == str(registry.folder / "a-1.0.0.crate")


@pytest.mark.parametrize(
    "change",
    [
        {"rust_version": "1.70"},
        {"features": {"x": ()}},
        {"links": "z"},
        {"dependencies": (small.dependency("d"),)},
    ],
)
def test_another_index_line_for_the_same_bytes_is_found_out(
    registry: LocalRegistry, change: dict[str, object]
) -> None:
    crate = made("a")
    registry.publish([crate])
    other = dataclasses.replace(crate.entry, **change)  # type: ignore[arg-type]
    before = snapshot(registry.folder)
    with pytest.raises(PublishError, match=r"a 1\.0\.0 has another index line"):
        registry.publish([made("b"), dataclasses.replace(crate, entry=other)])
    assert snapshot(registry.folder) == before


@pytest.mark.parametrize(
    "damage",
    [
        b"{", b"\n", b"[]", b'"a"', b"7", b"null", b"{}", b"\xff", b'{"name": "a"}', b"[" * 100_000,
        b'{"name": "a", "vers": "1.0.0", "deps": 3, "cksum": "x"}',
        b'{"name": "a", "vers": "1.0.0", "deps": [{"name": "b"}], "cksum": "x"}',
        b'{"name": "a", "vers": "1.0.0", "deps": [], "cksum": "x", "features": [1]}',
    ],
    ids=[
        "half", "empty-line", "list", "string", "number", "null", "empty", "no-text", "few-keys", "nested",
        "no-deps", "half-a-dep", "no-features",
    ],
)  # fmt: skip
def test_a_damaged_index_is_told_with_its_file_and_left_alone(registry: LocalRegistry, damage: bytes) -> None:
    registry.publish([made("a")])
    file = registry.folder / "index" / "1" / "a"
    with file.open("ab") as out:
        out.write(damage + b"\n")
    before = snapshot(registry.folder)
    for ask in (lambda: registry.entries("a"), lambda: registry.publish([made("b"), made("a", "1.0.1")])):
        with pytest.raises(PublishError, match="is damaged") as told:
            ask()
        assert told.value.where == str(file)
        assert told.value.hint == "restore it, or publish anew"
    assert snapshot(registry.folder) == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        LocalRegistry(tmp_path / "file" / "registry").publish([made("a")])


def test_what_cannot_be_read_is_told_with_its_file(registry: LocalRegistry) -> None:
    registry.publish([made("a")])
    for file in (registry.folder / "a-1.0.0.crate", registry.folder / "index" / "1" / "a"):
        file.unlink()
        file.mkdir()
        with pytest.raises(EnvironmentProblem, match="cannot be read: Is a directory") as told:
            registry.plan([made("a")])
        assert told.value.where == str(file)


# -- names that are one to cargo ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "new"),
    [("foo-bar", "foo_bar"), ("foo_bar", "Foo-Bar"), ("foo", "Foo"), ("a-b", "a_b"), ("a-", "a_")],
)
def test_a_name_that_is_the_same_to_cargo_is_refused_before_anything_is_written(
    registry: LocalRegistry, there: str, new: str
) -> None:
    registry.publish([made(there)])
    before = snapshot(registry.folder)
    with pytest.raises(Taken, match="is the same name to cargo"):
        registry.publish([made("other"), made(new, "2.0.0")])
    assert snapshot(registry.folder) == before


def test_two_such_names_in_one_plan_are_refused(registry: LocalRegistry) -> None:
    with pytest.raises(Taken, match="is the same name to cargo"):
        registry.publish([made("foo-bar"), made("foo_bar")])
    assert bytes_of(registry.folder) == {}


def test_versions_that_differ_in_build_metadata_alone_are_refused(registry: LocalRegistry) -> None:
    registry.publish([made("a", "1.0.0"), made("b", "1.0.0+pb1")])
    for crate in (made("a", "1.0.0+x"), made("b", "1.0.0+pb2"), made("b", "1.0.0")):
        with pytest.raises(Taken, match="is the same to cargo"):
            registry.publish([crate])
    registry.publish([made("a", "1.0.1+x")])


# -- yanks -------------------------------------------------------------------------------------------

ALL = [(crate.entry.name, crate.entry.version) for crate in CRATES]


def yanked(registry: LocalRegistry) -> set[str]:
    return {entry.name for entry in registry.everything().values() if entry.yanked}


def test_a_release_is_yanked_as_a_whole_and_back(registry: LocalRegistry) -> None:
    registry.publish([*CRATES, made("other")])
    before = bytes_of(registry.folder)
    assert registry.set_yanked(ALL, yanked=True) == tuple(ALL)
    assert yanked(registry) == {name for name, _ in ALL}
    assert registry.set_yanked(ALL, yanked=True) == ()
    assert registry.set_yanked(ALL[1:], yanked=False) == tuple(ALL[1:])
    assert registry.set_yanked(ALL, yanked=False) == (ALL[0],)
    assert bytes_of(registry.folder) == before


def test_one_version_of_a_crate_is_yanked_and_the_bytes_of_the_others_stay(registry: LocalRegistry) -> None:
    registry.publish([made("a", "1.0.0"), made("a", "1.0.1"), made("a", "1.0.2")])
    file = registry.index_file("a")
    odd = file.read_bytes().replace(b'"yanked":false', b'"yanked":  false, "later": 1')
    file.write_bytes(odd)
    registry.set_yanked([("a", "1.0.1")], yanked=True)
    first, second, third = file.read_bytes().splitlines()
    assert [first, third] == [odd.splitlines()[0], odd.splitlines()[2]]
    assert json.loads(second)["yanked"] is True
    assert json.loads(second)["later"] == 1


@pytest.mark.parametrize("missing", [("nobody", "1.0.0"), ("a", "9.0.0"), ("A", "1.0.0")])
def test_nothing_is_yanked_if_one_of_them_is_not_there(
    registry: LocalRegistry, missing: tuple[str, str]
) -> None:
    registry.publish([made("a")])
    before = snapshot(registry.folder)
    with pytest.raises(PublishError, match="is not published"):
        registry.set_yanked([("a", "1.0.0"), missing], yanked=True)
    assert snapshot(registry.folder) == before


def test_a_yanked_release_is_there_when_it_is_published_again(registry: LocalRegistry) -> None:
    registry.publish(CRATES)
    registry.set_yanked(ALL, yanked=True)
    before = snapshot(registry.folder)
    assert [step.state for step in registry.publish(CRATES)] == [State.PRESENT] * 3
    assert snapshot(registry.folder) == before


def test_a_yank_that_was_killed_anywhere_is_none_or_completed_by_the_next_writer(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")

    def prepare() -> None:
        shutil.rmtree(registry.folder, ignore_errors=True)
        registry.publish(CRATES)

    count = 0
    for survived in killed.everywhere(
        registry.folder, prepare, lambda: registry.set_yanked(ALL, yanked=True)
    ):
        registry.publish([made("other")])
        assert yanked(registry) in (set(), {name for name, _ in ALL}), survived
        assert_whole(registry, CRATES)
        registry.set_yanked(ALL, yanked=True)
        assert yanked(registry) == {name for name, _ in ALL}
        count += 1
    assert count > 2 * len(CRATES)


# -- removed for good --------------------------------------------------------------------------------


def test_what_was_removed_is_gone_and_its_name_is_kept(registry: LocalRegistry) -> None:
    registry.publish([made("a", "1.0.0"), made("a", "1.0.1"), made("b")])
    registry.remove([("a", "1.0.0"), ("b", "1.0.0")])
    assert set(registry.everything()) == {("a", "1.0.1")}
    assert not registry.index_file("b").exists()
    assert [file.name for file in registry.folder.glob("*.crate")] == ["a-1.0.1.crate"]
    assert registry.removed() == {
        ("a", "1.0.0"): made("a").entry.sha256,
        ("b", "1.0.0"): made("b").entry.sha256,
    }
    before = snapshot(registry.folder)
    with pytest.raises(Taken, match="and removed, and would now be"):
        registry.publish([changed(made("b"))])
    assert snapshot(registry.folder) == before
    assert [step.state for step in registry.publish([made("b")])] == [State.NEW]


def test_a_removal_that_was_killed_anywhere_is_none_or_completed(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")

    def prepare() -> None:
        shutil.rmtree(registry.folder, ignore_errors=True)
        registry.publish([*CRATES, made("other")])

    count = 0
    for survived in killed.everywhere(registry.folder, prepare, lambda: registry.remove(ALL)):
        with registry.locked():
            left = set(registry.everything())
        assert left in ({("other", "1.0.0")}, {("other", "1.0.0"), *ALL}), survived
        if len(left) == 1:
            assert set(registry.removed()) == set(ALL)
        assert_whole(registry, CRATES)
        count += 1
    assert count > 2 * len(CRATES)


# -- killed, and at the same time --------------------------------------------------------------------

Write = Callable[..., None]


def dying(at: int, die: Callable[[], None]) -> Write:
    """``files.write`` that dies instead of writing for the ``at``-th time."""
    write, count = files.write, 0

    def counting(file: Path, data: bytes, *, durable: bool = False) -> None:
        nonlocal count
        if count == at:
            die()
        count += 1
        write(file, data, durable=durable)

    return counting


def interrupted() -> None:
    raise KeyboardInterrupt


def test_a_run_that_was_killed_after_any_write_is_completed_to_the_same_bytes(tmp_path: Path) -> None:
    registry, undisturbed = LocalRegistry(tmp_path / "killed"), LocalRegistry(tmp_path / "whole")
    undisturbed.publish(CRATES)
    count = 0
    for survived in killed.everywhere(
        registry.folder,
        lambda: shutil.rmtree(registry.folder, ignore_errors=True),
        lambda: registry.publish(CRATES),
    ):
        assert_whole(registry, CRATES)
        registry.publish(CRATES)
        assert bytes_of(registry.folder) == bytes_of(undisturbed.folder), survived
        count += 1
    assert count > 4 * len(CRATES)


@pytest.mark.parametrize("at", range(2 * len(CRATES)))
def test_a_run_that_was_stopped_anywhere_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    registry, undisturbed = LocalRegistry(tmp_path / "stopped"), LocalRegistry(tmp_path / "whole")
    undisturbed.publish(CRATES)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", dying(at, interrupted))
        with pytest.raises(KeyboardInterrupt):
            registry.publish(CRATES)
    assert_whole(registry, CRATES)
    published = [step.state is State.PRESENT for step in registry.plan(CRATES)]
    assert published == [n < at // 2 for n in range(len(CRATES))]
    registry.publish(CRATES)
    assert bytes_of(registry.folder) == bytes_of(undisturbed.folder)


def test_what_a_killed_run_left_without_a_line_does_not_stand_in_the_way_of_other_bytes(
    registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", dying(1, interrupted))
        with pytest.raises(KeyboardInterrupt):
            registry.publish([made("a")])
    assert (registry.folder / "a-1.0.0.crate").is_file()
    later = changed(made("a"))
    registry.publish([later])
    assert registry.entries("a") == {"1.0.0": later.entry}
    assert_whole(registry, (later,))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from patchbot import files
from registry import test_local, tiny
def die(): os.kill(os.getpid(), signal.SIGKILL)
files.write = test_local.dying(int(sys.argv[3]), die)
test_local.LocalRegistry(Path(sys.argv[2])).publish(tiny.forks().crates)
"""


def test_a_run_that_was_killed_holds_no_lock_and_is_completed_by_the_next(registry: LocalRegistry) -> None:
    argv = [sys.executable, "-c", KILLED, str(TESTS), str(registry.folder), "3"]
    killed = subprocess.run(argv, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert_whole(registry, CRATES)
    steps = registry.publish(CRATES)
    assert [step.state for step in steps] == [State.PRESENT, State.NEW, State.NEW]
    assert_whole(registry, CRATES)


AT_ONCE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from registry import test_local, tiny
me = sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for n in range(20):
    own = test_local.made("a", f"{me}.0.{n}", f"{me} {n}".encode())
    test_local.LocalRegistry(Path(sys.argv[2])).publish([own, *tiny.forks().crates])
"""


def test_processes_that_publish_at_the_same_time_leave_a_complete_registry(registry: LocalRegistry) -> None:
    argv = [sys.executable, "-c", AT_ONCE, str(TESTS), str(registry.folder)]
    writers = [
        subprocess.Popen([*argv, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert set(registry.entries("a")) == {f"{me}.0.{n}" for me in range(3) for n in range(20)}
    assert [step.state for step in registry.plan(CRATES)] == [State.PRESENT] * 3
    assert_whole(registry, (made("a"), *CRATES))


def test_a_writer_waits_for_another(registry: LocalRegistry) -> None:
    argv = [
        sys.executable,
        "-c",
        AT_ONCE.replace("range(20)", "range(1)"),
        str(TESTS),
        str(registry.folder),
        "1",
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        writer.stdout.readline()
        with files.locked(registry.folder / ".lock"):
            writer.stdin.write("go\n")
            writer.stdin.flush()
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(0.5)
            assert bytes_of(registry.folder) == {}
        assert writer.wait(60) == 0
    assert set(registry.entries("a")) == {"1.0.0"}


def test_an_entry_reads_as_it_was_written(registry: LocalRegistry) -> None:
    registry.publish(CRATES)
    for crate in CRATES:
        file = registry.folder / "index" / "ti" / "ny" / crate.entry.name
        assert IndexEntry.from_json(json.loads(file.read_bytes())) == crate.entry
        assert file.read_bytes().endswith(b"}\n")
