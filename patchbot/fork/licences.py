"""The licence of crates that say which it is and ship no file of it.

A fork is a changed copy, and Apache-2.0 (4a) wants its text with every copy.  Of upstream's crates a good
third has none: a ``.crate`` holds what is in the crate's folder, and the licence stands at the workspace's
root.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from patchbot.model import ImportedRelease, TreeFile

_WORDS = ("licen", "copying", "unlicense")
_FILE = "LICENSE"


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A licence file, and the crate whose it is."""

    file: TreeFile
    owner: str


def find(release: ImportedRelease, files: Mapping[str, Sequence[TreeFile]], crate: str) -> Borrowed | None:
    """Return the licence file that a crate lacks, of another crate of the release under the same licence.

    ``files`` are those of every crate, by its name, with paths within the crate.  The owner is the first
    root that serves, else the first by name, so that nothing depends on which crates are forked.
    """
    if any(file.path.lower().startswith(_WORDS) for file in files[crate]):
        return None
    licence = _licence(files[crate])
    others = sorted(files, key=lambda name: (name not in release.roots, name))
    for other in others if licence is not None else ():
        for file in files[other]:
            if file.path == _FILE and _licence(files[other]) == licence:
                return Borrowed(replace(file, executable=False), other)
    return None


def _licence(files: Iterable[TreeFile]) -> str | None:
    """Return the licence that a crate's manifest names."""
    for file in files:
        if file.path == "Cargo.toml":
            try:
                package = tomllib.loads(file.data.decode())["package"]
                return str(package["license"])
            except (ValueError, KeyError, TypeError):
                return None
    return None
