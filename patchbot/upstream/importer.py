"""Bring a release into the store: download, check, unpack, place, commit.

Each crate is placed where upstream's repository has it, so that a patch fits this tree and a git checkout
of the tag alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest

from patchbot.errors import RepositoryError, UsageError
from patchbot.git.commits import CommitText
from patchbot.git.store import Store
from patchbot.model import CratePin, ImportedRelease, IndexEntry, MissingCrate, Release, TreeFile
from patchbot.upstream.resolve import OwnCrates
from patchbot.upstream.source import Source
from patchbot.upstream.unpack import VCS_INFO, Unpacked, refuse_twins, unpack
from patchbot.upstream.web import CONNECTIONS

AUTHOR = "patchbot <patchbot@invalid>"
UPSTREAM = "refs/patchbot/upstream/"
LOCK = "refs/patchbot/lock/"

NEIGHBOURS = 4  # versions of a crate that are asked where it is kept

OnCrate = Callable[[IndexEntry], None]


def load(store: Store, release: Release, roots: Sequence[str]) -> ImportedRelease | None:
    """Return the release as it was imported with these roots, or None."""
    data = store.blob(f"{LOCK}{release}")
    if data is None:
        return None
    try:
        imported = _read(data)
    except KeyError:  # an earlier patchbot wrote less
        return None
    return imported if imported.roots == tuple(roots) else None


@lru_cache(maxsize=16)  # every release asks for those that the forms of its hand-written patches are for
def _read(data: bytes) -> ImportedRelease:
    return ImportedRelease.from_json(json.loads(data))


def imported(store: Store) -> tuple[Release, ...]:
    """Return the releases that the store holds, oldest first."""
    return tuple(sorted(Release.parse(name) for name in store.refs(LOCK)))


def import_release(
    store: Store,
    source: Source,
    release: Release,
    crates: OwnCrates,
    *,
    roots: Sequence[str],
    on_crate: OnCrate = lambda _entry: None,
) -> ImportedRelease:
    """Download the crates of a release and commit them as one tree; return what was imported.

    ``crates`` are all that the release has (``resolve.own_crates``).  Refs move last and together, so an
    interrupted import leaves nothing that a later run would trust; downloads are kept.

    Raises ``RepositoryError`` for bytes that are not what the index says, or hostile.
    """
    unpacked = _download(source, crates.entries, on_crate)
    unpacked, guessed = _located(source, unpacked)
    pins = tuple(CratePin(entry, _place_of(entry, crate), crate.commit) for entry, crate in unpacked)
    root = next(pin for pin in pins if pin.name == roots[0])
    published = root.entry.published or "1970-01-01T00:00:00Z"
    commit = store.commit_tree(
        _place(unpacked),
        CommitText(
            message=_message(release, root, pins),
            author=AUTHOR,
            date=f"{int(datetime.fromisoformat(published).timestamp())} +0000",
        ),
    )
    result = ImportedRelease(
        release=release,
        roots=tuple(roots),
        commit=root.commit,
        tree=store.tree_of(commit),
        published=published,
        crates=pins,
        flags=(*guessed, *_flags(root, pins, crates.missing)),
        missing=crates.missing,
    )
    lock = store.write_blob(json.dumps(result.to_json(), indent=1, sort_keys=True).encode())
    refs = {f"{UPSTREAM}{release}": commit, f"{LOCK}{release}": lock}
    store.update_refs({ref: (new, store.resolve(ref)) for ref, new in refs.items()})
    return result


def _download(
    source: Source, entries: Sequence[IndexEntry], on_crate: OnCrate
) -> list[tuple[IndexEntry, Unpacked]]:
    """Download and unpack in parallel; the first failure stops what has not begun."""
    done: dict[str, Unpacked] = {}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        jobs = {pool.submit(source.crate, entry): entry for entry in entries}
        try:
            for job in as_completed(jobs):
                entry = jobs[job]
                done[entry.name] = unpack(job.result(), name=entry.name, version=entry.version)
                on_crate(entry)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [(entry, done[entry.name]) for entry in entries]


def _located(
    source: Source, crates: Sequence[tuple[IndexEntry, Unpacked]]
) -> tuple[list[tuple[IndexEntry, Unpacked]], list[str]]:
    """Give crates that do not say where upstream keeps them the place of their nearest version that does.

    wasmtime-wasi-http 9.0.0 was packed without ``.cargo_vcs_info.json``, unlike 9.0.1.
    """
    out: list[tuple[IndexEntry, Unpacked]] = []
    flags: list[str] = []
    for entry, crate in crates:
        located = crate if crate.path is not None else _like_neighbours(source, entry, crate, flags)
        out.append((entry, located))
    return out, flags


def _like_neighbours(source: Source, entry: IndexEntry, crate: Unpacked, flags: list[str]) -> Unpacked:
    versions = sorted(source.entries(entry.name).values(), key=lambda other: _order(other.version))
    at = versions.index(entry) if entry in versions else len(versions)
    near = [
        v for pair in zip_longest(versions[at + 1 :], reversed(versions[:at])) for v in pair if v is not None
    ]
    for other in near[:NEIGHBOURS]:
        found = unpack(source.crate(other), name=other.name, version=other.version)
        if found.path is not None:
            flags.append(
                f"{entry.name} {entry.version} does not say where upstream keeps it, and is placed as {other.version}"
            )
            return replace(crate, path=found.path)
    return crate


def _order(version: str) -> tuple[Release, str]:
    try:
        return Release.parse(version), version
    except UsageError:  # with build metadata, or none of semver's: at the end, whose neighbours say no less
        return Release(0, 0, 0), version


def _place(crates: Iterable[tuple[IndexEntry, Unpacked]]) -> list[TreeFile]:
    placed: list[TreeFile] = []
    owner: dict[str, str] = {}
    for entry, crate in crates:
        path = _place_of(entry, crate)
        if path in owner:
            raise RepositoryError(f"{entry.name} and {owner[path]} both come from {path or 'the root'}")
        owner[path] = entry.name
        prefix = CratePin(entry, path, crate.commit).prefix
        for file in crate.files:
            if file.path == VCS_INFO:  # says where the crate was packed; the lock keeps it
                continue
            placed.append(TreeFile(f"{prefix}{file.path}", file.data, file.executable))
    refuse_twins(placed, "the crates of one release")  # crates may be nested, and could then overlap
    return sorted(placed, key=lambda file: file.path)


def _place_of(entry: IndexEntry, crate: Unpacked) -> str:
    if crate.path is None:
        raise RepositoryError(
            f"{entry.name} {entry.version} does not say where upstream keeps it (no {VCS_INFO})",
            hint="releases before 0.40 cannot be imported from crates; is that crate upstream's own?",
        )
    return crate.path


def _message(release: Release, root: CratePin, pins: Sequence[CratePin]) -> str:
    lines = [
        f"wasmtime {release}, as published",
        "",
        *(f"{pin.name} {pin.version} {pin.sha256}" for pin in pins),
        "",
        f"Upstream-Commit: {root.commit}",
    ]
    return "\n".join(lines) + "\n"


def _flags(root: CratePin, pins: Sequence[CratePin], missing: Sequence[MissingCrate]) -> Iterable[str]:
    """Name crates that were never published, and those that were packed from another commit.

    Those whose version did not move (pulley-interpreter 0.1.0 through all of 24.0.x) name an older one.
    """
    for pin in pins:
        if pin.commit != root.commit:
            yield f"{pin.name} {pin.version} was packed from {pin.commit or 'an unknown commit'}"
    for crate in missing:
        yield f"{crate.name} {crate.version} was never published, and {crate.needed_by} needs it"
