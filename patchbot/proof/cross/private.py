"""A private Rust toolchain for one target, in a folder of the cache; nothing of it is on anybody's ``PATH``.

It is there or it is not: the folder is made under another name and renamed when all of it was seen to work,
and what says so, ``toolchain.json``, names the programs and the packages that they came from.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchbot import files
from patchbot.model import JsonObject

MARKER = "toolchain.json"
_SCHEMA = 1
_TRIES, _PAUSE = 20, 0.5  # of a folder's removal; seconds


@dataclass(frozen=True, slots=True)
class Private:
    """What is in the folder: ``rustc``, ``cargo`` and ``libraries`` (folders for the loader) by relative path.

    ``version`` is the first line of ``rustc -vV``; ``packages`` are the distribution's, a line each.
    """

    folder: Path
    rustc: str
    cargo: str
    libraries: tuple[str, ...]
    version: str
    packages: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """What its programs need in their environment to find their libraries."""
        return {"LD_LIBRARY_PATH": os.pathsep.join(str(self.folder / library) for library in self.libraries)}

    def to_json(self) -> JsonObject:
        """Spell it as the marker does."""
        return {
            "schema": _SCHEMA,
            "rustc": self.rustc,
            "cargo": self.cargo,
            "libraries": list(self.libraries),
            "version": self.version,
            "packages": list(self.packages),
        }

    @classmethod
    def from_json(cls, folder: Path, data: Mapping[str, object]) -> Private:
        """Read a marker.  Raises ``ValueError`` or ``KeyError`` for another one."""
        if data["schema"] != _SCHEMA:
            raise ValueError(data["schema"])
        libraries, packages = data["libraries"], data["packages"]
        if not isinstance(libraries, list) or not isinstance(packages, list):
            raise ValueError(libraries)  # noqa: TRY004 - a marker of another form, not a bug
        rustc, cargo, version = (str(data[word]) for word in ("rustc", "cargo", "version"))
        return cls(folder, rustc, cargo, tuple(map(str, libraries)), version, tuple(map(str, packages)))


def folder_of(cache: Path, triple: str) -> Path:
    """Return where the private toolchain for a target is kept."""
    return cache / "toolchains" / triple


def load(cache: Path, triple: str) -> Private | None:
    """Return the private toolchain for a target; None if there is none, or only a part of one."""
    folder = folder_of(cache, triple)
    data = files.read(folder / MARKER)
    try:
        found = Private.from_json(folder, json.loads(data)) if data is not None else None
    except (ValueError, KeyError, TypeError):
        return None
    if found is None or not all((folder / name).is_file() for name in (found.rustc, found.cargo)):
        return None
    return found


@contextmanager
def making(cache: Path, triple: str, *, on_wait: Callable[[], None]) -> Iterator[Path]:
    """Give an empty folder to make a toolchain in, to one process at a time; it goes away unless ``keep`` took it.

    What killed runs left is removed first.
    """
    folder = folder_of(cache, triple)
    with files.locked(folder.with_name(f"{triple}.lock"), on_wait=on_wait):
        room = folder.with_name(f"{triple}.new")
        _forget(room)
        room.mkdir(parents=True)
        try:
            yield room
        finally:
            _forget(room)


def keep(made: Private, cache: Path, triple: str) -> Private:
    """Put a toolchain, made in the folder that ``making`` gave, in its place; one that was there goes."""
    folder = folder_of(cache, triple)
    text = json.dumps(made.to_json(), indent=2) + "\n"
    files.write(made.folder / MARKER, text.encode(), durable=True)
    _forget(folder)
    made.folder.rename(folder)
    return Private.from_json(folder, made.to_json())


def remove(cache: Path, triple: str, *, on_wait: Callable[[], None]) -> bool:
    """Remove the private toolchain for a target, whole or not; return whether there was one."""
    folder = folder_of(cache, triple)
    if not folder.parent.is_dir():
        return False
    with files.locked(folder.with_name(f"{triple}.lock"), on_wait=on_wait):
        there = folder.exists()
        _forget(folder)
        _forget(folder.with_name(f"{triple}.new"))
    return there


def _forget(folder: Path) -> None:
    """Remove a folder; its marker first, so that a killed removal leaves nothing that looks whole."""
    (folder / MARKER).unlink(missing_ok=True)
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        # what a killed run had started may still be writing here, until it fails
        time.sleep(_PAUSE)
    shutil.rmtree(folder)
