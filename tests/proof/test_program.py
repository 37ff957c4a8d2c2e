"""The program of a proof, in the words that each release understands."""

from __future__ import annotations

import re

import pytest

from patchbot.model import Release
from patchbot.proof import program
from patchbot.proof.program import Member


def source(release: str) -> str:
    member = Member(Release.parse(release), "wasmtime-v1", release, ("async",), "patchbot")
    return program.render("proof", [member], "")[f"src/{member.module}.rs"]


@pytest.mark.parametrize(
    "release", ["0.40.1", "3.0.1", "4.0.1", "26.0.1", "27.0.0", "28.0.1", "39.0.1", "40.0.0", "50.0.1"]
)
def test_no_word_of_the_template_is_left(release: str) -> None:
    assert re.findall(r"@[A-Z_]+@", source(release)) == []


@pytest.mark.parametrize(
    ("last_old", "first_new", "old", "new"),
    [
        ("3.0.1", "4.0.0", "trap.trap_code()", "downcast_ref::<Trap>().copied()"),
        ("3.0.1", "4.0.0", '{ "MemoryOutOfBounds" })),', '{ "210" })),'),
        ("26.0.1", "27.0.0", ".static_memory_guard_size(", ".memory_guard_size("),
        ("27.0.0", "28.0.0", "config.static_memory_maximum_size(0)", "config.memory_reservation(0)"),
        ("27.0.0", "28.0.0", ".dynamic_memory_reserved_for_growth(", ".memory_reservation_for_growth("),
    ],
)
def test_a_word_changes_with_the_release_that_changed_it(
    last_old: str, first_new: str, old: str, new: str
) -> None:
    before, after = source(last_old), source(first_new)
    assert (old in before, new in before) == (True, False)
    assert (old in after, new in after) == (False, True)


def test_memories_are_shared_only_where_that_must_be_asked_for() -> None:
    asked = "config.shared_memory(true);"
    assert (asked in source("39.0.1"), asked in source("40.0.0")) == (False, True)


def test_references_of_the_host_are_checked_where_libcalls_drop_them() -> None:
    assert ("fn references()" in source("19.0.2"), "fn references()" in source("20.0.0")) == (True, False)


def test_a_lock_says_which_versions_it_has() -> None:
    packages = (("psm", "0.1.26"), ("hashbrown", "0.14.5"), ("hashbrown", "0.15.2"))
    lock = "version = 4\n" + "".join(f'[[package]]\nname = "{n}"\nversion = "{v}"\n' for n, v in packages)
    assert program.versions(lock) == {"psm": {"0.1.26"}, "hashbrown": {"0.14.5", "0.15.2"}}
    assert program.versions("version = 4\n") == {}
