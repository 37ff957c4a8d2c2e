from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import crates

from patchbot.config import OWN_PACKAGES
from patchbot.errors import IncompleteRelease, RepositoryError, UsageError
from patchbot.model import CratePin, ImportedRelease, MissingCrate, Release
from patchbot.upstream import resolve
from patchbot.upstream.source import LocalRegistry

V8 = Release(8, 0, 1)


class Shelf:
    """A registry whose crates are just lines of its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = LocalRegistry(folder)

    def put(self, name: str, version: str, *dependencies: dict[str, Any] | str, **more: Any) -> None:  # noqa: ANN401
        """List a crate; a dependency is ``name`` for the same version, or a table."""
        deps = [{"name": d, "req": f"={version}"} if isinstance(d, str) else d for d in dependencies]
        crates.place(self.folder, crates.index_line(name, version, b"", deps, **more), b"")

    def own(self, *roots: str, release: Release = V8) -> dict[str, str]:
        found = self.all(*roots, release=release)
        assert found.missing == ()
        assert [entry.name for entry in found.entries] == sorted(entry.name for entry in found.entries)
        return {entry.name: entry.version for entry in found.entries}

    def all(self, *roots: str, release: Release = V8) -> resolve.OwnCrates:
        """Return what is there and what is missing."""
        return resolve.own_crates(self.source, roots or ("wasmtime",), release, own=OWN_PACKAGES)

    def known(self) -> dict[Release, Any]:
        return resolve.releases(self.source, "wasmtime")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "registry")


# -- which releases there are -----------------------------------------------------------------------


def test_releases_are_in_their_order_with_the_yanked_ones(shelf: Shelf) -> None:
    for version in ("10.0.0", "9.0.4", "9.0.4-rc.1", "0.40.0"):
        shelf.put("wasmtime", version, yanked=version == "9.0.4")
    known = shelf.known()
    assert [str(release) for release in known] == ["0.40.0", "9.0.4-rc.1", "9.0.4", "10.0.0"]
    assert known[Release(9, 0, 4)].yanked


def test_a_registry_without_the_root_is_told(shelf: Shelf) -> None:
    with pytest.raises(RepositoryError, match="the index has no crate wasmtime") as caught:
        shelf.known()
    assert "upstream.index" in (caught.value.hint or "")


def test_a_version_that_is_no_release_is_told(shelf: Shelf) -> None:
    shelf.put("wasmtime", "1.0.0+build")
    with pytest.raises(RepositoryError, match=r"'1\.0\.0\+build' is not a release"):
        shelf.known()


@pytest.fixture
def full(shelf: Shelf) -> Shelf:
    for version in ("0.39.0", "0.40.0", "0.40.1", "8.0.0", "8.0.1", "8.0.2", "8.0.3", "9.0.0", "80.0.1"):
        shelf.put("wasmtime", version, yanked=version in {"0.39.0", "8.0.2", "9.0.0"})
    return shelf


def found(shelf: Shelf, text: str, *, allow_yanked: bool = False) -> str:
    return resolve.find(shelf.known(), Release.parse(text), allow_yanked=allow_yanked).version


def refused(shelf: Shelf, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        found(shelf, text)
    return caught.value


def test_a_release_is_found(full: Shelf) -> None:
    assert found(full, "8.0.1") == "8.0.1"
    assert found(full, "8.0.1", allow_yanked=True) == "8.0.1"


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("8.0.9", "near it: 8.0.1, 8.0.2, 8.0.3"),
        ("8.1.0", "near it: 8.0.1, 8.0.2, 8.0.3"),
        ("0.40.7", "near it: 0.40.0, 0.40.1"),
        ("80.0.0", "near it: 80.0.1"),
        ("18.0.1", "near it: 8.0.1, 80.0.1, 8.0.3"),
        ("99.99.99", "`patchbot status --all` lists the releases"),
    ],
)
def test_an_unknown_release_is_refused_with_near_ones(full: Shelf, text: str, near: str) -> None:
    error = refused(full, text)
    assert error.what == f"there is no wasmtime {text}"
    assert error.hint == near
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("8.0.2", "take 8.0.3, or say --allow-yanked if it must be this one"),
        ("9.0.0", "say --allow-yanked if it must be this one"),
    ],
)
def test_a_yanked_release_is_refused_with_a_better_one_and_taken_if_told(
    full: Shelf, text: str, hint: str
) -> None:
    error = refused(full, text)
    assert error.what == f"wasmtime {text} was yanked by upstream"
    assert error.hint == hint
    assert found(full, text, allow_yanked=True) == text


# -- which crates make up a release -----------------------------------------------------------------


def test_the_crates_of_a_release_are_those_it_reaches(shelf: Shelf) -> None:
    shelf.put(
        "wasmtime",
        "8.0.1",
        "wasmtime-runtime",
        {"name": "wasmtime-fiber", "req": "=8.0.1", "optional": True},
        {"name": "wasmtime-winch", "req": "=8.0.1", "target": "cfg(windows)"},
        {"name": "wasmtime-build", "req": "=8.0.1", "kind": "build"},
        {"name": "wasmtime-test-util", "req": "=8.0.1", "kind": "dev"},
        {"name": "renamed", "package": "wasmtime-environ", "req": "=8.0.1"},
        {"name": "wasmtime-types", "package": "foreign", "req": "=8.0.1"},
        {"name": "libc", "req": "^0.2"},
    )
    shelf.put("wasmtime-runtime", "8.0.1", {"name": "cranelift-codegen", "req": "=0.95.1"})
    shelf.put("cranelift-codegen", "0.95.1", {"name": "wasmtime-deep", "req": "^8.0.1"}, "cranelift-entity")
    for name in ("fiber", "winch", "build", "test-util", "environ", "deep", "types"):
        shelf.put(f"wasmtime-{name}", "8.0.1")
    shelf.put("cranelift-entity", "0.95.1")
    shelf.put("wasmtime-runtime", "9.0.0", "wasmtime-types")
    assert shelf.own() == {
        "cranelift-codegen": "0.95.1",
        "cranelift-entity": "0.95.1",
        "wasmtime": "8.0.1",
        "wasmtime-build": "8.0.1",
        "wasmtime-deep": "8.0.1",
        "wasmtime-environ": "8.0.1",
        "wasmtime-fiber": "8.0.1",
        "wasmtime-runtime": "8.0.1",
        "wasmtime-winch": "8.0.1",
    }


def test_crates_may_reach_each_other_in_a_circle(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-a")
    shelf.put("wasmtime-a", "8.0.1", "wasmtime-b", "wasmtime")
    shelf.put("wasmtime-b", "8.0.1", "wasmtime-a")
    assert list(shelf.own()) == ["wasmtime", "wasmtime-a", "wasmtime-b"]


@pytest.mark.parametrize("req", ["=8.0.1", "^8.0.1", "8.0.1", "= 8.0.1"])
def test_a_requirement_in_lockstep_names_its_version(shelf: Shelf, req: str) -> None:
    shelf.put("wasmtime", "8.0.1", {"name": "wasmtime-a", "req": req})
    shelf.put("wasmtime-a", "8.0.1")
    shelf.put("wasmtime-a", "8.0.2")
    assert shelf.own() == {"wasmtime": "8.0.1", "wasmtime-a": "8.0.1"}


def test_a_prerelease_is_in_lockstep_too(shelf: Shelf) -> None:
    shelf.put("wasmtime", "50.0.0-rc.1", "wasmtime-a")
    shelf.put("wasmtime-a", "50.0.0-rc.1")
    assert shelf.own(release=Release.parse("50.0.0-rc.1"))["wasmtime-a"] == "50.0.0-rc.1"


@pytest.mark.parametrize(
    "req",
    ["*", "8", "^8.0", ">=8.0.1", "~8.0.1", "=8.0.1, <9", "=8.0.1,<9", "<8.0.1", "", "=8.0.1+x", "=v8.0.1"],
)
def test_a_requirement_that_names_no_single_version_is_refused(shelf: Shelf, req: str) -> None:
    shelf.put("wasmtime", "8.0.1", {"name": "wasmtime-a", "req": req})
    shelf.put("wasmtime-a", "8.0.1")
    with pytest.raises(RepositoryError, match=r"^wasmtime 8\.0\.1 asks for wasmtime-a") as caught:
        shelf.own()
    assert repr(req) in caught.value.what
    assert "upstream.own" in (caught.value.hint or "")


@pytest.mark.parametrize(("first", "second"), [("wasmtime-a", "wasmtime-z"), ("wasmtime-z", "wasmtime-a")])
def test_requirements_that_disagree_are_refused(shelf: Shelf, first: str, second: str) -> None:
    shelf.put("wasmtime", "8.0.1", first, second)
    shelf.put(first, "8.0.1", {"name": "wasmtime-m", "req": "=8.0.1"})
    shelf.put(second, "8.0.1", {"name": "wasmtime-m", "req": "=8.0.0"})
    for version in ("8.0.0", "8.0.1"):
        shelf.put("wasmtime-m", version)
    with pytest.raises(RepositoryError, match="needs wasmtime-m") as caught:
        shelf.own()
    assert "8.0.0" in caught.value.what
    assert "8.0.1" in caught.value.what


@pytest.mark.parametrize("other", ["wasmtime-a", "wasmtime-z"])
def test_a_disagreement_with_one_who_is_met_at_the_same_time_is_seen(shelf: Shelf, other: str) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-m", other)
    shelf.put("wasmtime-m", "8.0.1", {"name": other, "req": "=8.0.0"})
    for version in ("8.0.0", "8.0.1"):
        shelf.put(other, version)
    with pytest.raises(RepositoryError, match=rf"needs {other} 8\.0\.1 and 8\.0\.0"):
        shelf.own()


def test_a_disagreement_with_one_who_was_met_earlier_is_seen(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-a")
    shelf.put("wasmtime-a", "8.0.1", {"name": "wasmtime", "req": "=8.0.0"})
    with pytest.raises(RepositoryError, match=r"needs wasmtime 8\.0\.1 and 8\.0\.0"):
        shelf.own()


def test_a_crate_that_is_missing_is_told(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-a", "wasmtime-b")
    shelf.put("wasmtime-b", "8.0.1", "wasmtime-a")
    missing = (MissingCrate("wasmtime-a", "8.0.1", needed_by="wasmtime"),)
    assert shelf.all().missing == missing
    shelf.put("wasmtime-a", "8.0.0")
    assert shelf.all().missing == missing
    assert [entry.name for entry in shelf.all().entries] == ["wasmtime", "wasmtime-b"]
    shelf.put("wasmtime-a", "8.0.1")
    assert shelf.all().missing == ()


def test_a_line_that_belongs_to_another_crate_is_no_answer(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-a")
    shelf.put("wasmtime-A", "8.0.1")  # one file of the index holds both
    assert [crate.name for crate in shelf.all().missing] == ["wasmtime-a"]


def imported(shelf: Shelf, *roots: str) -> ImportedRelease:
    found = shelf.all(*roots)
    pins = tuple(CratePin(entry, f"crates/{entry.name}", "0" * 40) for entry in found.entries)
    return ImportedRelease(V8, roots, "", "", "", pins, missing=found.missing)


def test_a_release_whose_roots_need_a_missing_crate_is_refused(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-a")
    shelf.put("wasmtime-a", "8.0.1", "wasmtime-b")
    with pytest.raises(IncompleteRelease) as caught:
        resolve.refuse_incomplete(imported(shelf, "wasmtime"), ["wasmtime"])
    assert caught.value.what == "the index has no wasmtime-b 8.0.1, which wasmtime 8.0.1 needs"
    assert "nobody can build" in (caught.value.hint or "")


def test_what_only_other_roots_lack_keeps_nobody(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", {"name": "wasmtime-dev", "req": "=8.0.1", "kind": "dev"})
    shelf.put("wasmtime-dev", "8.0.1", "wasmtime-gone")
    shelf.put("wasmtime-wasi", "8.0.1", "wasmtime", "wasmtime-gone")
    release = imported(shelf, "wasmtime", "wasmtime-wasi")
    resolve.refuse_incomplete(release, ["wasmtime"])
    with pytest.raises(IncompleteRelease):
        resolve.refuse_incomplete(release, ["wasmtime", "wasmtime-wasi"])


# -- several roots ----------------------------------------------------------------------------------


def test_all_roots_count(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1")
    shelf.put("wasmtime-wasi", "8.0.1", "wiggle")
    shelf.put("wiggle", "8.0.1")
    assert list(shelf.own("wasmtime", "wasmtime-wasi")) == ["wasmtime", "wasmtime-wasi", "wiggle"]


@pytest.mark.parametrize("published", [False, True])
def test_a_later_root_may_be_absent(shelf: Shelf, published: bool) -> None:  # noqa: FBT001
    shelf.put("wasmtime", "8.0.1")
    if published:
        shelf.put("wasmtime-c-api-impl", "18.0.0")
    assert shelf.own("wasmtime", "wasmtime-c-api-impl") == {"wasmtime": "8.0.1"}


def test_the_first_root_must_be_there(shelf: Shelf) -> None:
    shelf.put("wasmtime-wasi", "8.0.1")
    with pytest.raises(RepositoryError, match=r"the index has no wasmtime 8\.0\.1"):
        shelf.own("wasmtime", "wasmtime-wasi")


def test_an_absent_root_that_another_crate_needs_is_missing(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", "wasmtime-wasi", "wasmtime-a")
    shelf.put("wasmtime-a", "8.0.1", "wasmtime-wasi")
    assert [crate.name for crate in shelf.all("wasmtime", "wasmtime-wasi").missing] == ["wasmtime-wasi"]


def test_a_root_with_a_version_of_its_own_comes_as_a_dependency(shelf: Shelf) -> None:
    shelf.put("wasmtime", "8.0.1", {"name": "cranelift-codegen", "req": "=0.95.1"})
    shelf.put("cranelift-codegen", "0.95.1")
    assert shelf.own("wasmtime", "cranelift-codegen")["cranelift-codegen"] == "0.95.1"


@pytest.mark.parametrize(
    ("package", "own"),
    [
        *(("wasmtime", True), ("wasmtime-wasi", True), ("cranelift", True), ("pulley-interpreter", True)),
        *(("wasmtime_x", False), ("wasmtimes", False), ("my-wasmtime", False), ("wasmparser", False), ("WASMTIME", False)),
    ],
)  # fmt: skip
def test_upstreams_own_packages_are_known_by_their_names(package: str, own: bool) -> None:  # noqa: FBT001
    assert resolve.is_own(package, OWN_PACKAGES) is own
