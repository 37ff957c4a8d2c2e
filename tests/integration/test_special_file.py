"""The special file of real releases, one of every shape, through the s390x assembler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from integration.conftest import Project

from patchbot.model import Release
from patchbot.proof import compilers
from patchbot.targets import KNOWN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

S390X = KNOWN["s390x-unknown-linux-gnu"]
UNIX, SWITCH = "crates/fiber/src/unix/s390x.S", "crates/fiber/src/stackswitch/s390x.S"
TRAMPOLINES, ARCH = "crates/runtime/src/trampolines/s390x.S", "crates/runtime/src/arch/s390x.S"
DEAD = "crates/wasmtime/src/runtime/vm/arch/s390x.S"

# Which files each has, how many names they define, and None for one that nothing compiles.
SHAPES = {
    "0.40.1": {UNIX: 2, TRAMPOLINES: 25},
    "8.0.1": {UNIX: 2, TRAMPOLINES: 25},
    "9.0.4": {UNIX: 2, TRAMPOLINES: 23},
    "12.0.2": {UNIX: 2, TRAMPOLINES: 23},
    "19.0.2": {UNIX: 2, ARCH: 31},
    "20.0.2": {UNIX: 2, ARCH: None},
    "24.0.13": {UNIX: 2, DEAD: None},
    "29.0.1": {SWITCH: 2, DEAD: None},
    "36.0.20": {SWITCH: 2},
    "44.0.0": {},
}
STALE = "uses host_to_wasm_trampoline, which nothing defines"

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]


@pytest.fixture(scope="module")
def rows(elsewhere: Project) -> Rows:
    """Every file by release and path; empty for a release that has none."""
    if compilers.find(S390X) is None:
        pytest.skip("no s390x compiler: .ci/compilers installs it")
    done = elsewhere.run("report", "special-file", *SHAPES, "--json", "--quiet", timeout=800)
    assert done.code == 0, done.err
    out: dict[str, dict[str, Mapping[str, Any]]] = {release: {} for release in SHAPES}
    for row in done.json["rows"]:
        assert row["present"] == (row["path"] is not None)
        if row["present"]:
            out[row["release"]][row["path"]] = row
        else:
            assert out[row["release"]] == {}
    return out


@pytest.mark.parametrize("release", SHAPES)
def test_each_file_is_where_it_was_and_says_what_it_said(rows: Rows, release: str) -> None:
    found = {path: len(row["defined"]) if row["compiled"] else None for path, row in rows[release].items()}
    assert found == SHAPES[release]


def test_every_name_of_an_object_has_its_suffix_and_upstreams_would_not_do(rows: Rows) -> None:
    compiled = [row for files in rows.values() for row in files.values() if row["compiled"]]
    assert len(compiled) == 14
    for row in compiled:
        suffix = f"_{row['release'].replace('.', '_')}_pb"
        assert {name.endswith(suffix) for name in row["defined"]} == {True}, row["release"]
        assert row["suffixed"] == len(row["defined"])
        assert row["assembled"].startswith("s390x-linux-gnu-gcc ")
        assert (row["agrees"], row["twin"], row["evidence"], row["problems"]) == (True, True, "assembled", [])


def test_nobody_needs_evidence_of_what_nothing_compiles(rows: Rows) -> None:
    for release, path in (("20.0.2", ARCH), ("24.0.13", DEAD), ("29.0.1", DEAD)):
        row = rows[release][path]
        assert (row["assembled"], row["agrees"], row["evidence"]) == (None, None, "none needed")


def test_fibers_are_two_names_and_the_third_is_local(rows: Rows) -> None:
    for release, files in rows.items():
        for path in {UNIX, SWITCH} & set(files):
            bare = {name.partition(f"_{release.replace('.', '_')}")[0] for name in files[path]["defined"]}
            assert bare == {"wasmtime_fiber_init", "wasmtime_fiber_switch"}, release


def test_host_trampolines_end_with_9_and_leave_a_directive_behind_until_19(rows: Rows) -> None:
    for version, files in rows.items():
        release = Release.parse(version)
        for path in {TRAMPOLINES, ARCH} & {path for path, row in files.items() if row["compiled"]}:
            row = files[path]
            there = any(name.startswith("host_to_wasm_trampoline") for name in row["defined"])
            assert there == (release.major < 9), version
            assert (STALE in row["notes"]) == (release.major >= 9), version
