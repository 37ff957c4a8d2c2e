from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.errors import ConfigError, Findings, RepositoryError, RewriteError, UsageError
from patchbot.git.store import Store
from patchbot.model import Kind, Release
from patchbot.pipeline import many
from patchbot.pipeline import sync as stage
from patchbot.pipeline.work import Change, Workspace, choose, workspace
from patchbot.report.terminal import Reporter
from patchbot.upstream.source import LocalRegistry

BARE = Release(8, 0, 1)
VERSIONED = Release(12, 0, 2)


@pytest.fixture
def work(project: Path, upstream: Upstream) -> Iterator[Workspace]:
    upstream.publish("8.0.1")
    upstream.publish("12.0.2", versioned=True)
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def folder(work: Workspace, release: Release) -> Path:
    return work.config.patches / str(release)


def test_a_release_with_bare_names_gets_its_series(work: Workspace) -> None:
    synced = stage.sync(work, BARE)
    assert synced.change is Change.NEW
    order = (folder(work, BARE) / "series").read_text().split()
    assert order == ["suffix-c.patch", "suffix-dwarf.patch", "suffix-rust.patch", "suffix-s390x.patch"]
    assert order == sorted(order), "git am of a glob must apply them in series order"


def test_a_release_with_upstreams_suffixes_gets_the_mark(work: Workspace) -> None:
    synced = stage.sync(work, VERSIONED)
    assert [patch.name for patch in synced.lock.patches] == ["suffix-rust", "suffix-upstream"]
    assert b'"12_0_2_pb"' in (folder(work, VERSIONED) / "suffix-upstream.patch").read_bytes()


def test_a_second_sync_does_nothing(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.sync(work, BARE)
    before = {f: f.stat().st_mtime_ns for f in folder(work, BARE).iterdir()}

    def never(*_: object) -> None:
        pytest.fail("a second sync generates nothing")

    monkeypatch.setattr(stage, "generate", never)
    assert stage.sync(work, BARE).change is Change.UNCHANGED
    assert before == {f: f.stat().st_mtime_ns for f in folder(work, BARE).iterdir()}


def test_a_second_sync_knows_what_the_first_found(work: Workspace) -> None:
    first, second = stage.sync(work, BARE), stage.sync(work, BARE)
    assert first.inventory == second.inventory
    assert first.lock == second.lock


@pytest.mark.parametrize("damage", ["edit", "remove", "add"])
def test_a_folder_that_was_touched_is_made_again(work: Workspace, damage: str) -> None:
    stage.sync(work, BARE)
    wanted = {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}
    if damage == "edit":
        (folder(work, BARE) / "suffix-c.patch").write_bytes(b"something else\n")
    elif damage == "remove":
        (folder(work, BARE) / "release.toml").unlink()
    else:
        (folder(work, BARE) / "stray.patch").write_bytes(b"")
    assert stage.sync(work, BARE).change is Change.CHANGED
    assert wanted == {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}


def test_a_folder_that_was_lost_comes_back_from_the_store(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.sync(work, BARE)
    wanted = {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}
    shutil.rmtree(folder(work, BARE))

    def never(*_: object) -> None:
        pytest.fail("what was made and proved before is not made again")

    monkeypatch.setattr(stage, "generate", never)
    second = stage.sync(work, BARE)
    assert second.change is Change.NEW
    assert (second.lock, second.inventory) == (first.lock, first.inventory)
    assert wanted == {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}


@pytest.mark.parametrize("damage", ["another tip", "no tip", "another git"])
def test_commits_that_are_not_the_series_any_more_are_made_again(
    work: Workspace, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.sync(work, BARE)
    wanted = {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}
    shutil.rmtree(folder(work, BARE))
    ref, base = (f"refs/patchbot/{kind}/{BARE}" for kind in ("series", "upstream"))
    if damage == "another tip":
        work.store.update_refs({ref: (str(work.store.resolve(base)), work.store.resolve(ref))})
    elif damage == "no tip":
        (work.store.path / ref).unlink()
    else:
        spelled = Store.mails
        odd = iter([lambda mail: mail + b"-- \n2.99\n"])

        def mails(store: Store, base: str, tip: str) -> tuple[bytes, ...]:
            return tuple(map(next(odd, bytes), spelled(store, base, tip)))

        monkeypatch.setattr(Store, "mails", mails)
    generate = Mock(wraps=stage.generate)
    monkeypatch.setattr(stage, "generate", generate)
    stage.sync(work, BARE)
    generate.assert_called_once()
    assert wanted == {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}


def test_another_suffix_is_another_series(work: Workspace) -> None:
    first = stage.sync(work, BARE)
    other = configs.load(work.config.project, suffix="_mine_{version}")
    changed = Workspace(other, work.store, work.reporter)
    second = stage.sync(changed, BARE)
    assert (first.lock.suffix.text, second.lock.suffix.text) == ("_8_0_1_pb", "_mine_8_0_1")
    assert first.lock.base_tree == second.lock.base_tree
    assert first.lock.result_tree != second.lock.result_tree


def test_the_same_series_comes_out_of_a_fresh_state(work: Workspace) -> None:
    stage.sync(work, BARE)
    before = {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}
    shutil.rmtree(folder(work, BARE))
    shutil.rmtree(work.config.state / "releases")
    stage.sync(work, BARE)
    assert before == {f.name: f.read_bytes() for f in folder(work, BARE).iterdir()}


def test_a_store_that_was_lost_is_filled_again_with_the_same_ids(project: Path, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    locks = []
    for _ in range(2):
        shutil.rmtree(project / ".patchbot", ignore_errors=True)
        with workspace(configs.load(project), Reporter(quiet=True)) as work:
            locks.append(stage.sync(work, BARE).lock)
    assert locks[0] == locks[1]


def test_scan_remembers_and_agrees_with_sync(work: Workspace) -> None:
    _, first = stage.scan(work, BARE)
    _, second = stage.scan(work, BARE)
    assert first == second == stage.sync(work, BARE).inventory
    assert "wasmtime_setjmp" in first.names(Kind.OWN)
    assert "__jit_debug_descriptor" in first.names(Kind.KEEP)
    assert "getpid" in first.names(Kind.FOREIGN)


def test_a_blind_spot_stops_the_sync_before_anything_is_written(project: Path, upstream: Upstream) -> None:
    hidden = 'secret! { #[no_mangle] pub extern "C" fn hidden() {} }\n'
    upstream.publish("8.0.1", change={"crates/wasmtime/src/lib.rs": hidden})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        with pytest.raises(Findings, match=r"crates/wasmtime/src/lib\.rs:1: secret! comes from elsewhere"):
            stage.sync(work, BARE)
        assert not folder(work, BARE).exists()


def test_a_blind_spot_that_the_policy_explains_is_passed(project: Path, upstream: Upstream) -> None:
    hidden = 'secret! { #[no_mangle] pub extern "C" fn hidden() {} }\n'
    upstream.publish("8.0.1", change={"crates/wasmtime/src/lib.rs": hidden})
    with (project / "patches" / "policy.toml").open("a") as policy:
        policy.write('\n[[blind-spot]]\npath = "crates/wasmtime/*"\nsays = "secret!"\nwhy = "looked at"\n')
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        assert stage.sync(work, BARE).change is Change.NEW


def test_a_patch_where_the_policy_expects_none_stops_the_sync(project: Path, upstream: Upstream) -> None:
    upstream.publish("13.0.0")  # bare names, as if upstream had dropped its own suffixes
    with (
        workspace(configs.load(project), Reporter(quiet=True)) as work,
        pytest.raises(ConfigError, match=r"suffix-c matched in 13\.0\.0"),
    ):
        stage.sync(work, Release(13, 0, 0))


def test_sources_that_have_the_suffix_already_are_refused(project: Path, upstream: Upstream) -> None:
    upstream.publish("8.0.1", change={"crates/wasmtime/src/lib.rs": "// see wasmtime_setjmp_8_0_1_pb\n"})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        with pytest.raises(RewriteError, match="stands here already"):
            stage.sync(work, BARE)
        assert not folder(work, BARE).exists()


def test_an_unknown_release_is_a_usage_error_that_names_others(work: Workspace) -> None:
    with pytest.raises(UsageError, match=r"there is no wasmtime 8\.0\.9") as caught:
        stage.sync(work, Release(8, 0, 9))
    assert "8.0.1" in str(caught.value.hint)


def test_a_yanked_release_needs_to_be_asked_for(project: Path, upstream: Upstream) -> None:
    upstream.publish("8.0.0", yanked=True)
    with (
        workspace(configs.load(project), Reporter(quiet=True)) as work,
        pytest.raises(UsageError, match="was yanked"),
    ):
        stage.sync(work, Release(8, 0, 0))
    with workspace(configs.load(project), Reporter(quiet=True), allow_yanked=True) as work:
        assert stage.sync(work, Release(8, 0, 0)).change is Change.NEW


def test_check_is_silent_when_all_is_in_step(work: Workspace) -> None:
    stage.sync(work, BARE)
    stage.sync(work, VERSIONED)
    assert stage.committed_releases(work.config.patches) == (BARE, VERSIONED)
    assert many.check_all(work, [BARE, VERSIONED], jobs=1) == {}


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("suffix-rust.patch", b"\n", "differs from what is generated"),
        ("series", b"suffix-c.patch\n", "differs from what is generated"),
        ("suffix-c.patch", None, "is missing"),
        ("other.patch", b"", "does not belong here"),
    ],
)
def test_check_names_what_differs(work: Workspace, name: str, change: bytes | None, problem: str) -> None:
    stage.sync(work, BARE)
    file = folder(work, BARE) / name
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change)
    assert many.check_all(work, [BARE], jobs=1) == {"8.0.1": {name: problem}}


def test_check_changes_nothing(work: Workspace) -> None:
    stage.sync(work, BARE)
    file = folder(work, BARE) / "suffix-c.patch"
    file.write_bytes(b"mine\n")
    many.check_all(work, [BARE], jobs=1)
    assert file.read_bytes() == b"mine\n"


def test_check_finds_what_no_release_owns(work: Workspace) -> None:
    stage.sync(work, BARE)
    (work.config.patches / "notes").mkdir()
    assert many.check_all(work, [BARE], jobs=1) == {"notes": {"": "does not belong here"}}


def test_check_stops_if_the_registry_serves_other_crates(work: Workspace, upstream: Upstream) -> None:
    stage.sync(work, BARE)
    shutil.rmtree(work.config.state)
    shutil.rmtree(upstream.folder)
    upstream.publish("8.0.1", change={"crates/cache/src/lib.rs": "// other bytes\n"})
    with Store.open(work.config.state / "store.git") as store:
        fresh = Workspace(work.config, store, work.reporter)
        with pytest.raises(RepositoryError, match="not those of the lock"):
            many.check_all(fresh, [BARE], jobs=1)


def test_a_damaged_lock_is_told_with_the_next_step(work: Workspace) -> None:
    stage.sync(work, BARE)
    (folder(work, BARE) / "release.toml").write_text("[")
    with pytest.raises(ConfigError, match="no release lock") as caught:
        many.check_all(work, [BARE], jobs=1)
    assert "patchbot sync" in str(caught.value.hint)


def test_what_is_due_comes_from_the_policy(project: Path, upstream: Upstream) -> None:
    for version in ("8.0.0", "8.0.1", "9.0.0", "9.0.4"):
        upstream.publish(version)
    (project / "patchbot.toml").write_text('[track]\npinned = ["8.0.0"]\nlines = [9]\n')
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        assert [str(r) for r in choose(work, ())] == ["8.0.0", "9.0.4"]
        assert [str(r) for r in choose(work, ("9.0.0", "8.0.1", "9.0.0"))] == ["8.0.1", "9.0.0"]


def test_the_index_is_not_asked_about_a_release_that_is_there(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.sync(work, BARE)

    def never(*_: object) -> None:
        pytest.fail("the registry is asked")

    monkeypatch.setattr(LocalRegistry, "entries", never)
    again = Workspace(work.config, work.store, work.reporter)
    assert stage.sync(again, BARE).change is Change.UNCHANGED


def test_a_state_that_cannot_be_read_is_made_again(work: Workspace) -> None:
    first = stage.sync(work, BARE)
    for file in (work.config.state / "releases").rglob("*.json"):
        file.write_text(json.dumps({"key": "x"})[:-1])
    assert stage.sync(work, BARE).lock == first.lock


def test_what_a_killed_run_left_beside_a_folder_is_no_release(work: Workspace) -> None:
    stage.sync(work, BARE)
    left = folder(work, BARE).with_name(".8.0.1~abcdefgh")
    shutil.copytree(folder(work, BARE), left)
    assert stage.committed_releases(work.config.patches) == (BARE,)
    (folder(work, BARE) / "series").write_text("damaged")
    assert stage.sync(work, BARE).change is Change.CHANGED
    assert not left.exists()
