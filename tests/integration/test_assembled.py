"""Every C and assembler file and every assembler text of every release, through every compiler that is here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from integration.conftest import Project

from patchbot.model import Release
from patchbot.targets import KNOWN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

Row = Mapping[str, Any]

WITHOUT = {triple for triple, target in KNOWN.items() if target.vendor == "apple" or target.env == "msvc"}
LINUX = "x86_64-unknown-linux-gnu"


@pytest.fixture(scope="module")
def every(elsewhere: Project) -> Mapping[str, Any]:
    done = elsewhere.run("assemble", "--all", "--json", "--quiet", timeout=3500)
    assert done.code == 0, done.err
    data: Mapping[str, Any] = done.json
    return data


def rows(every: Mapping[str, Any], *, since: int = 0, until: int = 99) -> Iterator[tuple[Release, Row]]:
    """Return the rows of the majors from ``since`` to ``until``, each with its release."""
    for entry in every["releases"]:
        release = Release.parse(entry["release"])
        if since <= release.major <= until:
            yield from ((release, row) for row in entry.get("rows", ()))


def test_every_release_is_there(every: Mapping[str, Any]) -> None:
    assert every["schema"] == 1
    made = [entry["release"] for entry in every["releases"] if "rows" in entry]
    assert len(made) >= 188
    assert {"0.40.0", "8.0.1", "19.0.2", "36.0.20", "50.0.1"} <= set(made)


@pytest.mark.parametrize("triple", sorted(set(KNOWN) - WITHOUT))
def test_nm_agrees_with_the_scan(every: Mapping[str, Any], triple: str) -> None:
    tools = every["targets"][triple]
    if tools["c"] is None:
        pytest.skip(f"no C compiler for {triple}: .ci/compilers installs it")
    seen = [row for _, row in rows(every) if row["target"] == triple]
    assert {row["verdict"] for row in seen} <= {"agrees", "cannot compile"}
    assert [row for row in seen if row["problems"]] == []
    agreeing = [row for row in seen if row["verdict"] == "agrees"]
    assert len(agreeing) > 90, "every release since 30 has gdbjit.c at least"
    assert all(row["compiler"] for row in agreeing)
    own = [row for row in agreeing if row["suffixed"]]
    assert len(own) > 60


def test_targets_without_a_compiler_are_in_the_table(every: Mapping[str, Any]) -> None:
    for triple in WITHOUT:
        assert every["targets"][triple]["c"] is None
        seen = {row["verdict"] for _, row in rows(every) if row["target"] == triple}
        assert seen == {"no compiler"}


def test_without_patches_every_file_with_a_name_disagrees(every: Mapping[str, Any]) -> None:
    tried: dict[tuple[str, str, str], list[object]] = {}
    for release, row in rows(every, until=11):
        if row["suffixed"] and row["verdict"] == "agrees":
            key = (str(release), row["path"], row["form"])
            tried.setdefault(key, []).append(row["negative_twin_failed"])
    assert len(tried) > 40
    assert {key for key, twins in tried.items() if True not in twins} == set()
    assert False not in {row["negative_twin_failed"] for _, row in rows(every)}


def test_rustc_expands_upstreams_macros_to_the_same_names(every: Mapping[str, Any]) -> None:
    seen = [
        (release, row) for release, row in rows(every) if row["form"] == "macros" and row["target"] == LINUX
    ]
    if {row["verdict"] for _, row in seen} == {"no compiler"}:
        pytest.skip(f"rustc cannot expand them here: {seen[0][1]['notes'] or 'this is no x86_64 Linux'}")
    assert {row["verdict"] for _, row in seen} == {"agrees"}
    fiber = {release for release, row in seen if row["path"] == "crates/fiber"}
    assert {release.major for release in fiber} == set(range(38)), "from 38 on there is no asm_func!"
    runtime = {len(row["defined"]) for _, row in seen if row["path"] == "crates/runtime"}
    assert runtime == {48, 25, 23, 31}, "trampolines and libcalls, to 4 with what they call"


@pytest.mark.parametrize(
    ("majors", "path", "compiled"),
    [
        ((0, 27), "crates/fiber/src/unix/s390x.S", True),
        ((28, 37), "crates/fiber/src/stackswitch/s390x.S", True),
        ((0, 15), "crates/runtime/src/trampolines/s390x.S", True),
        ((16, 19), "crates/runtime/src/arch/s390x.S", True),
        ((20, 20), "crates/runtime/src/arch/s390x.S", False),
        ((21, 29), "crates/wasmtime/src/runtime/vm/arch/s390x.S", False),
    ],
)
def test_every_s390x_file_is_there_compiled_or_not(
    every: Mapping[str, Any], majors: tuple[int, int], path: str, *, compiled: bool
) -> None:
    since, until = majors
    there = [(release, row) for release, row in rows(every, since=since, until=until) if row["path"] == path]
    assert {release.major for release, _ in there} == set(range(since, until + 1))
    assert {row["compiled"] for _, row in there} == {compiled}
    assert {row["target"] for _, row in there} == {"s390x-unknown-linux-gnu" if compiled else ""}


def test_fibers_that_upstream_cannot_compile_for_32_bits_do_with_their_patch(
    every: Mapping[str, Any],
) -> None:
    found: dict[str, set[int]] = {}
    for release, row in rows(every):
        assert "asm_sym" not in row["obstacle"], "fiber-32bit is there from 5 to 23"
        name = row["path"].rpartition("/")[2]
        if "crates/fiber/" in row["path"] and name in {"x86.rs", "arm.rs"} and row["verdict"] == "agrees":
            found.setdefault(name, set()).add(release.major)
    for name, majors in found.items():  # of those for which this machine has a compiler
        assert majors >= set(range(5, 24)), name


def test_what_debuggers_look_up_is_weak_but_on_windows(every: Mapping[str, Any]) -> None:
    kept = {"__jit_debug_descriptor", "__jit_debug_register_code", "__wasmtime_jit_debug_lock"}
    seen = [row for _, row in rows(every) if kept <= set(row["defined"])]
    assert {row["target"] for row in seen} >= {LINUX}
    assert all(row["verdict"] == "agrees" for row in seen), "weak or strong, as the scan says"


def test_a_second_time_takes_seconds(every: object, elsewhere: Project) -> None:
    started = time.monotonic()
    done = elsewhere.run("assemble", "--all", "--json", "--quiet")
    assert done.code == 0, done.err
    assert time.monotonic() - started < 30
    assert {row["known"] for entry in done.json["releases"] for row in entry.get("rows", ())} == {True}
