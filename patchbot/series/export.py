"""A series as commits in the store and as files in ``patches/<release>/``, each proved to give the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from patchbot import files, state
from patchbot.errors import ConfigError, RepositoryError
from patchbot.git.commits import CommitText, TreeChange
from patchbot.git.store import Store
from patchbot.model import ImportedRelease, Rewrite, Suffix, TreeFile, Verdict
from patchbot.series import lock as locks
from patchbot.series import message as messages
from patchbot.series.policy import PatchKind

SERIES = "refs/patchbot/series/"
UPSTREAM = "refs/patchbot/upstream/"
ORDER = "series"


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a series: its mail, and what it changes."""

    name: str
    mail: bytes
    stat: messages.Diffstat

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}.patch"


@dataclass(frozen=True, slots=True)
class Series:
    """The patches of a release in their order, and the lock that goes with them."""

    lock: locks.Lock
    patches: tuple[Patch, ...]

    def files(self) -> dict[str, bytes]:
        """Return the files of the release's folder, by name."""
        order = "".join(f"{patch.file_name}\n" for patch in self.patches)
        return {
            ORDER: order.encode(),
            **{patch.file_name: patch.mail for patch in self.patches},
            locks.FILE_NAME: rendered(self.lock),
        }


@lru_cache(maxsize=4)  # the lock of one release is asked for by whoever compares, writes or remembers it
def rendered(lock: locks.Lock) -> bytes:
    """Return the bytes of a lock's file."""
    return locks.render(lock)


@dataclass(frozen=True, slots=True)
class CarriedPatch:
    """A hand-written patch of a release: where it comes from, how it fared, and the commit that it makes.

    ``changes`` and ``text`` mean something only if the verdict is an applied one.
    """

    name: str
    identity: str
    verdict: Verdict
    changes: tuple[TreeChange, ...] = ()
    text: CommitText | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A patch before it is exported: its row of the lock without what the export gives, and its commit."""

    row: locks.LockedPatch
    files: Sequence[TreeFile | TreeChange]
    text: CommitText


def build(
    store: Store,
    release: ImportedRelease,
    rewrites: Sequence[Rewrite],
    rules: Mapping[str, messages.Rules],
    suffix: Suffix,
    carried: Sequence[CarriedPatch] = (),
    *,
    proofs: Path | None = None,
) -> Series:
    """Commit carried patches and rewrites on top of the release, export them as mails, and prove the mails.

    Stock ``git apply`` and ``git am`` must both turn the release's tree into the tree of the last commit:
    they put text where it fits, the rewrites say where it must be.  What a git has proved is remembered in the
    file ``proofs`` and not asked of it again.  Moves ``refs/patchbot/series/…``.

    Raises ``RepositoryError`` if they disagree.
    """
    base = store.resolve(f"{UPSTREAM}{release.release}")
    if base is None:
        raise RepositoryError(f"{release.release} was not imported", where=store.path)
    drafts = [*_carried(carried), *_generated(store, release, rewrites, rules, suffix, carried)]
    steps = [(draft.files, draft.text) for draft in drafts]
    commits = store.commit_series(base, steps) if steps else ()
    tip = commits[-1] if commits else base
    exported = store.mails(base, tip)
    patches = tuple(
        Patch(draft.row.name, mail, messages.check(mail, draft.row.name, [f.path for f in draft.files]))
        for draft, mail in zip(drafts, exported, strict=True)
    )
    result = store.tree_of(tip)
    rows = {
        patch.name: replace(
            draft.row,
            sha256=hashlib.sha256(patch.mail).hexdigest(),
            files=tuple(sorted(patch.stat.files)),
        )
        for draft, patch in zip(drafts, patches, strict=True)
    }
    said = state.key(
        state.code("series"), store.git_version, release.tree, result, *(row.sha256 for row in rows.values())
    )
    if proofs is None or state.recall(proofs, said) is None:
        _prove(store, release, exported, [patch.stat for patch in patches], result)
        if proofs is not None:
            state.remember(proofs, said, store.git_version)
    dropped = {p.name: _row(p) for p in carried if not p.verdict.applied}
    lock = locks.Lock(
        release=release.release,
        suffix=suffix,
        tool=locks.TOOL,
        roots=release.roots,
        commit=release.commit,
        published=release.published,
        base_tree=release.tree,
        result_tree=result,
        patches=(*rows.values(), *dropped.values()),
        crates=locks.lock_crates(release),
    )
    ref = f"{SERIES}{release.release}"
    store.update_refs({ref: (tip, store.resolve(ref))})
    return Series(lock, patches)


def _row(patch: CarriedPatch) -> locks.LockedPatch:
    kind = PatchKind.CARRIED.value
    return locks.LockedPatch(patch.name, kind, patch.identity, "", patch.verdict, ())


def _carried(patches: Sequence[CarriedPatch]) -> Iterator[_Draft]:
    for patch in patches:
        if patch.text is not None and patch.verdict.applied:
            yield _Draft(_row(patch), patch.changes, patch.text)


def _generated(
    store: Store,
    release: ImportedRelease,
    rewrites: Sequence[Rewrite],
    rules: Mapping[str, messages.Rules],
    suffix: Suffix,
    carried: Sequence[CarriedPatch],
) -> Iterator[_Draft]:
    modes = {entry.path: entry.mode for entry in store.list_tree(release.tree)}
    modes.update({change.path: change.mode for patch in carried for change in patch.changes})
    date = f"{int(datetime.fromisoformat(release.published).timestamp())} +0000"
    kind = PatchKind.GENERATED.value
    for rewrite in rewrites:
        yield _Draft(
            locks.LockedPatch(rewrite.name, kind, rewrite.digest, "", Verdict.REGENERATED, ()),
            [TreeFile(path, data, modes[path] == "100755") for path, data in sorted(rewrite.files.items())],
            CommitText(
                message=messages.message(rewrite, rules[rewrite.name], release, suffix),
                author=messages.AUTHOR,
                date=date,
            ),
        )


def recall(store: Store, lock: locks.Lock) -> Series | None:
    """Return the series of a lock from the commits in the store, or None if these are no longer its own.

    It is not proved again: these are the bytes that were.
    """
    base, tip = (store.resolve(f"{prefix}{lock.release}") for prefix in (UPSTREAM, SERIES))
    if base is None or tip is None or store.tree_of(tip) != lock.result_tree:
        return None
    exported = store.mails(base, tip)
    if [hashlib.sha256(mail).hexdigest() for mail in exported] != [patch.sha256 for patch in lock.applied]:
        return None  # another git may spell mails in another way
    stats = map(messages.diffstat, exported)
    names = (patch.name for patch in lock.applied)
    patches = tuple(Patch(*parts) for parts in zip(names, exported, stats, strict=True))
    return Series(replace(lock, tool=locks.TOOL), patches)


def _prove(
    store: Store,
    release: ImportedRelease,
    exported: Sequence[bytes],
    stats: Sequence[messages.Diffstat],
    result: str,
) -> None:
    if not exported:
        return
    applied = store.apply(release.tree, exported)
    if applied != result:
        raise RepositoryError(
            f"git apply gives the tree {applied}, the series {result}", where=release.release
        )
    touched = {path for stat in stats for path in stat.files}
    expected = {e.path: e.oid for e in store.list_tree(result) if e.path in touched}
    with store.checkout(release.tree, touched) as folder:
        given = store.am(folder, exported)
    if given != expected:
        odd = sorted(path for path in touched if given.get(path) != expected.get(path))
        raise RepositoryError(f"git am gives another {', '.join(odd)} than the series", where=release.release)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a release's folder by name; empty if there is no such folder."""
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def differences(series: Series, folder: Path) -> dict[str, str]:
    """Return what differs between a series and its folder: file name → what is wrong with it.

    The tool's version in the lock is no difference: a new patchbot that makes the same patches leaves the
    folder alone.
    """
    there = read_folder(folder)
    strays = {entry.name for entry in folder.iterdir()} - there.keys() if folder.is_dir() else set()
    wanted = _with_tool_of(series, there.get(locks.FILE_NAME)).files()
    out = {}
    for name in sorted(wanted.keys() | there.keys() | strays):
        if name in strays or name not in wanted:
            out[name] = "does not belong here"
        elif name not in there:
            out[name] = "is missing"
        elif wanted[name] != there[name]:
            out[name] = "differs from what is generated"
    return out


def _with_tool_of(series: Series, committed: bytes | None) -> Series:
    if committed is None:
        return series
    try:
        tool = locks.parse(committed, where=locks.FILE_NAME).tool
    except ConfigError:  # whatever stands there is no lock, and so differs
        return series
    return replace(series, lock=replace(series.lock, tool=tool))


def write_folder(series: Series, folder: Path) -> bool:
    """Make ``folder`` hold exactly the series; return whether anything had to change."""
    if not differences(series, folder):
        return False
    files.replace_folder(folder, series.files())
    return True
