from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support import crates
from support.upstream import COMMIT, Upstream

from patchbot.config import OWN_PACKAGES
from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git.commits import CommitText
from patchbot.git.store import Store
from patchbot.model import ImportedRelease, IndexEntry, MissingCrate, Release
from patchbot.upstream import importer, resolve
from patchbot.upstream.resolve import OwnCrates
from patchbot.upstream.source import LocalRegistry

V8 = Release(8, 0, 1)
REFS = "refs/patchbot/"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.git") as opened:
        yield opened


class Other:
    """A source that hands over to another one, after ``before`` had a look at the crate."""

    def __init__(self, source: LocalRegistry, before: Callable[[IndexEntry], None]) -> None:
        self._source = source
        self._before = before

    def entries(self, name: str) -> dict[str, IndexEntry]:
        return self._source.entries(name)

    def crate(self, entry: IndexEntry) -> bytes:
        self._before(entry)
        return self._source.crate(entry)

    def has_crate(self, entry: IndexEntry) -> bool:
        return self._source.has_crate(entry)


class Shelf:
    """A registry with one release of a few crates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = LocalRegistry(folder)
        self._names: list[str] = []

    def put(
        self,
        name: str,
        path: str | None,
        files: Mapping[str, bytes | str] | None = None,
        *,
        version: str = "8.0.1",
        commit: str = COMMIT,
        executable: tuple[str, ...] = (),
    ) -> None:
        data = crates.crate(name, version, files or {"src/lib.rs": name}, path=path, commit=commit, executable=executable)  # fmt: skip
        crates.place(self.folder, crates.index_line(name, version, data), data)
        self._names.append(name)

    def entries(self) -> list[IndexEntry]:
        return [next(iter(self.source.entries(name).values())) for name in sorted(self._names)]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path / "registry")
    shelf.put("wasmtime", "crates/wasmtime")
    return shelf


def bring(store: Store, shelf: Shelf) -> ImportedRelease:
    return importer.import_release(
        store, shelf.source, V8, OwnCrates(tuple(shelf.entries())), roots=("wasmtime",)
    )


def contents(store: Store, tree: str) -> dict[str, bytes]:
    return {file.path: file.data for file in store.read_files(store.list_tree(tree))}


# -- placing ----------------------------------------------------------------------------------------


def test_each_crate_is_placed_where_upstream_has_it(store: Store, shelf: Shelf) -> None:
    shelf.put(
        "wasmtime-fiber", "crates/fiber", {"src/lib.rs": "f", "build.rs": "b"}, executable=("build.rs",)
    )
    shelf.put("cranelift-codegen", "cranelift/codegen", version="0.95.1")
    release = bring(store, shelf)
    assert contents(store, release.tree) == {
        "cranelift/codegen/src/lib.rs": b"cranelift-codegen",
        "crates/fiber/build.rs": b"b",
        "crates/fiber/src/lib.rs": b"f",
        "crates/wasmtime/src/lib.rs": b"wasmtime",
    }
    modes = {entry.path: entry.mode for entry in store.list_tree(release.tree)}
    assert modes["crates/fiber/build.rs"] == "100755"
    assert modes["crates/fiber/src/lib.rs"] == "100644"
    assert [(pin.name, pin.version, pin.path, pin.commit) for pin in release.crates] == [
        ("cranelift-codegen", "0.95.1", "cranelift/codegen", COMMIT),
        ("wasmtime", "8.0.1", "crates/wasmtime", COMMIT),
        ("wasmtime-fiber", "8.0.1", "crates/fiber", COMMIT),
    ]
    assert release.flags == ()
    assert release.commit == COMMIT


def test_a_crate_inside_another_ones_folder_is_placed_there(store: Store, shelf: Shelf) -> None:
    shelf.put("wasmtime-inner", "crates/wasmtime/inner")
    release = bring(store, shelf)
    assert contents(store, release.tree) == {
        "crates/wasmtime/src/lib.rs": b"wasmtime",
        "crates/wasmtime/inner/src/lib.rs": b"wasmtime-inner",
    }


def test_a_crate_at_the_root_of_the_repository_is_placed_around_the_others(
    store: Store, shelf: Shelf
) -> None:
    # as wasmtime-cli is
    shelf.put("wasmtime-cli", "", {"src/main.rs": "cli", "Cargo.toml": "manifest"})
    release = bring(store, shelf)
    assert contents(store, release.tree) == {
        "Cargo.toml": b"manifest",
        "crates/wasmtime/src/lib.rs": b"wasmtime",
        "src/main.rs": b"cli",
    }
    owners = {path: owner.name for path in contents(store, release.tree) if (owner := release.owner(path))}
    assert owners == {
        "Cargo.toml": "wasmtime-cli",
        "crates/wasmtime/src/lib.rs": "wasmtime",
        "src/main.rs": "wasmtime-cli",
    }


@pytest.mark.parametrize("path", ["inner/src/lib.rs", "Inner/SRC/lib.rs", "inner"])
def test_crates_whose_files_meet_are_refused(store: Store, shelf: Shelf, path: str) -> None:
    shelf.put("wasmtime-outer", "crates/outer", {path: "the outer one's"})
    shelf.put("wasmtime-inner", "crates/outer/inner")
    with pytest.raises(RepositoryError, match=r"are one file on some systems|is a file and a folder"):
        bring(store, shelf)
    assert store.refs(REFS) == {}


def test_a_crate_that_does_not_say_where_it_comes_from_is_refused(store: Store, shelf: Shelf) -> None:
    shelf.put("wasmtime-odd", None)
    with pytest.raises(RepositoryError, match=r"wasmtime-odd 8\.0\.1 does not say where") as caught:
        bring(store, shelf)
    assert "0.40" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("other", "flagged"), [("8.0.2", "8.0.2"), ("8.0.0", "8.0.0"), ("0.1.0+build", "0.1.0+build")]
)
def test_it_is_placed_as_the_nearest_version_that_says_so(
    store: Store, shelf: Shelf, other: str, flagged: str
) -> None:
    shelf.put("wasmtime-odd", None)
    shelf.put("wasmtime-odd", "crates/odd", version=other)
    wanted = [entry for entry in shelf.entries() if entry.name != "wasmtime-odd"]
    odd = shelf.source.entries("wasmtime-odd")["8.0.1"]
    release = importer.import_release(store, shelf.source, V8, OwnCrates((*wanted, odd)), roots=("wasmtime",))
    assert release.crate("wasmtime-odd").path == "crates/odd"
    assert (
        f"wasmtime-odd 8.0.1 does not say where upstream keeps it, and is placed as {flagged}"
        in release.flags
    )


def test_the_later_neighbour_is_asked_first(store: Store, shelf: Shelf) -> None:
    shelf.put("wasmtime-odd", None)
    shelf.put("wasmtime-odd", "crates/before", version="8.0.0")
    shelf.put("wasmtime-odd", "crates/behind", version="9.0.0")
    wanted = [entry for entry in shelf.entries() if entry.name != "wasmtime-odd"]
    odd = shelf.source.entries("wasmtime-odd")["8.0.1"]
    release = importer.import_release(store, shelf.source, V8, OwnCrates((*wanted, odd)), roots=("wasmtime",))
    assert release.crate("wasmtime-odd").path == "crates/behind"


def test_two_crates_of_one_place_are_refused(store: Store, shelf: Shelf) -> None:
    shelf.put("wasmtime-twin", "crates/wasmtime", {"src/other.rs": ""})
    with pytest.raises(RepositoryError, match="wasmtime-twin and wasmtime both come from crates/wasmtime"):
        bring(store, shelf)


def test_a_crate_of_another_commit_is_flagged(store: Store, shelf: Shelf) -> None:
    shelf.put("pulley-interpreter", "pulley", version="0.1.0", commit="f" * 40)
    release = bring(store, shelf)
    assert release.flags == (f"pulley-interpreter 0.1.0 was packed from {'f' * 40}",)
    assert release.commit == COMMIT
    assert release.crate("pulley-interpreter").commit == "f" * 40


def test_hostile_bytes_are_refused(store: Store, shelf: Shelf) -> None:
    shelf.put("wasmtime-evil", "crates/evil", {"../../x": ""})
    with pytest.raises(RepositoryError, match=r"has an empty, \. or \.\. part"):
        bring(store, shelf)
    assert store.refs(REFS) == {}


# -- what is remembered -----------------------------------------------------------------------------


def import_upstream(
    store: Store,
    upstream: Upstream,
    release: Release = V8,
    *,
    roots: tuple[str, ...] = ("wasmtime",),
    before: Callable[[IndexEntry], None] = lambda _entry: None,
    on_crate: importer.OnCrate = lambda _entry: None,
) -> ImportedRelease:
    source = Other(LocalRegistry(upstream.folder), before)
    entries = resolve.own_crates(source, roots, release, own=OWN_PACKAGES)
    return importer.import_release(store, source, release, entries, roots=roots, on_crate=on_crate)


def test_a_release_is_remembered_as_it_was_imported(store: Store, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    assert importer.load(store, V8, ("wasmtime",)) is None
    release = import_upstream(store, upstream)
    assert importer.load(store, V8, ("wasmtime",)) == release
    assert importer.load(store, V8, ("wasmtime", "wasmtime-wasi")) is None
    assert importer.load(store, Release(9, 0, 0), ("wasmtime",)) is None
    assert (release.release, release.roots, release.published) == (V8, ("wasmtime",), "2024-01-02T03:04:05Z")
    assert set(store.refs(REFS)) == {"upstream/8.0.1", "lock/8.0.1"}
    lock = json.loads(store.read_blob(f"{importer.LOCK}8.0.1"))
    assert (lock["schema"], lock["tree"], len(lock["crates"])) == (1, release.tree, 7)


def test_imported_releases_are_listed_in_their_order(store: Store, upstream: Upstream) -> None:
    assert importer.imported(store) == ()
    for version in ("10.0.0", "9.0.4", "9.0.4-rc.1"):
        upstream.publish(version)
        import_upstream(store, upstream, Release.parse(version))
    assert [str(r) for r in importer.imported(store)] == ["9.0.4-rc.1", "9.0.4", "10.0.0"]


def test_the_commit_tells_what_it_holds(store: Store, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    release = import_upstream(store, upstream)
    text = store._git("cat-file", "commit", f"{importer.UPSTREAM}8.0.1").decode()
    head, _, message = text.partition("\n\n")
    moment = "1704164645 +0000"  # 2024-01-02T03:04:05Z
    assert head.splitlines() == [
        f"tree {release.tree}",
        f"author patchbot <patchbot@invalid> {moment}",
        f"committer patchbot <patchbot@invalid> {moment}",
    ]
    assert message.startswith("wasmtime 8.0.1, as published\n\nwasmtime 8.0.1 ")
    assert message.endswith(f"\n\nUpstream-Commit: {COMMIT}\n")
    assert all(f"{pin.name} {pin.version} {pin.sha256}\n" in message for pin in release.crates)


def test_a_registry_that_gives_no_dates_gives_the_year_of_the_beginning(
    store: Store, upstream: Upstream
) -> None:
    upstream.publish("8.0.1", pubtime=None)
    release = import_upstream(store, upstream)
    assert release.published == "1970-01-01T00:00:00Z"
    assert b"> 0 +0000\n" in store._git("cat-file", "commit", f"{importer.UPSTREAM}8.0.1")


def test_two_stores_get_the_same_ids_whatever_comes_first(tmp_path: Path, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    last_first = threading.Event()

    def hold_back(entry: IndexEntry) -> None:
        if entry.name == "wasmtime-runtime":
            last_first.set()
        elif entry.name == "wasmtime":
            assert last_first.wait(20)

    ids = []
    for number, before in enumerate((lambda _entry: None, hold_back)):
        with Store.open(tmp_path / f"{number}.git") as store:
            told: list[str] = []
            release = import_upstream(store, upstream, before=before, on_crate=lambda e, told=told: told.append(e.name))  # type: ignore[misc]  # fmt: skip
            assert sorted(told) == [pin.name for pin in release.crates]
            ids.append((release, store.refs(REFS)))
    assert ids[0] == ids[1]


def test_importing_again_changes_nothing(store: Store, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    release = import_upstream(store, upstream)
    refs = store.refs(REFS)
    assert import_upstream(store, upstream) == release
    assert store.refs(REFS) == refs


def test_other_roots_make_another_release_of_it(store: Store, upstream: Upstream) -> None:
    upstream.publish("8.0.1")
    first = import_upstream(store, upstream)
    roots = ("wasmtime-runtime",)
    second = import_upstream(store, upstream, roots=roots)
    assert {pin.name for pin in second.crates} < {pin.name for pin in first.crates}
    assert second.tree != first.tree
    assert importer.load(store, V8, roots) == second
    assert importer.load(store, V8, ("wasmtime",)) is None
    assert store.tree_of(f"{importer.UPSTREAM}8.0.1") == second.tree


# -- interruptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [EnvironmentProblem("no network"), KeyboardInterrupt(), RuntimeError("bug")]
)
def test_an_interrupted_import_leaves_nothing_that_is_trusted(
    store: Store, upstream: Upstream, failure: BaseException
) -> None:
    upstream.publish("8.0.1")

    def fail(entry: IndexEntry) -> None:
        if entry.name == "wasmtime-environ":
            raise failure

    for hooks in ({"before": fail}, {"on_crate": fail}):
        with pytest.raises(type(failure)):
            import_upstream(store, upstream, **hooks)  # type: ignore[arg-type]
        assert store.refs(REFS) == {}
        assert importer.load(store, V8, ("wasmtime",)) is None
    assert importer.load(store, V8, ("wasmtime",)) is None
    release = import_upstream(store, upstream)
    assert importer.load(store, V8, ("wasmtime",)) == release


def test_the_first_failure_stops_what_has_not_begun(store: Store, shelf: Shelf) -> None:
    for number in range(200):
        shelf.put(f"wasmtime-{number:03}", f"crates/{number}")
    asked: list[str] = []

    def fail(entry: IndexEntry) -> None:
        asked.append(entry.name)
        raise EnvironmentProblem("no network")

    with pytest.raises(EnvironmentProblem):
        importer.import_release(
            store, Other(shelf.source, fail), V8, OwnCrates(tuple(shelf.entries())), roots=("wasmtime",)
        )
    assert len(asked) < 200


@pytest.mark.parametrize("step", ["commit_tree", "write_blob", "update_refs"])
def test_a_store_that_fails_keeps_the_earlier_import(
    store: Store, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    upstream.publish("8.0.1")
    release = import_upstream(store, upstream)
    refs = store.refs(REFS)

    def fail(*_: object) -> None:
        raise RepositoryError("the disk is full")

    monkeypatch.setattr(store, step, fail)
    with pytest.raises(RepositoryError):
        import_upstream(store, upstream, roots=("wasmtime-runtime",))
    assert store.refs(REFS) == refs
    assert importer.load(store, V8, ("wasmtime",)) == release


@pytest.mark.parametrize("moved", [importer.UPSTREAM, importer.LOCK])
def test_both_refs_move_or_none(
    store: Store, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    upstream.publish("8.0.1")
    import_upstream(store, upstream)
    refs = store.refs(REFS)
    another = store.write_blob(b"{}") if moved == importer.LOCK else store.commit_series(
        refs["upstream/8.0.1"], [((), CommitText(message="x", author=importer.AUTHOR, date="0 +0000"))]
    )[0]  # fmt: skip
    update = store.update_refs

    def race(updates: Mapping[str, tuple[str, str | None]]) -> None:
        update({f"{moved}8.0.1": (another, refs[f"{moved}8.0.1".removeprefix(REFS)])})
        update(updates)

    monkeypatch.setattr(store, "update_refs", race)
    with pytest.raises(RepositoryError, match="update-ref failed"):
        import_upstream(store, upstream, roots=("wasmtime-runtime",))
    assert store.refs(REFS) == {**refs, f"{moved}8.0.1".removeprefix(REFS): another}


def test_an_entry_with_other_bytes_than_its_digest_is_refused(store: Store, shelf: Shelf) -> None:
    entries = [dataclasses.replace(entry, sha256="0" * 64) for entry in shelf.entries()]
    with pytest.raises(RepositoryError, match="but the index says 0000"):
        importer.import_release(store, shelf.source, V8, OwnCrates(tuple(entries)), roots=("wasmtime",))
    assert store.refs(REFS) == {}


def test_what_was_never_published_is_remembered_and_flagged(store: Store, shelf: Shelf) -> None:
    missing = (MissingCrate("wasmtime-environ", "8.0.1", needed_by="wasmtime"),)
    crates = OwnCrates(tuple(shelf.entries()), missing)
    release = importer.import_release(store, shelf.source, V8, crates, roots=("wasmtime",))
    assert importer.load(store, V8, ("wasmtime",)) == release
    assert release.missing == missing
    assert "wasmtime-environ 8.0.1 was never published, and wasmtime needs it" in release.flags


def test_what_an_earlier_patchbot_wrote_is_imported_again(store: Store, shelf: Shelf) -> None:
    bring(store, shelf)
    ref = f"{importer.LOCK}8.0.1"
    written = store.resolve(ref)
    assert written is not None
    old = json.loads(store.read_blob(written))
    del old["missing"]
    store.update_refs({ref: (store.write_blob(json.dumps(old).encode()), written)})
    assert importer.load(store, V8, ("wasmtime",)) is None
