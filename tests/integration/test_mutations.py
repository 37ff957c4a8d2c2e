"""The mutation table over real sources, and before real compilers."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.conftest import REPOSITORY, Project
from support.mutations import TABLE, proof
from support.mutations.judge import Judge
from support.mutations.model import Host, Mutation, Outcome, Use
from symbols import small
from symbols.native import needs_cc, needs_rustc, x86_64_linux

from patchbot import config as configs
from patchbot.git.store import Store
from patchbot.model import Release
from patchbot.series import policy as policies
from patchbot.symbols.readings import Readings
from patchbot.upstream import importer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3000)]

# A release with bare names and one with upstream's suffixes get every row; of the other eras each gets a third.
EVERY_ROW: dict[str, Sequence[Mutation]] = {
    "4.0.1": TABLE[::3],
    "11.0.2": TABLE,
    "19.0.2": TABLE[1::3],
    "36.0.20": TABLE,
    "50.0.1": TABLE[2::3],
}


def judge(project: Project, release: Release) -> Judge:
    """Return a judge of mutations of a real release."""
    config = configs.load(project.folder)
    with Store.open(project.folder / ".patchbot" / "store.git") as store:
        imported = importer.load(store, release, config.upstream.roots)
        assert imported is not None
        entries = store.list_tree(imported.tree)
        read = zip(entries, store.read_files(entries), strict=True)
        files = {entry.path: file.data for entry, file in read}
    names = policies.load(REPOSITORY / "patches").names
    return Judge(Host.of(imported, files), names, config.suffix.of(release), Readings())


@contextmanager
def left_alone() -> Iterator[None]:
    """Keep the garbage collector from going through all that was read of a release, again and again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("release", EVERY_ROW)
def test_no_name_is_missed_in_real_sources(elsewhere: Project, release: str) -> None:
    done = elsewhere.run("scan", release, "--json")
    assert done.code == 0, done.err
    of = judge(elsewhere, Release.parse(release))
    assert of.before, "a real release has names"
    with left_alone():
        wrong = {row.id: said for row in EVERY_ROW[release] if (said := of.verdict(row)) != row.outcome}
    assert wrong == {}


# -- what compilers say -----------------------------------------------------------------------------

ASKED = [row for row in TABLE if proof.is_asked(row)]


@needs_cc
@needs_rustc
@x86_64_linux
@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.id)
def test_a_mutation_makes_its_name_and_a_look_alike_makes_none(tmp_path: Path, row: Mutation) -> None:
    """A mutation that makes no name would prove nothing."""
    defined, wanted = proof.symbols(row, proof.sources(row), tmp_path)
    if row.outcome is Outcome.CLEAN:
        assert row.name not in defined | wanted
    else:
        assert row.name in (defined if row.use is Use.DEFINE else wanted)


@needs_cc
@needs_rustc
@x86_64_linux
@pytest.mark.parametrize(
    "row", [row for row in ASKED if row.outcome is Outcome.SUFFIXED], ids=lambda row: row.id
)
def test_a_suffixed_name_is_what_the_compiler_makes_of_the_new_sources(tmp_path: Path, row: Mutation) -> None:
    defined, wanted = proof.symbols(row, proof.rewritten(row), tmp_path)
    assert f"{row.name}{small.SUFFIX}" in (defined if row.use is Use.DEFINE else wanted)
    assert row.name not in defined | wanted


def test_most_rows_are_proved() -> None:
    assert len(ASKED) > len(TABLE) // 2
