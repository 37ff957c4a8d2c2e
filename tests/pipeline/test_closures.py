from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import REGISTRY_INDEX, Upstream

from patchbot import config as configs
from patchbot.errors import ConfigError, EnvironmentProblem, PublishError, UsageError
from patchbot.model import ClosureMode, Release
from patchbot.pipeline import closures, published
from patchbot.pipeline import run as job
from patchbot.pipeline.many import check_all
from patchbot.pipeline.work import Workspace, workspace
from patchbot.registry.local import State
from patchbot.report.terminal import Reporter

OLD, NEW, NEXT = Release(8, 0, 1), Release(8, 0, 2), Release(9, 0, 4)
MINIMAL = {"wasmtime", "wasmtime-cranelift", "wasmtime-fiber", "wasmtime-runtime"}
# all but the cache are pinned exactly by one that is forked; the cache is too
RANGE = MINIMAL | {"wasmtime-asm-macros", "wasmtime-cache", "wasmtime-environ"}


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    for release in (OLD, NEW, NEXT):
        upstream.publish(str(release))
    return project


@pytest.fixture
def work(ready: Path) -> Iterator[Workspace]:
    with workspace(configs.load(ready), Reporter(quiet=True)) as opened:
        yield opened


def set_up(work: Workspace, text: str) -> Workspace:
    """The same project with other settings."""
    (work.config.project / "patchbot.toml").write_text(f"registry.index = '{REGISTRY_INDEX}'\n{text}")
    return Workspace(configs.load(work.config.project), work.store, work.reporter)


def forked(outcome: job.Outcome) -> dict[str, tuple[str, set[str]]]:
    return {
        str(forks.release): (forks.closure.value, {crate.upstream.name for crate in forks.crates})
        for forks in outcome.forks
    }


def publish(work: Workspace, *releases: Release) -> job.Outcome:
    return job.run(work, releases, until=job.Stage.PUBLISH)


def test_the_releases_that_are_asked_for_decide_how_much_is_forked(work: Workspace) -> None:
    fork = job.Stage.FORK
    assert forked(job.run(work, [OLD, NEXT], until=fork)) == {
        "8.0.1": ("minimal", MINIMAL),
        "9.0.4": ("minimal", MINIMAL),
    }
    assert forked(job.run(work, [OLD, NEW, NEXT], until=fork)) == {
        "8.0.1": ("range", RANGE),
        "8.0.2": ("range", RANGE),
        "9.0.4": ("minimal", MINIMAL),
    }
    # and back again: nothing was published
    assert forked(job.run(work, [OLD], until=fork)) == {"8.0.1": ("minimal", MINIMAL)}


@pytest.mark.parametrize(("closure", "crates"), [("minimal", MINIMAL), ("range", RANGE), ("exact", RANGE)])
def test_the_configured_closure_is_made_and_stands_in_the_manifests(
    work: Workspace, closure: str, crates: set[str]
) -> None:
    work = set_up(work, f'[fork]\nclosure = "{closure}"\n')
    outcome = job.run(work, [OLD], until=job.Stage.FORK)
    assert forked(outcome) == {"8.0.1": (closure, crates)}
    assert outcome.closed[0].choice.why == "patchbot.toml says so"
    assert all(f'closure = "{closure}"'.encode() in crate.data for crate in outcome.forks[0].crates)


def test_forks_that_are_there_are_taken_only_for_the_same_closure(work: Workspace) -> None:
    first = job.run(work, [OLD], until=job.Stage.FORK).forks
    again = job.run(work, [OLD], until=job.Stage.FORK).forks
    assert again == first
    assert again[0].series == job.run(work, [OLD], until=job.Stage.SYNC).synced[0].lock.digest
    ranged = job.run(set_up(work, '[fork]\nclosure = "range"\n'), [OLD], until=job.Stage.FORK).forks
    shas = [{c.upstream.name: c.entry.sha256 for c in release.crates} for release in (first[0], ranged[0])]
    assert not any(shas[0][name] == shas[1][name] for name in MINIMAL)
    # the same crates for the same reasons, and still not the same forks
    exact = job.run(set_up(work, '[fork]\nclosure = "exact"\n'), [OLD], until=job.Stage.FORK).forks
    assert {c.reason for c in exact[0].crates} == {c.reason for c in ranged[0].crates}
    assert all(b'closure = "exact"' in crate.data for crate in exact[0].crates)


def test_two_of_one_range_with_a_minimal_closure_are_refused_before_any_fork_is_made(work: Workspace) -> None:
    work = set_up(work, '[fork]\nclosure = "minimal"\n')
    with pytest.raises(ConfigError, match="cargo could not resolve") as told:
        job.run(work, [OLD, NEW], until=job.Stage.PUBLISH)
    assert "wasmtime-fiber-v8-0-1 needs wasmtime-asm-macros =8.0.1 (8.0.1)" in str(told.value)
    assert "wasmtime-fiber-v8-0-2 needs wasmtime-asm-macros =8.0.2 (8.0.2)" in str(told.value)
    assert 'closure = "auto" or "range"' in str(told.value.hint)
    assert not (work.config.state / "forks").exists()
    assert not (work.config.patches / "published.toml").exists()


def test_what_was_published_keeps_its_closure_and_the_other_makes_room(work: Workspace) -> None:
    publish(work, OLD)
    outcome = publish(work, OLD, NEW)
    assert forked(outcome) == {"8.0.1": ("minimal", MINIMAL), "8.0.2": ("range", RANGE)}
    assert [row.choice.published for row in outcome.closed] == [True, False]
    # alone, it is still what it was published as
    assert forked(publish(work, NEW)) == {"8.0.2": ("range", RANGE)}


def test_two_that_were_published_apart_need_a_new_revision_of_one(work: Workspace) -> None:
    publish(work, OLD)
    publish(work, NEW)
    with pytest.raises(ConfigError, match="cargo could not resolve") as told:
        publish(work, OLD, NEW)
    assert '[fork.revisions] "8.0.2" = 2' in str(told.value.hint)
    work = set_up(work, '[fork.revisions]\n"8.0.2" = 2\n')
    outcome = publish(work, OLD, NEW)
    assert forked(outcome) == {"8.0.1": ("minimal", MINIMAL), "8.0.2": ("range", RANGE)}
    assert outcome.forks[1].crate("wasmtime").entry.name == "wasmtime-v8-0-2-r2"


def test_another_closure_for_what_is_published_is_refused(work: Workspace) -> None:
    publish(work, OLD)
    with pytest.raises(ConfigError, match="published with the closure minimal") as told:
        publish(set_up(work, '[fork]\nclosure = "exact"\n'), OLD)
    assert '"8.0.1" = 2' in str(told.value.hint)
    outcome = publish(set_up(work, '[fork]\nclosure = "exact"\nrevisions = {"8.0.1" = 2}\n'), OLD)
    assert forked(outcome) == {"8.0.1": ("exact", RANGE)}


def test_a_root_that_a_release_lacks_is_passed_over_with_a_word(
    work: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        '[upstream]\nroots = ["wasmtime", "wasmtime-wasi"]\n[fork]\nroots = ["wasmtime", "wasmtime-wasi"]\n'
    )
    work = set_up(work, text)
    work.reporter = Reporter()
    outcome = job.run(work, [OLD], until=job.Stage.FORK)
    assert "wasmtime 8.0.1 has no wasmtime-wasi, which [fork] roots names" in capsys.readouterr().err
    row = outcome.to_json()["forks"][0]
    assert (row["roots"], row["absent_roots"]) == (["wasmtime"], ["wasmtime-wasi"])


def test_a_plan_says_which_closure_and_why(work: Workspace) -> None:
    rows = {row.release: row.action for row in job.plan(work, [OLD, NEW]) if row.stage is job.Stage.FORK}
    assert rows["8.0.1"] == "make the forks (closure range: 8.0.1 and 8.0.2 are of one range, 8.x)"


# -- beside a user's own graph ------------------------------------------------------------------------


def locked(folder: Path, version: str, *uses: str) -> Path:
    source = 'source = "registry+https://github.com/rust-lang/crates.io-index"'
    names = ["wasmtime", *uses]
    rows = [f'[[package]]\nname = "{name}"\nversion = "{version}"\n{source}\n' for name in names]
    rows[0] += f"dependencies = {list(uses)}\n"
    file = folder / "Cargo.lock"
    file.write_text("version = 4\n\n" + "\n".join(rows))
    return file


def test_an_original_of_the_range_in_the_users_lock_asks_for_range(work: Workspace, tmp_path: Path) -> None:
    lock = locked(tmp_path, "8.0.1", "wasmtime-environ")
    outcome = job.run(work, [NEW], until=job.Stage.FORK, beside=lock)
    assert forked(outcome) == {"8.0.2": ("range", RANGE)}
    lock = locked(tmp_path, "8.0.2", "wasmtime-environ")
    outcome = job.run(work, [NEW], until=job.Stage.FORK, beside=lock)
    assert forked(outcome) == {"8.0.2": ("minimal", MINIMAL)}


def test_a_graph_that_cannot_be_resolved_is_told_with_both_requirements(
    work: Workspace, tmp_path: Path
) -> None:
    work = set_up(work, '[fork]\nclosure = "minimal"\n')
    lock = locked(tmp_path, "8.0.1", "wasmtime-environ", "wasmtime-runtime")
    with pytest.raises(ConfigError, match="never holds two wasmtime-environ of one range") as told:
        job.run(work, [NEW], until=job.Stage.FORK, beside=lock)
    assert f"wasmtime 8.0.1 needs wasmtime-environ =8.0.1 ({lock})" in str(told.value)
    assert "needs wasmtime-environ =8.0.2 (8.0.2)" in str(told.value)
    # what the locked packages do not use is in nobody's way
    job.run(work, [NEW], until=job.Stage.FORK, beside=locked(tmp_path, "8.0.1"))


def test_a_lock_that_is_not_there_is_told(work: Workspace, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        job.run(work, [NEW], until=job.Stage.FORK, beside=tmp_path / "Cargo.lock")


# -- explained ---------------------------------------------------------------------------------------


def explained(work: Workspace, crate: str, *releases: Release) -> list[closures.Explained]:
    synced = job.run(work, releases, until=job.Stage.SYNC).synced
    return closures.explain_all(work, closures.close(work, synced), crate)


def test_a_crate_is_explained_in_every_release_by_any_of_its_names(work: Workspace) -> None:
    rows = explained(work, "wasmtime-environ", OLD, NEW, NEXT)
    assert [(str(r.release), r.choice.mode.value, r.what.state, r.fork) for r in rows] == [
        ("8.0.1", "range", "forked", "wasmtime-environ-v8-0-1"),
        ("8.0.2", "range", "forked", "wasmtime-environ-v8-0-2"),
        ("9.0.4", "minimal", "shared", None),
    ]
    for name in ("wasmtime-runtime-v8-0-1", "wasmtime_runtime_v8_0_1"):
        assert explained(work, name, OLD)[0].what.reason == "has 11 link-time names"


def test_a_crate_that_no_release_has_is_a_usage_error(work: Workspace) -> None:
    with pytest.raises(UsageError, match=r"no crate wasmtime-enviro in 8\.0\.1") as told:
        explained(work, "wasmtime-enviro", OLD)
    assert "wasmtime-environ" in str(told.value.hint)


# -- what was published ------------------------------------------------------------------------------


def test_publishing_writes_the_ledger_and_check_knows_it(work: Workspace) -> None:
    publish(work, OLD, NEXT)
    rows = published.load(work).releases
    assert [(str(row.release), row.revision, row.closure) for row in rows] == [
        ("8.0.1", 1, ClosureMode.MINIMAL),
        ("9.0.4", 1, ClosureMode.MINIMAL),
    ]
    assert {crate.upstream for crate in rows[0].crates} == MINIMAL
    assert check_all(work, [OLD, NEXT], jobs=1) == {}
    data = (work.config.patches / "published.toml").read_bytes()
    publish(work, NEXT)
    assert (work.config.patches / "published.toml").read_bytes() == data


def test_a_registry_without_an_address_of_its_own_is_not_remembered(work: Workspace) -> None:
    (work.config.project / "patchbot.toml").write_text("")
    here = Workspace(configs.load(work.config.project), work.store, work.reporter)
    publish(here, OLD)
    assert not (here.config.patches / "published.toml").exists()


def test_a_fresh_clone_refuses_other_bytes_under_a_published_name(work: Workspace, tmp_path: Path) -> None:
    publish(work, OLD)
    clone = tmp_path / "clone"
    for name in ("patches", ".cargo"):
        shutil.copytree(work.config.project / name, clone / name)
    (clone / "patchbot.toml").write_text(
        f"registry.index = '{REGISTRY_INDEX}'\n" + '[suffix]\nmark = "other"\n'
    )
    with workspace(configs.load(clone), Reporter(quiet=True)) as there:
        with pytest.raises(PublishError, match=r"the series of 8\.0\.1 has changed since") as told:
            job.run(there, [OLD], until=job.Stage.FORK)
        assert not there.registry.folder.exists()
    assert told.value.where == str(clone / "patches" / "published.toml")
    assert '"8.0.1" = 2' in str(told.value.hint)
    (clone / "patchbot.toml").write_text(
        f"registry.index = '{REGISTRY_INDEX}'\n" + '[suffix]\nmark = "other"\n[fork.revisions]\n"8.0.1" = 2\n'
    )
    with workspace(configs.load(clone), Reporter(quiet=True)) as there:
        outcome = publish(there, OLD)
        assert {step.state for step in outcome.published} == {State.NEW}
        assert [row.revision for row in published.load(there).releases] == [1, 2]


def test_crates_that_the_registry_would_not_take_are_told_by_name_and_size(work: Workspace) -> None:
    work = set_up(work, "registry.max-crate-bytes = 9000\n")
    with pytest.raises(
        PublishError, match=r"wasmtime-runtime-v8-0-1 8\.0\.1 has 0\.0 MiB \(\d+ bytes\)"
    ) as told:
        publish(work, OLD)
    assert "max-crate-bytes" in str(told.value.hint)
    assert not work.registry.folder.exists()
