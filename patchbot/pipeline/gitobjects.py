"""The objects of a repository as the rebase engine reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from patchbot.git.commits import TreeChange
from patchbot.git.store import Store
from patchbot.series.lines import Change
from patchbot.series.mails import diffs
from patchbot.series.merge.preimage import Blobs
from patchbot.series.merge.trees import FOLDER, PLAIN, SUBMODULE, Entry

_Names = dict[str, "_Names"]  # what is wanted in a folder, and what in each of its folders
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
            self._trees[oid] = _Folder(self._store.read_tree(oid))
        return self._trees[oid]

    def warm(self, roots: Iterable[str], paths: Iterable[str]) -> None:
        """Read what trees have at ``paths`` before it is asked for: a level of folders at a time, then the files."""
        wanted: _Names = {}
        for path in paths:
            here = wanted
            for name in path.split("/"):
                here = here.setdefault(name, {})
        level = [(root, wanted) for root in roots]
        files: list[str] = []
        while level:
            self._store.prefetch(oid for oid, _ in level if oid not in self._trees)
            below: list[tuple[str, _Names]] = []
            for oid, names in level:
                entries = self.tree(oid)
                for name, inside in names.items():
                    entry = entries.get(name)
                    if entry is not None and entry.mode == FOLDER and inside:
                        below.append((entry.oid, inside))
                    elif entry is not None and entry.mode in PLAIN and not inside:
                        files.append(entry.oid)
            level = below
        self._store.prefetch(files)

    def diff(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[Change, ...]]:
        """Return the changes between the blobs of each pair.  Raises ``RepositoryError`` if one is missing."""
        if not pairs:
            return []
        text = self._store.diff_blobs(pairs)
        found = {file.path: file for file in diffs.parse(text.split(b"\n")[:-1], "git diff-tree")}
        out = []
        for number in range(len(pairs)):
            file = found.get(f"{number:08}")
            out.append(tuple(c for hunk in file.hunks for c in hunk.changes) if file else ())
        return out


class _Folder(Mapping[str, Entry]):
    """The entries of a tree object; one is made when it is asked for, since most never are."""

    def __init__(self, rows: Mapping[bytes, tuple[bytes, bytes, bytes]]) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> Entry:
        mode, _, raw = self._rows[os.fsencode(name)]
        return Entry(mode.decode(), raw.hex())

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as a mapping's; its own way is slow
        row = self._rows.get(os.fsencode(name))
        return Entry(row[0].decode(), row[2].hex()) if row is not None else default

    def __iter__(self) -> Iterator[str]:
        return map(os.fsdecode, self._rows)

    def __len__(self) -> int:
        return len(self._rows)


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
