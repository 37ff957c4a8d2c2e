"""Every way of putting a name into the small upstream ends as it must; none is missed."""

from __future__ import annotations

from collections import Counter

import pytest
from support import upstream
from support.mutations import TABLE
from support.mutations.judge import Judge
from support.mutations.model import Host, Mutation, Outcome
from symbols import small

from patchbot.model import Suffix
from patchbot.symbols.readings import Readings

# The crates that mutations are put into, and those without which they make no sense.
NEEDED = {"wasmtime-asm-macros", "wasmtime-environ", "wasmtime-runtime", "wasmtime-versioned-export-macros"}


def judge(version: str, suffix: Suffix, *, versioned: bool) -> Judge:
    crates = [crate for crate in upstream.release(version, versioned=versioned) if crate.name in NEEDED]
    return Judge(Host.of(*small.release(crates, version)), small.POLICY, suffix, Readings())


@pytest.fixture(scope="module")
def bare() -> Judge:
    """Judge mutations of a release that defines bare names."""
    return judge("8.0.1", small.SUFFIX, versioned=False)


@pytest.fixture(scope="module")
def versioned() -> Judge:
    """Judge mutations of a release that suffixes its own names."""
    return judge("12.0.2", Suffix("_12_0_2_pb"), versioned=True)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_a_name_is_suffixed_or_reported_and_a_look_alike_is_left_alone(bare: Judge, row: Mutation) -> None:
    assert bare.verdict(row) == row.outcome


# Upstream's own suffixes change how names are told apart, which is no matter of how they are hidden.
@pytest.mark.parametrize("row", TABLE[::15], ids=lambda row: row.id)
def test_the_same_in_a_release_with_suffixes_of_its_own(versioned: Judge, row: Mutation) -> None:
    assert versioned.verdict(row) == row.outcome


def test_the_judge_tells_a_name_that_is_missed(bare: Judge) -> None:
    """A table that cannot fail proves nothing."""
    (row,) = [row for row in TABLE if row.id == "rust: no attribute"]
    for outcome in (Outcome.SUFFIXED, Outcome.REPORTED):
        wanted = Mutation(id="a plain function", part=row.part, text=row.text, outcome=outcome)
        assert bare.verdict(wanted) == "missed"


def test_the_judge_tells_noise(bare: Judge) -> None:
    (row,) = [row for row in TABLE if row.id == "rust: section"]
    wanted = Mutation(id="a section", part=row.part, text=row.text, outcome=Outcome.CLEAN)
    assert bare.verdict(wanted).startswith("reported: crates/runtime/src/lib.rs:")
    elsewhere = Mutation(id="a section", part=row.part, text=row.text, outcome=Outcome.REPORTED, says="C")
    assert bare.verdict(elsewhere).startswith("reported: ")


def test_the_table_is_large_and_of_every_kind() -> None:
    counts = Counter(row.outcome for row in TABLE)
    assert min(counts[outcome] for outcome in Outcome) >= 60
    assert len(TABLE) >= 500
