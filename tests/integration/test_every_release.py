"""Every release since 0.40: all names found, suffixed and checked; and the same names that people found by hand."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import Project

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

TRUTH = Path(__file__).parent / "truth"
READ_BY_HAND = sorted(file.stem for file in TRUTH.glob("*.txt"))

Rows = set[tuple[str, ...]]


@pytest.fixture(scope="module")
def every(elsewhere: Project) -> dict[str, Mapping[str, Any]]:
    done = elsewhere.run("sync", "--all", "--json", "--quiet")
    assert done.code == 0, done.err
    return {row["release"]: row for row in done.json["releases"]}


def test_every_release_has_a_series_that_passed_all_checks(every: Mapping[str, Mapping[str, Any]]) -> None:
    states = {release: row["series"] for release, row in every.items()}
    assert len(states) >= 190
    assert {"0.40.0", "8.0.1", "36.0.20", "48.0.0", "50.0.1"} <= set(states)
    assert {release for release, state in states.items() if state not in {"new", "incomplete"}} == set()
    incomplete = {release: every[release]["error"]["what"] for release in states if states[release] != "new"}
    # upstream published 23.0.0 without one of its crates
    assert set(incomplete) == {"23.0.0"}
    assert "wasmtime-environ 23.0.0" in incomplete["23.0.0"]


def test_each_rule_is_in_the_releases_that_need_it(every: Mapping[str, Mapping[str, Any]]) -> None:
    used: dict[str, list[int]] = {}
    for release, row in every.items():
        for patch in row.get("patches", ()):
            used.setdefault(patch["name"], []).append(int(release.partition(".")[0]))
    assert (min(used["suffix-c"]), max(used["suffix-c"])) == (0, 11)
    assert (min(used["suffix-s390x"]), max(used["suffix-s390x"])) == (0, 11)
    assert (min(used["suffix-dwarf"]), max(used["suffix-dwarf"])) == (0, 11)
    assert min(used["suffix-upstream"]) == 12
    # all up to 11, 32-bit x86's fiber of 12, and what upstream left out in 35 to 37
    assert set(used["suffix-rust"]) >= {*range(12), 35, 36, 37}


def test_a_second_time_takes_seconds(every: object, elsewhere: Project) -> None:
    started = time.monotonic()
    done = elsewhere.run("sync", "--all", "--json", "--quiet")
    assert done.code == 0, done.err
    assert time.monotonic() - started < 30
    assert {row["series"] for row in done.json["releases"]} == {"unchanged", "incomplete"}


@pytest.mark.parametrize("release", READ_BY_HAND)
def test_the_scan_finds_what_people_found(every: object, elsewhere: Project, release: str) -> None:
    scanned = elsewhere.run("scan", release, "--json").json
    crates = [crate["path"] for crate in scanned["crates"]]
    by_hand = _by_hand(release)
    here = {row for row in by_hand if any(row[4].startswith(f"{crate}/") for crate in crates)}
    assert len(here) > len(by_hand) * 0.7, "the rest is of crates that this release's wasmtime does not use"
    found = {
        (s["role"], s["kind"], "suffixed" if s["upstream_suffixed"] else "plain", s["name"], s["path"])
        for s in scanned["symbols"]
        if (s["role"] == "define" or s["path"].endswith(".rs")) and s["crate"] not in scanned["c_api"]
    }
    assert found == here
    assert scanned["blind_spots"] == []
    own = {row[3] for row in found if row[1] == "own"}
    assert {row[3] for row in found if row[:2] == ("import", "own")} <= own
    assert own == {row[3] for row in found if row[:2] == ("define", "own")}


# How many functions the C API exports, by people's count of its sources and headers.
C_API = {"18.0.4": 430, "19.0.2": 434, "20.0.2": 452, "24.0.13": 453, "30.0.2": 454, "34.0.2": 521, "36.0.14": 530,
         "38.0.4": 530, "41.0.4": 636, "44.0.3": 712, "48.0.0": 762}  # fmt: skip

# Exported, and in no header: nobody can call them from C without declaring them.
UNDECLARED = {
    "wasmtime_config_static_memory_forced_set",
    "wasmtime_config_static_memory_guard_size_set",
    "wasmtime_config_static_memory_maximum_size_set",
    "wasmtime_component_fixed_length_list_type_clone",
    "wasmtime_component_fixed_length_list_type_delete",
    "wasmtime_component_fixed_length_list_type_element",
    "wasmtime_component_fixed_length_list_type_equal",
}


@pytest.mark.parametrize("release", C_API)
def test_the_c_api_is_found_whole_and_its_headers_map_it(
    every: object, elsewhere: Project, release: str, tmp_path: Path
) -> None:
    scanned = elsewhere.run("scan", release, "--json").json
    names = {s["name"] for s in scanned["symbols"] if s["crate"] in scanned["c_api"] and s["kind"] == "own"}
    assert len(names) == C_API[release]
    wanted = _called_through_headers(elsewhere, release, sorted(names - UNDECLARED), tmp_path)
    suffix = f"_{release.replace('.', '_')}_pb"
    assert wanted == {f"{name}{suffix}" for name in names - UNDECLARED}


def _called_through_headers(project: Project, release: str, names: list[str], folder: Path) -> set[str]:
    """Compile a C file that takes the address of every function, and return what its object wants."""
    store = project.folder / ".patchbot" / "store.git"
    archive = ["git", "-C", str(store), "archive", f"refs/patchbot/series/{release}", "crates/c-api"]
    packed = subprocess.run(archive, capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", str(folder)], input=packed, check=True)
    include = folder / "crates" / "c-api" / "include"
    template = include / "wasmtime" / "conf.h.in"  # cmake fills it in; every feature is on here
    if template.exists():
        text = re.sub(r"#cmakedefine (\w+)", r"#define \1", template.read_text())
        (include / "wasmtime" / "conf.h").write_text(text)
    caller = folder / "caller.c"
    table = ", ".join(f"(void *){name}" for name in names)
    caller.write_text(
        f"#include <wasm.h>\n#include <wasi.h>\n#include <wasmtime.h>\nvoid *all[] = {{ {table} }};\n"
    )
    folders = [include, include.parent / "wasm-c-api" / "include"]
    command = ["cc", "-c", *(f"-I{place}" for place in folders), str(caller), "-o", str(folder / "caller.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    listed = subprocess.run(
        ["nm", "-u", "-P", str(folder / "caller.o")], capture_output=True, text=True, check=True
    )
    return {line.split()[0] for line in listed.stdout.splitlines()}


def test_a_release_candidate_has_names_that_c_can_paste(every: object, elsewhere: Project) -> None:
    """Upstream's own suffix of 50.0.0-rc.1 has a dash in it; the series makes it build."""
    done = elsewhere.run("sync", "50.0.0-rc.1", "--json")
    assert done.code == 0, done.err
    assert done.json["releases"][0]["names"] > 700
    lock = (elsewhere.folder / "patches" / "50.0.0-rc.1" / "release.toml").read_text()
    assert 'suffix = "_50_0_0_rc_1_pb"' in lock
    patch = (elsewhere.folder / "patches" / "50.0.0-rc.1" / "suffix-upstream.patch").read_text()
    assert '+const VERSION: &str = "50_0_0_rc_1_pb";' in patch


def _by_hand(release: str) -> Rows:
    return {tuple(line.split(" ", 4)) for line in (TRUTH / f"{release}.txt").read_text().splitlines()}


def test_the_truth_is_of_every_era() -> None:
    assert len(READ_BY_HAND) >= 23
    assert all(len(_by_hand(release)) > 20 for release in READ_BY_HAND)
