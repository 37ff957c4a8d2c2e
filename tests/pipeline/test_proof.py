"""For which machine a proof is, and where what came of it is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.errors import EnvironmentProblem, UsageError
from patchbot.model import Release
from patchbot.pipeline import proof as stage
from patchbot.pipeline import run as job
from patchbot.pipeline import sync
from patchbot.pipeline.proof import Wish
from patchbot.pipeline.work import Workspace, workspace
from patchbot.proof import prove, receipts, toolchain
from patchbot.proof.cross import find
from patchbot.report.terminal import Reporter
from patchbot.targets import Target

RELEASES = (Release(9, 0, 4), Release(8, 0, 1))
S390X = "s390x-unknown-linux-gnu"


@pytest.fixture
def work(project: Path, upstream: Upstream) -> Iterator[Workspace]:
    upstream.publish("8.0.1")
    upstream.publish("9.0.4")
    upstream.configure(project, pinned=("8.0.1", "9.0.4"))
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def for_s390x() -> toolchain.Toolchain:
    return dataclasses.replace(toolchain.native(), rustc="rustc 1.85.0 (4d91de4e4)", target=S390X)


def receipt(key: str, *, date: str, ok: bool = True) -> receipts.Receipt:
    twin = receipts.Twin("unsuffixed", failed=True, detail="")
    rung = receipts.Rung("run", () if ok else ("broken",), (twin,), "65 checks", 1.0)
    return receipts.Receipt(key, ("8.0.1", "9.0.4"), S390X, (rung,), {}, date)


def test_no_target_and_the_hosts_own_are_this_machine(work: Workspace) -> None:
    own = toolchain.native()
    assert not own.cross
    assert stage.toolchain_for(work, None) == own
    assert stage.toolchain_for(work, own.host) == own


def test_a_target_that_nobody_knows_is_refused_before_anything_is_done(work: Workspace) -> None:
    with pytest.raises(UsageError, match="s390x-unknown-linux-gun"):
        job.run(work, RELEASES, wish=Wish(target="s390x-unknown-linux-gun"))
    assert not (work.config.state / "forks").exists()
    assert sync.committed_releases(work.config.patches) == ()


def test_what_a_target_lacks_is_told_before_anything_is_done(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = f"for {S390X} there is not a Rust with its standard library, nor a C compiler"
    with pytest.raises(EnvironmentProblem, match=words) as told:
        job.run(work, RELEASES, wish=Wish(target=S390X))
    assert f"patchbot doctor --target {S390X}" in str(told.value.hint)
    assert sync.committed_releases(work.config.patches) == ()


def test_every_target_has_locks_and_receipts_of_its_own(work: Workspace) -> None:
    config, cross = work.config, for_s390x()
    locks = config.patches / "locks"
    assert stage.lock_path(work, RELEASES, toolchain.native()) == locks / "8.0.1+9.0.4.lock"
    assert stage.lock_path(work, RELEASES, cross) == locks / f"8.0.1+9.0.4.{S390X}.lock"
    assert (
        stage.receipt_path(work, RELEASES, S390X) == config.state / "receipts" / f"8.0.1+9.0.4.{S390X}.json"
    )
    recorded = stage.recorded_path(work, RELEASES, S390X)
    assert recorded == config.patches / "receipts" / S390X / "8.0.1+9.0.4.json"


def test_recorded_receipts_and_locks_are_no_strangers_in_patches(work: Workspace) -> None:
    for file in (stage.recorded_path(work, RELEASES, S390X), stage.lock_path(work, RELEASES, for_s390x())):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (work.config.patches / "notes").mkdir()
    assert sync.stray_entries(work.config.patches) == ("notes",)


def test_a_receipt_of_the_same_inputs_is_recorded_once(work: Workspace) -> None:
    file = stage.recorded_path(work, RELEASES, S390X)
    stage._record(work, receipt("one", date="2026-01-01T00:00:00+00:00"), file)
    first = file.read_bytes()
    stage._record(work, receipt("one", date="2026-02-02T00:00:00+00:00"), file)
    assert file.read_bytes() == first
    stage._record(work, receipt("two", date="2026-02-02T00:00:00+00:00"), file)
    assert receipts.load(file) == receipt("two", date="2026-02-02T00:00:00+00:00")


def test_what_a_toolchain_is_too_old_for_is_told_with_its_target(work: Workspace) -> None:
    (synced,) = [sync.sync(work, Release(8, 0, 1))]
    crate = synced.imported.crate("wasmtime")
    newer = dataclasses.replace(crate, entry=dataclasses.replace(crate.entry, rust_version="1.97"))
    crates = tuple(newer if c is crate else c for c in synced.imported.crates)
    asked = dataclasses.replace(synced, imported=dataclasses.replace(synced.imported, crates=crates))
    able, unable = stage.buildable([synced, asked], for_s390x())
    assert able == [synced]
    assert unable == [f"8.0.1 needs rustc 1.97, and that for {S390X} is 1.85.0"]


def test_a_toolchain_that_does_not_work_is_told_before_cargo_builds(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(wanted: Target, _cache: Path, *, working: bool = False) -> toolchain.Toolchain:
        assert (wanted.triple, working) == (S390X, True)
        raise EnvironmentProblem("under qemu-s390x a program ends with 132")

    monkeypatch.setattr(find, "find", broken)
    monkeypatch.setattr(prove, "ladder", lambda *_: pytest.fail("nothing is built"))
    with pytest.raises(EnvironmentProblem, match="ends with 132"):
        stage.proof(work, [], for_s390x(), Wish())
    assert not (work.config.state / "receipts").exists()


def test_every_target_is_built_in_a_folder_of_its_own(work: Workspace) -> None:
    own = stage._setting(work, [], toolchain.native(), None)
    other = stage._setting(work, [], for_s390x(), None)
    assert own.folder == work.config.state / "proof"
    assert other.folder == work.config.state / "proof" / S390X
    assert own.config == other.config
