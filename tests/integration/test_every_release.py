"""Every release since 0.40: all names found, suffixed and checked; and the same names that people found by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import Project

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800), pytest.mark.xdist_group("releases")]

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
    assert incomplete == {"23.0.0": "the index has no wasmtime-environ 23.0.0, which wasmtime 23.0.0 needs"}


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
        if s["role"] == "define" or s["path"].endswith(".rs")
    }
    assert found == here
    assert scanned["blind_spots"] == []
    own = {row[3] for row in found if row[1] == "own"}
    assert {row[3] for row in found if row[:2] == ("import", "own")} <= own
    assert own == {row[3] for row in found if row[:2] == ("define", "own")}


def _by_hand(release: str) -> Rows:
    return {tuple(line.split(" ", 4)) for line in (TRUTH / f"{release}.txt").read_text().splitlines()}


def test_the_truth_is_of_every_era() -> None:
    assert len(READ_BY_HAND) >= 23
    assert all(len(_by_hand(release)) > 20 for release in READ_BY_HAND)
