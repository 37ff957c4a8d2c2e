"""The objects of a repository as the rebase engine reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from patchbot.commits import TreeChange
from patchbot.series.lines import Change
from patchbot.series.mails import diffs
from patchbot.series.merge.preimage import Blobs
from patchbot.series.merge.trees import SUBMODULE, Entry
from patchbot.store import Store

_KEPT = 50_000  # trees; a large repository has fewer folders


class GitObjects:
    """Reads trees, blobs and the differences of blobs; trees are kept, since neighbours share most of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trees: dict[str, Mapping[str, Entry]] = {}
        self.blob = store.blob
        self.digest = store.digest
        self.renames = store.find_renames
        self.added = store.find_added
        self.write = store.write_blob

    def tree(self, oid: str) -> Mapping[str, Entry]:
        """Return the entries of one tree object.  Raises ``RepositoryError`` if it is missing."""
        if oid not in self._trees:
            if len(self._trees) >= _KEPT:
                self._trees.clear()
            self._trees[oid] = {e.path: Entry(e.mode, e.oid) for e in self._store.read_tree(oid)}
        return self._trees[oid]

    def diff(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Change, ...]]:
        """Return the changes between the blobs of each pair.  Raises ``RepositoryError`` if one is missing."""
        text = self._store.diff_blobs(pairs)
        found = {file.path: file for file in diffs.parse(text.split(b"\n")[:-1], "git diff-tree")}
        out = []
        for number in range(len(pairs)):
            file = found.get(f"{number:08}")
            out.append(tuple(c for hunk in file.hunks for c in hunk.changes) if file else ())
        return out


def tree_changes(changes: Mapping[str, Entry | None], blobs: Blobs) -> list[TreeChange]:
    """Return what a commit is to change, with the bytes of its files."""
    out = []
    for path, entry in changes.items():
        if entry is None:
            out.append(TreeChange(path))
        elif entry.mode == SUBMODULE:
            out.append(TreeChange(path, entry.mode, submodule=entry.oid))
        else:
            out.append(TreeChange(path, entry.mode, blobs.get(entry.oid)))
    return out
