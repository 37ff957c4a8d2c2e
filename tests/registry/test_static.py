from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from registry import killed, tiny
from registry.test_local import bytes_of, changed, made, snapshot
from registry.test_verify import needing

from patchbot import files
from patchbot.errors import PublishError
from patchbot.registry import gc, static
from patchbot.registry.local import LocalRegistry

CRATES = tiny.forks().crates
ALL = [(crate.entry.name, crate.entry.version) for crate in CRATES]
URL = "https://crates.example.com/mirror"


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    registry = LocalRegistry(tmp_path / "registry")
    registry.publish([*CRATES, made("Other")])
    return registry


def test_everything_stands_where_cargo_looks_for_it(registry: LocalRegistry, tmp_path: Path) -> None:
    out = tmp_path / "public"
    done = static.export(registry, out, f"{URL}/")
    assert json.loads((out / "index/config.json").read_bytes()) == {
        "dl": f"{URL}/crates/{{crate}}/{{crate}}-{{version}}.crate"
    }
    assert (out / "index/ot/he/other").read_bytes() == registry.index_file("Other").read_bytes()
    assert (out / "crates/Other/Other-1.0.0.crate").read_bytes() == made("Other").data
    for crate in CRATES:
        name, version = crate.entry.name, crate.entry.version
        assert (out / f"crates/{name}/{name}-{version}.crate").read_bytes() == crate.data
    assert sorted(done.written) == sorted(bytes_of(out))
    assert len(done.written) == 1 + 2 * (len(CRATES) + 1)


def test_a_second_export_touches_nothing_and_a_third_what_is_new(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    first = static.export(registry, out, URL)
    before = snapshot(out)
    second = static.export(registry, out, URL)
    assert (second.written, second.removed, second.kept) == ([], [], len(first.written))
    assert snapshot(out) == before
    registry.publish([made("Other", "1.0.1", b"more")])
    third = static.export(registry, out, URL)
    assert third.written == ["crates/Other/Other-1.0.1.crate", "index/ot/he/other"]
    assert {name: snapshot(out)[name] for name in before if name != "index/ot/he/other"} == {
        name: picture for name, picture in before.items() if name != "index/ot/he/other"
    }


def test_a_dry_run_writes_nothing(registry: LocalRegistry, tmp_path: Path) -> None:
    done = static.export(registry, tmp_path / "public", URL, dry_run=True)
    assert len(done.written) == 1 + 2 * (len(CRATES) + 1)
    assert not (tmp_path / "public").exists()


def test_a_yank_and_another_address_are_exported(registry: LocalRegistry, tmp_path: Path) -> None:
    out = tmp_path / "public"
    static.export(registry, out, URL)
    registry.set_yanked([("Other", "1.0.0")], yanked=True)
    assert static.export(registry, out, URL).written == ["index/ot/he/other"]
    assert b'"yanked":true' in (out / "index/ot/he/other").read_bytes()
    assert static.export(registry, out, "http://localhost:1").written == ["index/config.json"]


def test_what_was_given_up_leaves_the_export_its_index_first(registry: LocalRegistry, tmp_path: Path) -> None:
    out = tmp_path / "public"
    static.export(registry, out, URL)
    registry.set_yanked(ALL, yanked=True)
    gc.collect(registry, ALL)
    done = static.export(registry, out, URL)
    places = [f"index/ti/ny/{name}" for name, _ in ALL]
    assert sorted(done.removed[: len(ALL)]) == sorted(places)
    assert set(bytes_of(out)) == {"index/config.json", "index/ot/he/other", "crates/Other/Other-1.0.0.crate"}


def test_the_export_of_another_registry_is_refused(registry: LocalRegistry, tmp_path: Path) -> None:
    out = tmp_path / "public"
    another = LocalRegistry(tmp_path / "another")
    another.publish([made("stranger")])
    static.export(another, out, URL)
    before = snapshot(out)
    with pytest.raises(PublishError, match=r"holds stranger 1\.0\.0, which the registry does not know"):
        static.export(registry, out, URL)
    assert snapshot(out) == before


def test_other_bytes_under_an_exported_version_are_refused(registry: LocalRegistry, tmp_path: Path) -> None:
    out = tmp_path / "public"
    another = LocalRegistry(tmp_path / "another")
    another.publish([changed(made("Other"))])
    static.export(another, out, URL)
    before = snapshot(out)
    with pytest.raises(PublishError, match=r"holds Other 1\.0\.0 as [0-9a-f]{64}, and the registry as"):
        static.export(registry, out, URL)
    assert snapshot(out) == before


def test_a_folder_with_something_else_in_it_is_refused(registry: LocalRegistry, tmp_path: Path) -> None:
    files.write(tmp_path / "home" / "letters" / "mum.txt", b"")
    with pytest.raises(PublishError, match="is not empty and holds no export"):
        static.export(registry, tmp_path / "home", URL)
    assert [f.name for f in (tmp_path / "home").iterdir()] == ["letters"]


def test_a_damaged_registry_is_not_exported(registry: LocalRegistry, tmp_path: Path) -> None:
    registry.crate_file("Other", "1.0.0").write_bytes(b"?")
    with pytest.raises(PublishError, match="is not what the index says"):
        static.export(registry, tmp_path / "public", URL)
    assert not (tmp_path / "public").exists()


def test_at_any_moment_whatever_an_export_names_is_there_and_a_second_one_completes_it(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    out, whole = tmp_path / "public", tmp_path / "whole"
    registry.publish([made("zebra"), needing("ape", "zebra", "^1")])  # not in the order of their names
    static.export(registry, whole, URL)
    count = 0
    for _ in killed.everywhere(
        out, lambda: shutil.rmtree(out, ignore_errors=True), lambda: static.export(registry, out, URL)
    ):
        _assert_closed(LocalRegistry(out))
        static.export(registry, out, URL)
        assert bytes_of(out) == bytes_of(whole)
        assert not list(out.rglob(".new-*"))
        count += 1
    assert count > 2 * (len(CRATES) + 3)


def test_a_removal_that_was_killed_is_completed_by_the_next_export(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    out, before = tmp_path / "public", tmp_path / "before"
    static.export(registry, before, URL)
    registry.set_yanked(ALL, yanked=True)
    gc.collect(registry, ALL)

    def prepare() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(before, out)

    count = 0
    for _ in killed.everywhere(out, prepare, lambda: static.export(registry, out, URL)):
        _assert_closed(LocalRegistry(out))
        static.export(registry, out, URL)
        left = {"index/config.json", "index/ot/he/other", "crates/Other/Other-1.0.0.crate"}
        assert set(bytes_of(out)) == left
        count += 1
    assert count >= 2 * len(ALL)


def _assert_closed(exported: LocalRegistry) -> None:
    there = exported.everything()
    for (name, version), entry in there.items():
        assert (exported.folder / "crates" / name / f"{name}-{version}.crate").is_file()
        for dependency in entry.dependencies:
            assert any(dependency.package == other for other, _ in there)


def test_a_circle_of_crates_is_exported_all_the_same() -> None:
    entries = [needing("a", "b", "^1").entry, needing("b", "a", "^1").entry]
    assert static.dependencies_first(entries) == entries
