"""A registry directory as files that any web server can serve: a sparse index and its crates.

``index/config.json``, ``index/wa/sm/wasmtime-v8-0-1``, ``crates/NAME/NAME-VERSION.crate``.  Whatever the moment in
which a copy of it is taken, every crate that its index names is there, and so are the crates that this one needs.
"""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from patchbot import files
from patchbot.errors import PublishError
from patchbot.model import IndexEntry
from patchbot.registry import changes
from patchbot.registry.local import LocalRegistry, Version

DOWNLOAD = "crates/{crate}/{crate}-{version}.crate"
_CONFIG = "index/config.json"


@dataclass(slots=True)
class Exported:
    """What an export did: paths inside the folder."""

    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: int = 0


def config(base: str, **more: object) -> bytes:
    """Return the ``config.json`` of an index whose crates are below the address ``base`` (cargo book, "Index Format")."""
    return json.dumps({"dl": f"{base.rstrip('/')}/{DOWNLOAD}", **more}, indent=2).encode() + b"\n"


def export(registry: LocalRegistry, folder: Path, base: str, *, dry_run: bool = False) -> Exported:
    """Make ``folder`` hold all of the registry, as it is to be served at ``base``; write what has changed alone.

    Raises ``PublishError`` before anything is written if the registry is damaged, or if the folder holds
    something that the registry does not know: a version, or other bytes of one.
    """
    with registry.locked():
        entries = registry.everything()
        crates = {_place(version): _sound(registry, entry) for version, entry in entries.items()}
        gone = _stale(registry, folder, entries)
        out = Exported()
        if not dry_run:
            folder.mkdir(parents=True, exist_ok=True)
        _put(out, folder, _CONFIG, config(base), dry_run=dry_run)  # first: it marks the folder as ours
        order = [entry.name.lower() for entry in dependencies_first(entries.values())]
        index = {
            f"index/{_below(registry, name)}": registry.index_file(name) for name in dict.fromkeys(order)
        }
        for place, source in (*crates.items(), *index.items()):
            _put(out, folder, place, files.read(source) or b"", dry_run=dry_run)
        for place in gone:
            out.removed.append(place)
            if not dry_run:
                changes.unlink(folder / place)
    return out


def dependencies_first(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    """Return entries so that each stands behind those that it needs; in the order of names if that is a circle."""
    by_name: dict[str, list[IndexEntry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.name, entry.version)):
        by_name.setdefault(entry.name, []).append(entry)
    needs = {
        name: sorted(
            {d.package for e in versions for d in e.needed if d.registry is None} & by_name.keys() - {name}
        )
        for name, versions in by_name.items()
    }
    try:
        order = list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError:
        order = list(by_name)
    return [entry for name in order for entry in by_name[name]]


def _place(version: Version) -> str:
    return DOWNLOAD.format(crate=version[0], version=version[1])


def _below(registry: LocalRegistry, name: str) -> str:
    return registry.index_file(name).relative_to(registry.folder / "index").as_posix()


def _sound(registry: LocalRegistry, entry: IndexEntry) -> Path:
    """Return a crate's file if it has the bytes that the index says."""
    file = registry.crate_file(entry.name, entry.version)
    data = files.read(file)
    if data is None or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise PublishError(
            "is not what the index says", where=file, hint="patchbot registry verify says all that is wrong"
        )
    return file


def _stale(registry: LocalRegistry, folder: Path, entries: dict[Version, IndexEntry]) -> list[str]:
    """Return the files of an earlier export that are no more: index files, then crates, then what a killed one left."""
    # of an export that was killed
    left = [f.relative_to(folder).as_posix() for f in folder.rglob("*") if files.is_leftover(f)]
    if not (folder / _CONFIG).is_file():
        if any(file.is_file() and not files.is_leftover(file) for file in folder.rglob("*")):
            raise PublishError(
                "is not empty and holds no export",
                where=folder,
                hint="name an empty folder, or an earlier export",
            )
        return left
    removed = registry.removed()
    there = LocalRegistry(folder)
    exported = there.everything()
    for entry in exported.values():
        _refuse_other(folder, entry, entries, removed)
    dependents_first = dict.fromkeys(e.name for e in reversed(dependencies_first(exported.values())))
    index = [f"index/{_below(there, n)}" for n in dependents_first if not registry.index_file(n).is_file()]
    gone = [_place(version) for version in removed if version not in entries]
    crates = [place for place in gone if (folder / place).is_file()]
    return index + crates + left


def _refuse_other(
    folder: Path, entry: IndexEntry, entries: dict[Version, IndexEntry], removed: dict[Version, str]
) -> None:
    version = entry.name, entry.version
    here = entries[version].sha256 if version in entries else removed.get(version)
    if here is None:
        raise PublishError(
            f"holds {' '.join(version)}, which the registry does not know",
            where=folder,
            hint="is it the export of another registry?  Lockfiles may name what it holds: export elsewhere",
        )
    if here != entry.sha256:
        raise PublishError(
            f"holds {' '.join(version)} as {entry.sha256}, and the registry as {here}",
            where=folder,
            hint="a published crate never changes: export elsewhere",
        )


def _put(out: Exported, folder: Path, place: str, data: bytes, *, dry_run: bool) -> None:
    if files.read(folder / place) == data:
        out.kept += 1
        return
    out.written.append(place)
    if not dry_run:
        files.write(folder / place, data, durable=True)
