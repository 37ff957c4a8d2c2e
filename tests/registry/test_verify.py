from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fork import small
from registry import tiny
from registry.test_local import changed, made

from patchbot import files
from patchbot.model import ForkedCrate
from patchbot.registry import changes, verify
from patchbot.registry.local import REMOVED, LocalRegistry
from patchbot.registry.verify import Fault

CRATES = tiny.forks().crates


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    registry = LocalRegistry(tmp_path / "registry")
    registry.publish([*CRATES, made("a"), made("a", "1.0.1", b"more")])
    return registry


def needing(name: str, package: str, requirement: str) -> ForkedCrate:
    crate = made(name)
    entry = dataclasses.replace(crate.entry, dependencies=(small.dependency(package, requirement),))
    return dataclasses.replace(crate, entry=entry)


def test_a_registry_as_it_was_published_is_sound(registry: LocalRegistry) -> None:
    done = verify.verify(registry)
    assert done.findings == []
    assert (done.leftovers, done.strangers) == ([], [])
    assert done.crates == len(CRATES) + 2
    assert done.size == sum(file.stat().st_size for file in registry.folder.glob("*.crate"))


def test_a_registry_that_is_not_there_has_nothing_wrong(tmp_path: Path) -> None:
    assert verify.verify(LocalRegistry(tmp_path / "none")) == verify.Verified()


def damaged_line(registry: LocalRegistry) -> None:
    with registry.index_file("a").open("ab") as file:
        file.write(b"{\n")


def empty_line(registry: LocalRegistry) -> None:
    with registry.index_file("a").open("ab") as file:
        file.write(b"\n")


def wrong_place(registry: LocalRegistry) -> None:
    files.write(registry.index_file("elsewhere"), registry.index_file("a").read_bytes())


def two_lines(registry: LocalRegistry) -> None:
    file = registry.index_file("a")
    file.write_bytes(file.read_bytes() * 2)


def twins(registry: LocalRegistry) -> None:
    for name in ("foo-bar", "foo_bar"):
        LocalRegistry(registry.folder.parent / name).publish([made(name)])
        theirs = registry.folder.parent / name
        files.write(registry.index_file(name), LocalRegistry(theirs).index_file(name).read_bytes())
        files.write(registry.crate_file(name, "1.0.0"), made(name).data)


def two_cases(registry: LocalRegistry) -> None:
    file = registry.index_file("a")
    line = file.read_bytes().splitlines(keepends=True)[0].replace(b'"name":"a"', b'"name":"A"')
    file.write_bytes(file.read_bytes() + line)
    files.write(registry.crate_file("A", "1.0.0"), made("a").data)


def build_metadata(registry: LocalRegistry) -> None:
    file = registry.index_file("a")
    line = file.read_bytes().splitlines(keepends=True)[0].replace(b"1.0.0", b"1.0.0+x")
    file.write_bytes(file.read_bytes() + line)
    files.write(registry.crate_file("a", "1.0.0+x"), made("a").data)


def no_crate(registry: LocalRegistry) -> None:
    registry.crate_file("a", "1.0.1").unlink()


def other_bytes(registry: LocalRegistry) -> None:
    file = registry.crate_file("a", "1.0.1")
    file.write_bytes(file.read_bytes()[:-1] + b"?")


def no_dependency(registry: LocalRegistry) -> None:
    registry.publish([needing("b", "nobody", "^1")])


def no_such_version(registry: LocalRegistry) -> None:
    registry.publish([needing("b", "a", "=1.0.2")])


def half_yanked(registry: LocalRegistry) -> None:
    core = CRATES[0].entry
    registry.set_yanked([(core.name, core.version)], yanked=True)


def returned(registry: LocalRegistry) -> None:
    row = {"name": "a", "vers": "1.0.0", "cksum": changed(made("a")).entry.sha256}
    files.write(registry.folder / REMOVED, json.dumps(row).encode() + b"\n")


def unfinished(registry: LocalRegistry) -> None:
    files.write(registry.folder / changes.PENDING, b"{}")


@pytest.mark.parametrize(
    ("damage", "fault", "where"),
    [
        (damaged_line, Fault.DAMAGED_LINE, "index/1/a"),
        (empty_line, Fault.DAMAGED_LINE, "index/1/a"),
        (wrong_place, Fault.WRONG_PLACE, "index/el/se/elsewhere"),
        (two_lines, Fault.TWICE, "index/1/a"),
        (twins, Fault.TWICE, "index/fo/o-/foo-bar"),
        (two_cases, Fault.TWICE, "index/1/a"),
        (build_metadata, Fault.TWICE, "index/1/a"),
        (no_crate, Fault.NO_CRATE, "a-1.0.1.crate"),
        (other_bytes, Fault.OTHER_BYTES, "a-1.0.1.crate"),
        (no_dependency, Fault.NO_DEPENDENCY, "index/1/b"),
        (no_such_version, Fault.NO_DEPENDENCY, "index/1/b"),
        (half_yanked, Fault.HALF_YANKED, "index/ti/ny/tiny-v1-2-3"),
        (returned, Fault.RETURNED, "index/1/a"),
        (unfinished, Fault.UNFINISHED, ".pending"),
    ],
)
def test_what_is_wrong_is_found_and_nothing_else(
    registry: LocalRegistry, damage: Callable[[LocalRegistry], None], fault: Fault, where: str
) -> None:
    damage(registry)
    done = verify.verify(registry)
    assert {(one.fault, one.where) for one in done.findings} == {(fault, where)}
    assert all(one.what for one in done.findings)


def test_everything_that_is_wrong_is_told_at_once(registry: LocalRegistry) -> None:
    for damage in (damaged_line, other_bytes, no_dependency, half_yanked):
        damage(registry)
    assert {one.fault for one in verify.verify(registry).findings} == {
        Fault.DAMAGED_LINE,
        Fault.OTHER_BYTES,
        Fault.NO_DEPENDENCY,
        Fault.HALF_YANKED,
    }


def test_a_release_that_was_yanked_whole_is_sound(registry: LocalRegistry) -> None:
    registry.set_yanked([(crate.entry.name, crate.entry.version) for crate in CRATES], yanked=True)
    assert verify.verify(registry).findings == []


def test_leftovers_and_strangers_are_named_and_are_nothing_wrong(registry: LocalRegistry) -> None:
    for place in (".new-x", "index/1/.new-y", "late-1.0.0.crate", "notes.txt", "index/README", "index/1/abc"):
        files.write(registry.folder / place, b"?")
    done = verify.verify(registry)
    assert done.findings == []
    assert done.leftovers == ["index/1/.new-y", ".new-x", "late-1.0.0.crate"]
    assert done.strangers == ["index/1/abc", "index/README", "notes.txt"]
    assert done.to_json()["leftovers"] == done.leftovers
