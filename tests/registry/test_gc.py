from __future__ import annotations

from pathlib import Path

import pytest
from registry import tiny
from registry.test_local import made, snapshot
from registry.test_verify import needing

from patchbot import files
from patchbot.errors import PublishError
from patchbot.registry import gc, verify
from patchbot.registry.local import LocalRegistry

CRATES = tiny.forks().crates
ALL = [(crate.entry.name, crate.entry.version) for crate in CRATES]


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    registry = LocalRegistry(tmp_path / "registry")
    registry.publish([*CRATES, made("other")])
    return registry


def test_a_clean_registry_has_nothing_that_can_go(registry: LocalRegistry) -> None:
    before = snapshot(registry.folder)
    assert gc.leftovers(registry) == ()
    assert gc.collect(registry) == ()
    assert snapshot(registry.folder) == before


def test_what_killed_runs_left_goes_and_nothing_else(registry: LocalRegistry) -> None:
    before = snapshot(registry.folder)
    for place in (".new-x", "index/ti/ny/.new-y", "late-1.0.0.crate"):
        files.write(registry.folder / place, b"12345")
    files.write(registry.folder / "notes.txt", b"")
    waste = gc.collect(registry)
    assert {one.place for one in waste} == {".new-x", "index/ti/ny/.new-y", "late-1.0.0.crate"}
    assert {one.size for one in waste} == {5}
    after = snapshot(registry.folder)
    assert after.pop("notes.txt")
    assert after == before


def test_a_published_crate_stays_unless_it_is_named_and_was_yanked(registry: LocalRegistry) -> None:
    before = snapshot(registry.folder)
    with pytest.raises(PublishError, match="is not yanked") as told:
        gc.collect(registry, ALL)
    assert "yank the release" in str(told.value.hint)
    assert snapshot(registry.folder) == before
    registry.set_yanked(ALL, yanked=True)
    assert gc.collect(registry) == ()
    assert {one.place for one in gc.collect(registry, ALL)} == {f"{n}-{v}.crate" for n, v in ALL}
    assert set(registry.everything()) == {("other", "1.0.0")}
    assert verify.verify(registry).findings == []


def test_what_others_need_stays(registry: LocalRegistry) -> None:
    registry.set_yanked(ALL, yanked=True)
    before = snapshot(registry.folder)
    for some in (ALL[:1], ALL[:2]):
        with pytest.raises(PublishError, match=r"tiny-v1-2-3 1\.2\.3 needs tiny-"):
            gc.collect(registry, some)
    assert snapshot(registry.folder) == before
    gc.collect(registry, ALL[2:])  # nobody needs the root


def test_the_last_version_that_a_loose_requirement_can_mean_stays(registry: LocalRegistry) -> None:
    registry.publish([made("other", "1.0.1", b"more"), needing("b", "other", "^1")])
    registry.set_yanked([("other", "1.0.0"), ("other", "1.0.1")], yanked=True)
    gc.collect(registry, [("other", "1.0.0")])
    with pytest.raises(PublishError, match=r"b 1\.0\.0 needs other 1\.0\.1"):
        gc.collect(registry, [("other", "1.0.1")])


def test_what_is_not_there_cannot_be_given_up(registry: LocalRegistry) -> None:
    with pytest.raises(PublishError, match="is not published"):
        gc.collect(registry, [("nobody", "1.0.0")])


def test_crates_whose_index_is_lost_are_no_leftovers(registry: LocalRegistry) -> None:
    for file in registry.folder.glob("index/**/*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(PublishError, match="has crates and no index"):
        gc.collect(registry)
    assert len(list(registry.folder.glob("*.crate"))) == len(CRATES) + 1


def test_a_crate_whose_line_is_lost_is_no_leftover_if_others_need_it(registry: LocalRegistry) -> None:
    registry.index_file(CRATES[0].entry.name).unlink()
    with pytest.raises(PublishError, match="has no index line, and tiny-v1-2-3"):
        gc.collect(registry)
    assert registry.crate_file(*ALL[0]).is_file()


def test_a_damaged_index_stops_it(registry: LocalRegistry) -> None:
    files.write(registry.folder / ".new-x", b"")
    registry.index_file("other").write_bytes(b"{")
    with pytest.raises(PublishError, match="is damaged"):
        gc.collect(registry)
    assert (registry.folder / ".new-x").is_file()
