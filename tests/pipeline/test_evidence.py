"""Which receipts say something of a release: on which target, of which sources."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.model import Release
from patchbot.pipeline import evidence, sync
from patchbot.pipeline.evidence import Receipts
from patchbot.pipeline.work import Workspace, workspace
from patchbot.proof import receipts
from patchbot.proof.receipts import Receipt, Rung, Twin
from patchbot.report.terminal import Reporter

LINUX, S390X = "x86_64-unknown-linux-gnu", "s390x-unknown-linux-gnu"
EIGHT, NINE, TEN = Release(8, 0, 1), Release(9, 0, 4), Release(10, 0, 2)


@pytest.fixture
def work(project: Path) -> Iterator[Workspace]:
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def rung(name: str = "run", *, holds: bool = True, twin: bool | None = True) -> Rung:
    problems = () if holds else ("8.0.1: trap is caught by another version",)
    return Rung(name, problems, (Twin("without patches", twin, ""),), "", 1.0)


def keep(
    file: Path,
    *releases: str,
    target: str = S390X,
    rungs: tuple[Rung, ...] = (rung(),),
    trees: dict[str, str] | None = None,
) -> None:
    receipts.save(file, Receipt("key", releases, target, rungs, {"trees": trees or {}}, "2025-11-28"))


def here(work: Workspace, name: str) -> Path:
    return work.config.state / "receipts" / name


def recorded(work: Workspace, name: str, triple: str = S390X) -> Path:
    return work.config.patches / "receipts" / triple / name


def test_without_receipts_nothing_ran(work: Workspace) -> None:
    assert list(evidence.every_receipt(work)) == []
    assert Receipts(work).ran(EIGHT, S390X) == ()
    assert Receipts(work).highest_rungs(EIGHT) == {}


def test_receipts_of_this_machine_and_recorded_ones_count(work: Workspace) -> None:
    keep(here(work, f"8.0.1+9.0.4.{S390X}.json"), "8.0.1", "9.0.4")
    keep(recorded(work, "8.0.1.json"), "8.0.1")
    assert Receipts(work).ran(EIGHT, S390X) == ("8.0.1", "8.0.1+9.0.4")
    assert Receipts(work).ran(NINE, S390X) == ("8.0.1+9.0.4",)
    assert Receipts(work).ran(TEN, S390X) == ()


def test_a_receipt_that_was_recorded_is_told_once(work: Workspace) -> None:
    keep(here(work, f"8.0.1.{S390X}.json"), "8.0.1")
    keep(recorded(work, "8.0.1.json"), "8.0.1")
    assert Receipts(work).ran(EIGHT, S390X) == ("8.0.1",)


@pytest.mark.parametrize(
    "rungs",
    [
        (),
        (rung("symbols"), rung("link")),
        (rung("symbols"), rung(holds=False)),
        (rung(twin=False),),
        (rung(twin=None),),
    ],
    ids=["none", "not reached", "failed", "twin passed", "no twin"],
)
def test_only_a_rung_that_holds_counts(work: Workspace, rungs: tuple[Rung, ...]) -> None:
    keep(here(work, "8.0.1.json"), "8.0.1", rungs=rungs)
    assert Receipts(work).ran(EIGHT, S390X) == ()


def test_another_rung_that_failed_does_not_unmake_the_run(work: Workspace) -> None:
    keep(here(work, "8.0.1.json"), "8.0.1", rungs=(rung("link", holds=False), rung()))
    assert Receipts(work).ran(EIGHT, S390X) == ("8.0.1",)


def test_receipts_of_another_target_do_not_count(work: Workspace) -> None:
    keep(here(work, "8.0.1.json"), "8.0.1", target=LINUX)
    keep(recorded(work, "9.0.4.json"), "9.0.4", target=LINUX)  # in the wrong folder
    keep(recorded(work, "10.0.2.json", LINUX), "10.0.2")  # likewise
    assert [Receipts(work).ran(release, S390X) for release in (EIGHT, NINE, TEN)] == [(), (), ()]
    assert Receipts(work).ran(EIGHT, LINUX) == ("8.0.1",)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"releases": ["8.0.1"]}', b"\xff"])
def test_a_broken_receipt_is_none(work: Workspace, data: bytes) -> None:
    keep(here(work, "9.0.4.json"), "9.0.4")
    here(work, "8.0.1.json").write_bytes(data)
    assert [Receipts(work).ran(release, S390X) for release in (EIGHT, NINE)] == [(), ("9.0.4",)]


def test_a_receipt_of_other_sources_than_the_series_has_is_out_of_date(
    project: Path, upstream: Upstream
) -> None:
    upstream.publish("8.0.1")
    upstream.configure(project, pinned=("8.0.1",))
    with workspace(configs.load(project), Reporter(quiet=True)) as again:
        tree = sync.sync(again, EIGHT).lock.result_tree
        keep(recorded(again, "8.0.1.json"), "8.0.1", trees={"8.0.1": tree})
        assert Receipts(again).ran(EIGHT, S390X) == ("8.0.1",)
        for other in ({"8.0.1": tree[::-1]}, {}):
            keep(recorded(again, "8.0.1.json"), "8.0.1", trees=other)
            assert Receipts(again).ran(EIGHT, S390X) == ()
            assert Receipts(again).highest_rungs(EIGHT) == {}
            assert Receipts(again).outdated() == {f"receipts/{S390X}/8.0.1.json": ("8.0.1",)}
        keep(recorded(again, "8.0.1.json"), "8.0.1", trees={"8.0.1": tree})
        assert Receipts(again).outdated() == {}
        # without the series in patches/ it is what was last made here that counts
        shutil.rmtree(again.config.patches / "8.0.1")
        assert Receipts(again).ran(EIGHT, S390X) == ("8.0.1",)
        keep(recorded(again, "8.0.1.json"), "8.0.1", trees={"8.0.1": tree[::-1]})
        assert Receipts(again).ran(EIGHT, S390X) == ()
        assert Receipts(again).outdated() == {}


def test_every_target_is_told_with_its_highest_rung(work: Workspace) -> None:
    keep(recorded(work, "8.0.1.json"), "8.0.1", rungs=(rung("symbols"), rung("link"), rung()))
    keep(
        here(work, f"8.0.1.{LINUX}.json"),
        "8.0.1",
        target=LINUX,
        rungs=(rung("symbols"), rung("link", holds=False)),
    )
    assert Receipts(work).highest_rungs(EIGHT) == {S390X: "run", LINUX: "symbols"}


def test_this_machines_word_goes_over_a_recorded_one(work: Workspace) -> None:
    keep(recorded(work, "8.0.1.json"), "8.0.1", rungs=(rung("symbols"), rung("link"), rung()))
    keep(here(work, f"8.0.1.{S390X}.json"), "8.0.1", rungs=(rung("symbols"),))
    assert Receipts(work).highest_rungs(EIGHT) == {S390X: "symbols"}
