"""What a registry directory can do without: leftovers of killed runs, and releases that somebody gives up by name.

A published version may stand in a lockfile that nobody here knows of.  So nothing that has an index line goes
unless it was named, it was yanked before (which told its users), and nothing that stays depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from patchbot import files
from patchbot.errors import PublishError
from patchbot.model import IndexEntry
from patchbot.registry import changes
from patchbot.registry.local import LocalRegistry, Version


@dataclass(frozen=True, slots=True)
class Waste:
    """A file that can go; ``place`` is its path inside the registry, ``size`` in bytes."""

    place: str
    size: int
    why: str


def leftovers(registry: LocalRegistry) -> tuple[Waste, ...]:
    """Return the files that killed runs left, none of which a reader ever sees.

    Raises ``PublishError`` if the index seems to be lost: then the ``.crate`` files are all that there is.
    """
    entries = registry.everything()
    named = {registry.crate_file(name, version).name for name, version in entries}
    found = []
    for file in sorted(registry.folder.rglob("*")):
        if not file.is_file():
            continue
        place = file.relative_to(registry.folder).as_posix()
        if files.is_leftover(file):
            found.append(Waste(place, file.stat().st_size, "was being written when a run was killed"))
        elif file.parent == registry.folder and file.suffix == ".crate" and file.name not in named:
            found.append(Waste(place, file.stat().st_size, "has no index line"))
    _refuse_lost(registry, entries, {waste.place for waste in found})
    return tuple(found)


def _refuse_lost(
    registry: LocalRegistry, entries: Mapping[Version, IndexEntry], places: Collection[str]
) -> None:
    """Refuse what no killed run leaves: crates without an index, or one that others have been published upon."""
    if not entries and any(place.endswith(".crate") for place in places):
        raise PublishError(
            "has crates and no index", where=registry.folder, hint="restore index/ first: it has been lost"
        )
    for entry in entries.values():
        for dependency in entry.dependencies:
            pinned = f"{dependency.package}-{dependency.req.removeprefix('=')}.crate"
            if dependency.registry is None and pinned in places:
                raise PublishError(
                    f"has no index line, and {entry.name} {entry.version} needs it",
                    where=registry.folder / pinned,
                    hint="its line has been lost: publish the release again, which puts it back",
                )


def collect(registry: LocalRegistry, give_up: Collection[Version] = ()) -> tuple[Waste, ...]:
    """Remove the versions ``give_up`` and all leftovers; return what went.

    Raises ``PublishError`` before anything is removed if one of the versions has to stay.
    """
    gone = given_up(registry, give_up)
    if gone:
        registry.remove(give_up)
    with registry.locked():
        waste = leftovers(registry)
        for one in waste:
            changes.unlink(registry.folder / one.place)
    return gone + waste


def given_up(registry: LocalRegistry, versions: Collection[Version]) -> tuple[Waste, ...]:
    """Return the ``.crate`` files of versions that somebody gives up.

    Raises ``PublishError`` if one of them is not there, is not yanked, or is needed by what stays.
    """
    entries = registry.everything()
    for version in versions:
        if version not in entries:
            raise PublishError(f"{' '.join(version)} is not published", where=registry.folder)
        if not entries[version].yanked:
            raise PublishError(
                f"{' '.join(version)} is not yanked, so lockfiles that name it are still being made",
                where=registry.index_file(version[0]),
                hint="yank the release, give its users time, and remove it then",
            )
    stay = {version: entry for version, entry in entries.items() if version not in versions}
    for version in versions:
        for entry in stay.values():
            if _needs(entry, version, stay):
                raise PublishError(
                    f"{entry.name} {entry.version} needs {' '.join(version)}",
                    where=registry.folder,
                    hint="give up that one, too, or neither",
                )
    return tuple(_waste(registry.crate_file(*version)) for version in sorted(versions))


def _needs(entry: IndexEntry, version: Version, stay: Collection[Version]) -> bool:
    name, number = version
    another = any(other == name for other, _ in stay)
    return any(
        dependency.registry is None
        and dependency.package == name
        and (dependency.req.removeprefix("=") == number or not another)
        for dependency in entry.dependencies
    )


def _waste(file: Path) -> Waste:
    return Waste(file.name, file.stat().st_size if file.is_file() else 0, "given up")
