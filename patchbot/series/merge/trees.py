"""A tree of git's with changes on top, read folder by folder as far as it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from patchbot.model.paths import folded

FOLDER = "40000"
SYMLINK = "120000"
SUBMODULE = "160000"
PLAIN = frozenset({"100644", "100755"})


class Entry(NamedTuple):
    """What a tree has at a path: git's mode and an object id."""

    mode: str
    oid: str


Read = Callable[[str], Mapping[str, Entry]]  # a tree's id → its entries


class Tree:
    """A tree, by the id of its root (or nothing), with changes that no object holds yet."""

    def __init__(self, root: str | None, read: Read) -> None:
        self._root = root
        self._read = read
        self._changed: dict[str, Entry | None] = {}
        self._added: dict[str, set[str]] = {}  # folder → names of files and folders that changes put there
        self._folders: dict[str, Mapping[str, Entry]] = {}  # as they were before all changes

    def get(self, path: str) -> Entry | None:
        """Return what is at ``path``; a folder has the mode ``FOLDER``."""
        if (entry := self._changed.get(path)) is not None:
            return entry
        if path in self._added:  # perhaps where a file was
            return Entry(FOLDER, "")
        return None if path in self._changed else self.original(path)

    def original(self, path: str) -> Entry | None:
        """Return what was at ``path`` before all changes."""
        folder, _, name = path.rpartition("/")
        return self._listed(folder).get(name)

    def put(self, path: str, entry: Entry | None) -> None:
        """Change what is at ``path``."""
        self._changed[path] = entry
        if entry is not None:
            while path:
                path, _, name = path.rpartition("/")
                self._added.setdefault(path, set()).add(name)

    def without(self, paths: Iterable[str]) -> Tree:
        """Return the same tree without some files, to look at."""
        tree = Tree(self._root, self._read)
        tree._changed = {**self._changed, **dict.fromkeys(paths)}
        tree._added = self._added
        tree._folders = self._folders
        return tree

    def changes(self) -> Mapping[str, Entry | None]:
        """Return all changes by path."""
        return self._changed

    def names(self, folder: str) -> set[str]:
        """Return the names in a folder that still hold something."""
        there = {name for name in self._listed(folder) if self.holds(f"{folder}/{name}" if folder else name)}
        return there | {
            n for n in self._added.get(folder, ()) if self.holds(f"{folder}/{n}" if folder else n)
        }

    def holds(self, path: str) -> bool:
        """Whether there is a file at ``path`` or below it."""
        entry = self.get(path)
        if entry is None or entry.mode != FOLDER:
            return entry is not None
        if not any(changed.startswith(f"{path}/") for changed in self._changed):
            return True
        return any(self.holds(f"{path}/{name}") for name in {*self._listed(path), *self._added.get(path, ())})

    def blocked(self, path: str) -> str | None:
        """Return what keeps a file from being put at ``path``, or None."""
        for parent in parents(path):
            entry = self.get(parent)
            if entry is not None and entry.mode != FOLDER:
                return f"{parent} is {spoken(entry)}, no folder"
        entry = self.get(path)
        if entry is not None and entry.mode == FOLDER and self.holds(path):
            return f"{path} is a folder"
        return None

    def twin(self, path: str) -> str | None:
        """Return what is the same as the new ``path`` where case or Unicode form does not count, or None."""
        for step in (*parents(path), path):
            folder, _, name = step.rpartition("/")
            names = self.names(folder)
            if name in names:
                continue
            for other in names:
                if folded(other) == folded(name):
                    return f"{folder}/{other}" if folder else other
            return None
        return None

    def _listed(self, folder: str) -> Mapping[str, Entry]:
        if folder not in self._folders:
            self._folders[folder] = self._read_folder(folder)
        return self._folders[folder]

    def _read_folder(self, folder: str) -> Mapping[str, Entry]:
        if not folder:
            return self._read(self._root) if self._root is not None else {}
        above, _, name = folder.rpartition("/")
        entry = self._listed(above).get(name)
        return self._read(entry.oid) if entry is not None and entry.mode == FOLDER else {}


def parents(path: str) -> Iterator[str]:
    """Yield the folders above a path, outermost first."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def spoken(entry: Entry) -> str:
    """Say what an entry is."""
    if entry.mode == FOLDER:
        return "a folder"
    if entry.mode == SYMLINK:
        return "a symlink"
    return "a submodule" if entry.mode == SUBMODULE else "a file"
