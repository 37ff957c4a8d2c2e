from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot import files, tools
from patchbot.errors import PublishError
from patchbot.model import Release
from patchbot.pipeline import closures
from patchbot.pipeline import forks as fork_stage
from patchbot.pipeline import proof as proofs
from patchbot.pipeline import run as job
from patchbot.pipeline import sync as stage
from patchbot.pipeline.status import status
from patchbot.pipeline.work import Workspace, workspace
from patchbot.registry.local import State
from patchbot.report.terminal import Reporter

RELEASES = (Release(8, 0, 1), Release(9, 0, 4))


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    upstream.publish("8.0.1")
    upstream.publish("9.0.4")
    upstream.configure(project, pinned=("8.0.1", "9.0.4"))
    return project


@pytest.fixture
def work(ready: Path) -> Iterator[Workspace]:
    with workspace(configs.load(ready), Reporter(quiet=True)) as opened:
        yield opened


def picture(folder: Path) -> dict[str, str]:
    """Every file that users rely on, by its path and digest."""
    kept = [*(folder / "patches").rglob("*"), *(folder / ".patchbot" / "registry").rglob("*")]
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in kept
        if file.is_file()
    }


def test_the_stages_follow_each_other(work: Workspace) -> None:
    outcome = job.run(work, RELEASES, until=job.Stage.PUBLISH)
    assert [str(s.release) for s in outcome.synced] == ["8.0.1", "9.0.4"]
    names = [crate.entry.name for forks in outcome.forks for crate in forks.crates]
    assert names == [
        "wasmtime-cranelift-v8-0-1",
        "wasmtime-fiber-v8-0-1",
        "wasmtime-runtime-v8-0-1",
        "wasmtime-v8-0-1",
        "wasmtime-cranelift-v9-0-4",
        "wasmtime-fiber-v9-0-4",
        "wasmtime-runtime-v9-0-4",
        "wasmtime-v9-0-4",
    ]
    assert [step.state for step in outcome.published] == [State.NEW] * 8
    assert "wasmtime-v9-0-4" in outcome.consumer["Cargo.toml"]


@pytest.mark.parametrize("until", [job.Stage.SYNC, job.Stage.FORK])
def test_a_run_stops_where_it_is_told_to(work: Workspace, until: job.Stage) -> None:
    outcome = job.run(work, RELEASES, until=until)
    assert bool(outcome.forks) == (until is job.Stage.FORK)
    assert not work.registry.folder.exists()


def test_every_forked_crate_has_its_reason(work: Workspace) -> None:
    outcome = job.run(work, RELEASES[:1], until=job.Stage.FORK)
    reasons = {crate.upstream.name: crate.reason for crate in outcome.forks[0].crates}
    assert reasons == {
        "wasmtime-cranelift": "spells link-time names for debuggers",
        "wasmtime-fiber": "has 3 link-time names",
        "wasmtime-runtime": "has 11 link-time names",
        "wasmtime": "depends on wasmtime-cranelift, wasmtime-fiber and wasmtime-runtime",
    }
    assert sorted(outcome.forks[0].shared) == ["wasmtime-asm-macros", "wasmtime-cache", "wasmtime-environ"]


def test_a_second_run_changes_nothing(work: Workspace) -> None:
    job.run(work, RELEASES, until=job.Stage.PUBLISH)
    before = picture(work.config.project)
    outcome = job.run(work, RELEASES, until=job.Stage.PUBLISH)
    assert [step.state for step in outcome.published] == [State.PRESENT] * 8
    assert picture(work.config.project) == before


def test_two_projects_make_the_same_bytes(ready: Path, tmp_path: Path, upstream: Upstream) -> None:
    pictures = []
    for folder in (ready, tmp_path / "elsewhere" / "deep"):
        if folder != ready:
            upstream.project(folder, pinned=("8.0.1", "9.0.4"))
        with workspace(configs.load(folder), Reporter(quiet=True)) as work:
            job.run(work, RELEASES, until=job.Stage.PUBLISH)
        pictures.append(picture(folder))
    assert pictures[0] == pictures[1]


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


def test_a_run_that_was_killed_after_any_write_goes_on_to_the_same_bytes(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, release = configs.load(ready), RELEASES[:1]
    with workspace(config, Reporter(quiet=True)) as work:
        job.run(work, release, until=job.Stage.PUBLISH)
    wanted = picture(ready)
    honest = files.write, files.replace_folder
    kills = 0
    for survive in range(100):
        shutil.rmtree(ready / ".patchbot")
        shutil.rmtree(ready / "patches" / str(release[0]), ignore_errors=True)
        left = [survive]

        def write(file: Path, data: bytes, *, durable: bool = False, left: list[int] = left) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            honest[0](file, data, durable=durable)

        def replace(folder: Path, content: dict[str, bytes], left: list[int] = left) -> None:
            if not left[0]:
                raise Killed
            left[0] -= 1
            honest[1](folder, content)

        monkeypatch.setattr(files, "write", write)
        monkeypatch.setattr(files, "replace_folder", replace)
        try:
            with workspace(config, Reporter(quiet=True)) as work:
                job.run(work, release, until=job.Stage.PUBLISH)
        except Killed:
            kills += 1
        monkeypatch.setattr(files, "write", honest[0])
        monkeypatch.setattr(files, "replace_folder", honest[1])
        with workspace(config, Reporter(quiet=True)) as work:
            job.run(work, release, until=job.Stage.PUBLISH)
        assert picture(ready) == wanted
        if left[0]:
            break
    assert kills > 8, "there were fewer writes than a run makes"


def test_other_bytes_under_a_published_name_stop_the_run(work: Workspace) -> None:
    job.run(work, RELEASES[:1], until=job.Stage.PUBLISH)
    other = configs.load(work.config.project, suffix="_other_{version}")
    before = picture(work.config.project)
    changed = Workspace(other, work.store, work.reporter)
    with pytest.raises(PublishError, match=r"is published as [0-9a-f]{64}, and would now be") as caught:
        job.run(changed, RELEASES[:1], until=job.Stage.PUBLISH)
    assert "revision" in str(caught.value.hint)
    after = picture(work.config.project)
    assert {k: v for k, v in after.items() if "registry" in k} == {
        k: v for k, v in before.items() if "registry" in k
    }


def test_a_new_revision_is_published_beside_the_old_one(work: Workspace) -> None:
    job.run(work, RELEASES[:1], until=job.Stage.PUBLISH)
    with (work.config.project / "patchbot.toml").open("a") as out:
        out.write('[fork.revisions]\n"8.0.1" = 2\n')
    changed = Workspace(configs.load(work.config.project), work.store, work.reporter)
    outcome = job.run(changed, RELEASES[:1], until=job.Stage.PUBLISH)
    assert [s.state for s in outcome.published] == [State.NEW] * 4
    assert outcome.forks[0].crate("wasmtime").entry.name == "wasmtime-v8-0-1-r2"


def test_forks_that_were_damaged_on_disk_are_made_again(work: Workspace) -> None:
    (row,) = closures.close(work, [stage.sync(work, RELEASES[0])])
    first = fork_stage.fork(work, row)
    for file in (work.config.state / "forks" / "8.0.1").glob("*.crate"):
        file.write_bytes(b"damaged")
    assert fork_stage.fork(work, row) == first


def test_twins_are_upstreams_sources_under_names_of_their_own(work: Workspace) -> None:
    (row,) = closures.close(work, [stage.sync(work, RELEASES[0])])
    real, twin = fork_stage.fork(work, row), fork_stage.fork(work, row, twin=True)
    assert [c.entry.name for c in twin.crates] == [f"{c.entry.name}-bare" for c in real.crates]
    assert any(b"wasmtime_setjmp_8_0_1_pb" in c.data for c in real.crates)
    assert not any(b"wasmtime_setjmp_8_0_1_pb" in c.data for c in twin.crates)
    assert twin.crate("wasmtime-fiber").entry.links == real.crate("wasmtime-fiber").entry.links


def test_a_plan_changes_nothing_and_says_what_a_run_would_do(ready: Path) -> None:
    with workspace(configs.load(ready), Reporter(quiet=True)) as work:
        rows = job.plan(work, RELEASES)
        assert [(r.stage.value, r.release) for r in rows] == [
            ("sync", "8.0.1"), ("fork", "8.0.1"), ("sync", "9.0.4"), ("fork", "9.0.4"), ("publish", ""), ("prove", ""),
        ]  # fmt: skip
        assert rows[0].action == "import 7 crates (7 downloaded before), generate the series"
        assert not list((ready / "patches").glob("8*"))
        job.run(work, RELEASES, until=job.Stage.PUBLISH)
        assert job.plan(work, RELEASES)[0].action == "nothing to do"


def test_without_cargo_everything_else_is_done_and_what_is_missing_is_told(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if name == "cargo" else honest(name))
    outcome = job.run(work, RELEASES)
    assert [s.state for s in outcome.published] == [State.NEW] * 8
    assert outcome.proved is None
    assert len(outcome.missing) == 1
    assert "cargo is not on PATH" in outcome.missing[0]
    assert "rustup" in outcome.missing[0]


def test_a_release_that_needs_a_newer_compiler_is_told(
    project: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.publish("8.0.1", rust_version="1.999.0")
    monkeypatch.setattr(proofs, "proof", lambda *_, **__: pytest.fail("nothing can be built"))
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        outcome = job.run(work, RELEASES[:1])
    assert len(outcome.missing) == 1
    assert outcome.missing[0].startswith("8.0.1 needs rustc 1.999.0, and this is 1.")


def test_status_shows_where_each_release_stands(work: Workspace, upstream: Upstream) -> None:
    upstream.publish("10.0.0", yanked=True)
    job.run(work, RELEASES[:1], until=job.Stage.PUBLISH)
    rows = {row["release"]: row for row in status(work)}
    assert list(rows) == ["8.0.1", "9.0.4"]
    assert rows["8.0.1"] == {
        "release": "8.0.1",
        "yanked": False,
        "published": "2024-01-02T03:04:05Z",
        "tracked": True,
        "series": True,
        "verdicts": {"regenerated": 4},
        "fork": 4,
        "registry": 4,
        "proof": {},
    }
    assert (rows["9.0.4"]["series"], rows["9.0.4"]["fork"]) == (False, 0)
    everything = {
        row["release"]: row
        for row in status(Workspace(work.config, work.store, work.reporter), everything=True)
    }
    assert everything["10.0.0"]["yanked"] is True
    assert everything["10.0.0"]["tracked"] is False
