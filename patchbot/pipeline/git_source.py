"""Upstream's git repository, as a second source: a scan from a tag alone, and crates held against their tag."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from patchbot import files, state
from patchbot.errors import EnvironmentProblem, Findings, PatchbotError, RepositoryError
from patchbot.git import remote
from patchbot.git.borrowed import borrow
from patchbot.git.reach import Origin
from patchbot.git.store import Store, TreeEntry
from patchbot.model import CratePin, ImportedRelease, Inventory, JsonObject, Release
from patchbot.pipeline import imports, many, suffixes, sync
from patchbot.pipeline.many import Outcome
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace
from patchbot.upstream import differences, manifests, resolve, tags
from patchbot.upstream.differences import Differences
from patchbot.upstream.git_tree import SYMLINK, GitTree
from patchbot.upstream.manifests import Packages
from patchbot.upstream.tags import Tag

SEEN = "refs/patchbot/git/"  # what the tag of a release named when it was last asked for


# -- a scan from a tag alone ------------------------------------------------------------------------


def scan(work: Workspace, address: str, name: str) -> tuple[ImportedRelease, Inventory]:
    """Scan the release of a tag from a git repository: no registry takes part.

    ``address`` is a folder or a URL.  The release has the crates that the configured roots reach, and of each
    the files that cargo would pack.

    Raises ``UsageError`` if ``name`` is no release's tag, ``RepositoryError`` if the tag does not hold that
    release.
    """
    release = tags.release_of(name)
    source = remote.origin(address, Path.cwd())
    with _opened(work, source, release) as (store, tag):
        tree = _read_tree(store, tag.tree)
        packages = _read_packages(store, tree)
        imported, entries = _release(work, store, tag, tree, packages)
        key = state.key(state.code("symbols", "upstream"), tag.tree, imported.to_json(), work.policy_digest)
        file = work.memory(release, "scan-git")
        known = state.recall(file, key)
        if known is not None:
            return imported, Inventory.from_json(known)
        sources = {
            entry.path: found.data for entry, found in zip(entries, store.read_files(entries), strict=True)
        }
    for pin in imported.crates:
        sources[posixpath.join(pin.path, manifests.FILE_NAME)] = packages.of(pin.entry).manifest
    from patchbot.symbols.scan import scan as scan_sources  # noqa: PLC0415 - parsers load only where needed

    with work.reporter.task(f"scan {tag.name}"):
        inventory = scan_sources(imported, sources, work.policy.names, work.readings).inventory
    state.remember(file, key, inventory.to_json())
    return imported, inventory


@contextmanager
def _opened(work: Workspace, source: Origin, release: Release) -> Iterator[tuple[Store, Tag]]:
    """Give a store that has a tag's objects: those of a folder are borrowed, all others fetched."""
    if source.folder is None:
        tag = _fetched(work, source, release)
        _see(work, tag)
        yield work.store, tag
        return
    name = tags.name_of(release)
    commit = remote.find_tag(work.store, source, name)
    with borrow(source.folder) as store:
        yield store, Tag(release, name, commit, store.tree_of(commit))


def _release(
    work: Workspace, store: Store, tag: Tag, tree: GitTree, packages: Packages
) -> tuple[ImportedRelease, list[TreeEntry]]:
    """Return the release that a tag holds, and its files."""
    roots = work.config.upstream.roots
    held = packages.entries(roots[0])
    if str(tag.release) not in held:
        versions = f"{roots[0]} {', '.join(held)}" if held else f"no {roots[0]}"
        raise RepositoryError(f"the tag {tag.name} has {versions}, not {tag.release}", where=tag.commit)
    crates = resolve.own_crates(packages, roots, tag.release, own=work.config.upstream.own)
    entries, flags = [], [f"{path} cannot be read: {why}" for path, why in packages.unread.items()]
    for entry in crates.entries:
        found, left_out = tree.crate_files(packages.of(entry))
        entries += found
        flags += left_out
    pins = tuple(CratePin(entry, packages.of(entry).path, tag.commit) for entry in crates.entries)
    for flag in flags:
        work.reporter.say(f"scan {tag.name}: {flag}")
    imported = ImportedRelease(
        release=tag.release,
        roots=tuple(roots),
        commit=tag.commit,
        tree=tag.tree,
        published=_committed_at(store, tag.commit),
        crates=pins,
        flags=tuple(flags),
        missing=crates.missing,
    )
    return imported, sorted(entries, key=lambda entry: entry.path)


def _committed_at(store: Store, commit: str) -> str:
    """Return when a commit was made, as RFC 3339."""
    found = store.find_object(commit)
    head = found[1].partition(b"\n\n")[0] if found is not None else b""
    line = next(line for line in head.split(b"\n") if line.startswith(b"committer "))
    return datetime.fromtimestamp(int(line.split()[-2]), UTC).isoformat().replace("+00:00", "Z")


def _read_tree(store: Store, tree: str) -> GitTree:
    entries = {entry.path: entry for entry in store.list_tree(tree)}
    links = [entry for entry in entries.values() if entry.mode == SYMLINK]
    # as git has paths: bytes that are not UTF-8 are kept
    words = {file.path: file.data.decode("utf-8", "surrogateescape") for file in store.read_files(links)}
    return GitTree(entries, words)


def _read_packages(store: Store, tree: GitTree) -> Packages:
    found = {
        path: tree.follow(path) for path in tree.entries if posixpath.basename(path) == manifests.FILE_NAME
    }
    entries = [TreeEntry(path, entry.mode, entry.oid) for path, entry in found.items() if entry is not None]
    return manifests.read({file.path: file.data for file in store.read_files(entries)})


# -- crates held against their tag --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """A release's crates beside its tag.

    ``packed`` is the commit that the crates name.  ``locked`` is what the lock says of the tag; its commit is
    another one if the tag was moved to one with the same files.
    """

    tag: Tag
    locked: Tag
    packed: str
    differences: Differences

    def to_json(self) -> JsonObject:
        """Spell the comparison as ``sync --json`` does."""
        return {
            "tag": self.tag.name,
            "commit": self.tag.commit,
            "tree": self.tag.tree,
            "locked_commit": self.locked.commit,
            "crates_commit": self.packed,
            **self.differences.to_json(),
        }


def sync_all(
    work: Workspace, releases: Sequence[Release], address: str, *, jobs: int
) -> tuple[list[Outcome[Synced]], dict[Release, Compared]]:
    """Make the series of every release whose crates are what its tag in ``address`` has, file by file.

    What each tag names is locked in ``patches/tags.toml``.  The outcome of a release whose tag was moved to
    other files is ``RepositoryError``, that of one with files which nothing explains ``Findings``; neither's
    series is made.
    """
    suffixes.refuse_shared(work, releases)
    source = remote.origin(address, Path.cwd())
    found = _lock_tags(work, source, releases)
    seen = {release: tag for release, tag in found.items() if isinstance(tag, _Seen)}
    made = dict(many.each(work, list(seen), partial(_sync, seen), title="sync", jobs=jobs))
    done: list[Outcome[Synced]] = []
    compared = {}
    for release in releases:
        outcome = made.get(release)
        if isinstance(outcome, tuple):
            compared[release], result = outcome
            done.append((release, result))
        else:
            failure = outcome if outcome is not None else found[release]
            assert isinstance(failure, PatchbotError)  # noqa: S101 - a tag that was seen has an outcome
            done.append((release, failure))
    return done, compared


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a tag names now, and what the lock says."""

    tag: Tag
    locked: Tag


def _lock_tags(
    work: Workspace, source: Origin, releases: Sequence[Release]
) -> Mapping[Release, _Seen | PatchbotError]:
    """Fetch the tags of releases and lock what is new; a tag that cannot be had does not keep the others."""
    file = work.config.patches / tags.FILE_NAME
    locked = tags.parse(file.read_bytes(), where=file) if file.is_file() else {}
    out: dict[Release, _Seen | PatchbotError] = {}
    for release in releases:
        try:
            tag = _fetched(work, source, release)
            seen = _Seen(tag, locked.get(release, tag))
            _refuse_moved(work, source, seen)
            _see(work, tag)
            out[release] = seen
        except PatchbotError as error:
            out[release] = error
    new = {
        release: seen.tag
        for release, seen in out.items()
        if isinstance(seen, _Seen) and release not in locked
    }
    if new:
        files.write(file, tags.render({**locked, **new}), durable=True)
    return out


def _refuse_moved(work: Workspace, source: Origin, seen: _Seen) -> None:
    tag, locked = seen.tag, seen.locked
    if tag.commit == locked.commit:
        return
    if tag.tree == locked.tree:
        work.reporter.warn(
            f"{tag.name} named {locked.commit} and now names {tag.commit}: the same files, so nothing changes"
        )
        return
    raise RepositoryError(
        f"{tag.name} was moved: it named {locked.commit}, and now names {tag.commit}, which has other files",
        where=source,
        hint=f"find out why before anything else; to take it, remove {tag.release} from patches/{tags.FILE_NAME}. "
        "Nothing was written",
    )


def _fetched(work: Workspace, source: Origin, release: Release) -> Tag:
    """Return what a release's tag names, with its objects in the store; fetched unless they are there."""
    name = tags.name_of(release)
    known = work.store.resolve(f"{SEEN}{release}")
    if work.offline and source.folder is None:
        if known is None:
            raise EnvironmentProblem(
                f"{name} was not fetched before", where=source, hint="run once without --offline"
            )
        return Tag(release, name, known, work.store.tree_of(known))
    commit = remote.find_tag(work.store, source, name)
    if commit != known:
        with work.reporter.task(f"fetch {name}"):
            remote.take(work.store, source, name, commit)
    return Tag(release, name, commit, _tree_of(work.store, source, name, commit))


def _tree_of(store: Store, source: Origin, name: str, commit: str) -> str:
    found = store.find_object(commit)
    if found is None or found[0] != "commit":
        raise RepositoryError(f"the tag {name} names no commit", where=source)
    return store.tree_of(commit)


def _see(work: Workspace, tag: Tag) -> None:
    ref = f"{SEEN}{tag.release}"
    known = work.store.resolve(ref)
    if known != tag.commit:
        work.store.update_refs({ref: (tag.commit, known)})


def _sync(
    seen: Mapping[Release, _Seen], work: Workspace, release: Release
) -> tuple[Compared, Synced | PatchbotError]:
    imported = imports.import_whole(work, release)
    compared = _compare(work, imported, seen[release])
    try:
        _refuse_unexplained(compared, release)
        return compared, sync.sync(work, release)
    except PatchbotError as error:
        return compared, error


def _compare(work: Workspace, imported: ImportedRelease, seen: _Seen) -> Compared:
    tree = _read_tree(work.store, seen.tag.tree)
    packages = {package.path: package for package in _read_packages(work.store, tree).packages}
    copied = {
        f"{pin.prefix}{name}": path
        for pin in imported.crates
        if pin.path in packages
        for name, path in packages[pin.path].copied.items()
    }
    found = differences.compare(imported.crates, work.store.list_tree(imported.tree), tree, copied)
    return Compared(seen.tag, seen.locked, imported.commit, found)


def _refuse_unexplained(compared: Compared, release: Release) -> None:
    rows = compared.differences.unexplained
    if rows:
        name = compared.tag.name
        lines = "\n".join(f"  {row.path}: {row.why}" for row in rows)
        raise Findings(
            f"the crates of wasmtime {release} have files that are not those of {name}:\n{lines}",
            hint=f"`git -C .patchbot/store.git diff {SEEN}{release} refs/patchbot/upstream/{release} -- PATH` "
            "shows one; no series was made",
        )
