"""Every byte of a registry directory against its index: what is not as it should be, all of it."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from patchbot import files
from patchbot.model import IndexEntry, JsonObject, index_path, registry_key
from patchbot.registry import changes, lines
from patchbot.registry.local import REMOVED, LocalRegistry, Version, refuse_unreadable

_OWN = frozenset({".lock", changes.PENDING, REMOVED})


class Fault(StrEnum):
    """What can be wrong with a registry directory."""

    DAMAGED_LINE = "damaged line"
    WRONG_PLACE = "wrong place"  # an index file where cargo does not look for its crate
    TWICE = "twice"  # a version with two lines, or two names that are one to cargo
    NO_CRATE = "no crate"  # a line without its .crate file
    OTHER_BYTES = "other bytes"  # a .crate file that its line does not mean
    NO_DEPENDENCY = "no dependency"  # a line that needs a version of this registry that is not there
    HALF_YANKED = "half yanked"  # a version that can be chosen and pins one that cannot
    RETURNED = "returned"  # a version that was removed, and is there with other bytes
    UNFINISHED = "unfinished"  # a run was killed between two files; the next one that writes finishes it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``where`` is a path inside the registry."""

    fault: Fault
    where: str
    what: str


@dataclass(slots=True)
class Verified:
    """What was looked at, what is wrong, and what is merely in the way."""

    crates: int = 0
    size: int = 0  # bytes of all .crate files that have a line
    findings: list[Finding] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)  # of killed runs: no reader sees them
    strangers: list[str] = field(default_factory=list)  # files that no registry has

    def to_json(self) -> JsonObject:
        """Spell it as ``registry verify --json`` does."""
        return {
            "schema": 1,
            "crates": self.crates,
            "bytes": self.size,
            "findings": [
                {"fault": one.fault.value, "where": one.where, "what": one.what} for one in self.findings
            ],
            "leftovers": self.leftovers,
            "strangers": self.strangers,
        }


def verify(registry: LocalRegistry) -> Verified:
    """Read everything and compare.  Raises ``EnvironmentProblem`` for what the system does not let us read."""
    out = Verified()
    entries: dict[Version, IndexEntry] = {}
    for place in sorted(_files(registry.folder / "index")):
        _index_file(out, place, (registry.folder / "index" / place), entries)
    _names(out, entries)
    _crates(out, registry, entries)
    _dependencies(out, entries)
    for version, sha256 in registry.removed().items():
        if version in entries and entries[version].sha256 != sha256:
            out.findings.append(
                Finding(
                    Fault.RETURNED, f"index/{index_path(version[0])}", f"{version[1]} was {sha256} before"
                )
            )
    if (registry.folder / changes.PENDING).exists():
        out.findings.append(
            Finding(Fault.UNFINISHED, changes.PENDING, "a run was killed: patchbot registry gc finishes it")
        )
    return out


def _files(folder: Path) -> Iterator[str]:
    """Yield all files below a folder by their path inside it."""
    for place, _, names in os.walk(folder, onerror=refuse_unreadable):
        yield from (Path(place, name).relative_to(folder).as_posix() for name in names)


def _index_file(out: Verified, place: str, file: Path, entries: dict[Version, IndexEntry]) -> None:
    where = f"index/{place}"
    name = file.name
    if files.is_leftover(file):
        out.leftovers.append(where)
        return
    if place != index_path(name):
        out.strangers.append(where)
        return
    for number, raw in enumerate((files.read(file) or b"").splitlines(), 1):
        try:
            entry = lines.read(raw)[0].entry
        except (ValueError, IndexError) as error:
            why = str(error).removeprefix("line 1: ") or "empty"
            out.findings.append(Finding(Fault.DAMAGED_LINE, where, f"line {number}: {why}"))
            continue
        if entry.name.lower() != name:
            out.findings.append(
                Finding(
                    Fault.WRONG_PLACE,
                    where,
                    f"line {number} is of {entry.name}, which cargo looks for elsewhere",
                )
            )
        elif (entry.name, entry.version) in entries:
            out.findings.append(Finding(Fault.TWICE, where, f"{entry.version} has two lines"))
        else:
            entries[entry.name, entry.version] = entry


def _names(out: Verified, entries: Iterable[Version]) -> None:
    names: dict[str, set[str]] = defaultdict(set)
    versions: dict[Version, set[str]] = defaultdict(set)
    for name, version in entries:
        names[registry_key(name)].add(name)
        versions[name, version.partition("+")[0]].add(version)
    for twins in names.values():
        if len(twins) > 1:
            one, *others = sorted(twins)
            what = f"{', '.join(others)} and {one} are one name to cargo"
            out.findings.append(Finding(Fault.TWICE, f"index/{index_path(one)}", what))
    for (name, _), twins in versions.items():
        if len(twins) > 1:
            what = f"{' and '.join(sorted(twins))} are one version to cargo"
            out.findings.append(Finding(Fault.TWICE, f"index/{index_path(name)}", what))


def _crates(out: Verified, registry: LocalRegistry, entries: dict[Version, IndexEntry]) -> None:
    wanted = {registry.crate_file(name, version).name: entry for (name, version), entry in entries.items()}
    for place in sorted(_files(registry.folder)):
        if place.startswith("index/") or place in wanted or place in _OWN:
            continue
        left = files.is_leftover(Path(place)) or (place.endswith(".crate") and "/" not in place)
        (out.leftovers if left else out.strangers).append(place)
    for place, entry in sorted(wanted.items()):
        data = files.read(registry.folder / place)
        if data is None:
            out.findings.append(Finding(Fault.NO_CRATE, place, f"the index has {entry.name} {entry.version}"))
            continue
        out.crates += 1
        out.size += len(data)
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            what = f"has sha256 {found}, and its index line says {entry.sha256}"
            out.findings.append(Finding(Fault.OTHER_BYTES, place, what))


def _dependencies(out: Verified, entries: dict[Version, IndexEntry]) -> None:
    names = {name for name, _ in entries}
    for entry in entries.values():
        for dependency in entry.needed:  # the others cargo asks for in a workspace alone
            if dependency.registry is not None:
                continue  # somebody else's
            where = f"index/{index_path(entry.name)}"
            what = f"{entry.name} {entry.version} needs {dependency.package} {dependency.req}"
            pinned = dependency.req.removeprefix("=").strip() if dependency.req.startswith("=") else None
            if dependency.package not in names:
                out.findings.append(Finding(Fault.NO_DEPENDENCY, where, what))
            elif pinned is not None and pinned.count(".") >= 2:  # noqa: PLR2004 - of three numbers
                pin = entries.get((dependency.package, pinned))
                if pin is None:
                    out.findings.append(Finding(Fault.NO_DEPENDENCY, where, what))
                elif pin.yanked and not entry.yanked:
                    out.findings.append(Finding(Fault.HALF_YANKED, where, f"{what}, which is yanked"))
