"""The files of published crates beside those of upstream's tag: which are the same, and why others are not.

Pure, and by blob ids alone: nothing is read that is the same on both sides.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from patchbot.git.store import TreeEntry
from patchbot.model import CratePin, JsonObject
from patchbot.upstream.git_tree import SYMLINK, GitTree
from patchbot.upstream.manifests import FILE_NAME

ORIGINAL = f"{FILE_NAME}.orig"
_MADE = {ORIGINAL, "Cargo.lock"}  # and .cargo_vcs_info.json, which is not placed into a release's tree


class Fate(StrEnum):
    """What became of a file of the tag in a crate; the words of ``sync --json``.

    ``NORMALISED`` is a manifest that cargo spelled anew, beside the tag's own as ``Cargo.toml.orig``.
    ``FOLLOWED`` has the bytes of the file that a symlink, or the manifest's ``readme``, leads to.  ``MADE`` is
    cargo's own.  ``SUBMODULE`` is a file of another repository, so that nothing is known of it.  ``LEFT_OUT``
    is not in the crate.
    """

    SAME = "same"
    NORMALISED = "normalised"
    FOLLOWED = "followed"
    MADE = "made"
    SUBMODULE = "submodule"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A file of a crate that is not upstream's, as far as the tag tells."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Differences:
    """How many files had which fate, and those that had none of them."""

    counts: Mapping[Fate, int]
    unexplained: tuple[Unexplained, ...]

    def to_json(self) -> JsonObject:
        """Spell the counts and what is unexplained."""
        return {
            **{fate.value: self.counts.get(fate, 0) for fate in Fate},
            "unexplained": [{"path": row.path, "why": row.why} for row in self.unexplained],
        }


def compare(
    crates: Sequence[CratePin],
    published: Sequence[TreeEntry],
    tag: GitTree,
    copied: Mapping[str, str],
) -> Differences:
    """Compare the files of a release's crates with those that the tag has at the same paths.

    ``copied`` are files that cargo takes from elsewhere into a crate: path in the crate's folder → path in the
    repository.  A crate that names another commit than the release's is told with it.
    """
    folders = {pin.path: pin for pin in crates}
    ours = {entry.path: entry.oid for entry in published}
    counts = dict.fromkeys(Fate, 0)
    unexplained = []
    for path, oid in ours.items():
        fate = _fate(path, oid, ours, tag, copied, folders)
        if isinstance(fate, Fate):
            counts[fate] += 1
        else:
            unexplained.append(Unexplained(path, fate))
    for path in tag.entries:
        if path not in ours and _folder(path, folders) is not None:
            counts[Fate.LEFT_OUT] += 1
    return Differences(counts, tuple(unexplained))


def _fate(
    path: str,
    oid: str,
    ours: Mapping[str, str],
    tag: GitTree,
    copied: Mapping[str, str],
    folders: Mapping[str, CratePin],
) -> Fate | str:
    """Return a file's fate, or why it has none."""
    entry = tag.entries.get(path)
    if entry is not None and entry.oid == oid and entry.mode != SYMLINK:
        return Fate.SAME
    folder, name = posixpath.split(path)
    if folder in folders and name == FILE_NAME and _is(tag, path, ours.get(posixpath.join(folder, ORIGINAL))):
        return Fate.NORMALISED
    if folder in folders and name in _MADE:
        proved = name != ORIGINAL or _is(tag, posixpath.join(folder, FILE_NAME), oid)
        return Fate.MADE if proved else f"it is not the {FILE_NAME} of the tag"
    if _is(tag, path, oid) or _is(tag, copied.get(path, path), oid):
        return Fate.FOLLOWED
    if tag.submodule(path) is not None:
        return Fate.SUBMODULE
    return _why(path, oid, tag)


def _is(tag: GitTree, path: str, oid: str | None) -> bool:
    """Whether a path leads to the file with that id."""
    target = tag.follow(path)
    return target is not None and target.oid == oid


def _why(path: str, oid: str, tag: GitTree) -> str:
    entry = tag.entries.get(path)
    if entry is None:
        return "only in the crate"
    if entry.mode != SYMLINK:
        return "other bytes"
    link = f"a symlink to {tag.links.get(path, 'nowhere')}"
    return (
        f"the tag has {link}, and the crate its words"
        if entry.oid == oid
        else f"other bytes than {link} leads to"
    )


def _folder(path: str, folders: Mapping[str, CratePin]) -> str | None:
    while path := posixpath.dirname(path):
        if path in folders:
            return path
    return "" if "" in folders else None
