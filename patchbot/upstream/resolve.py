"""Which of upstream's own crates make up a release: read from the index alone."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from patchbot.errors import IncompleteRelease, RepositoryError, UsageError
from patchbot.model import ImportedRelease, IndexEntry, MissingCrate, Release, spoken_list
from patchbot.upstream.source import Index, Source, fetch_entries

# Upstream publishes in lockstep and asks for its own crates by `=x.y.z` or, for the public ones, `^x.y.z`:
# the number is the release's own (scripts/publish.rs, bump-version).
_LOCKSTEP = re.compile(r"[=^]?\s*([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?)")


def releases(source: Source, root: str) -> dict[Release, IndexEntry]:
    """Return every release of ``root`` that the index lists, yanked ones included, oldest first."""
    entries = source.entries(root)
    if not entries:
        raise RepositoryError(
            f"the index has no crate {root}", hint="is upstream.index in patchbot.toml the right registry?"
        )
    try:
        known = {Release.parse(version): entry for version, entry in entries.items()}
    except UsageError as error:
        raise RepositoryError(f"the index lists a {root} whose version cannot be read: {error}") from None
    return {release: known[release] for release in sorted(known)}


def find(known: dict[Release, IndexEntry], release: Release, *, allow_yanked: bool) -> IndexEntry:
    """Return the entry of ``release``; raise ``UsageError`` if it is unknown, or yanked and not allowed."""
    entry = known.get(release)
    if entry is None:
        line = [
            str(r)
            for r in known
            if (r.major, r.major or r.minor) == (release.major, release.major or release.minor)
        ]
        near = line[-3:] or difflib.get_close_matches(str(release), [str(r) for r in known], n=3)
        raise UsageError(
            f"there is no wasmtime {release}",
            hint=f"near it: {', '.join(near)}" if near else "`patchbot status --all` lists the releases",
        )
    if entry.yanked and not allow_yanked:
        sound = [r for r, e in known.items() if r.major == release.major and not e.yanked]
        raise UsageError(
            f"wasmtime {release} was yanked by upstream",
            hint=(f"take {sound[-1]}, or " if sound else "") + "say --allow-yanked if it must be this one",
        )
    return entry


@dataclass(frozen=True, slots=True)
class OwnCrates:
    """Upstream's own crates of a release, by name, and those that it needs and never published."""

    entries: tuple[IndexEntry, ...]
    missing: tuple[MissingCrate, ...] = ()


def own_crates(source: Index, roots: Sequence[str], release: Release, *, own: Sequence[str]) -> OwnCrates:
    """Return upstream's own crates that ``roots`` reach over normal and build dependencies.

    Optional dependencies and those of any target count.  The first root must exist at ``release``; later
    ones may be younger or gone (``wasmtime-c-api-impl`` was first published with 18).  ``own`` are the
    name patterns of upstream's packages.

    Raises ``RepositoryError`` if the index lacks the first root or a requirement is not in lockstep.
    """
    listed = fetch_entries(source, list(roots))
    wanted = {root: str(release) for root in roots if str(release) in listed[root]}
    if roots[0] not in wanted:
        raise RepositoryError(f"the index has no {roots[0]} {release}")
    found: dict[str, IndexEntry] = {}
    missing: dict[str, MissingCrate] = {}
    asked_by: dict[str, str] = {}
    wave = set(wanted)
    while wave:
        entries = fetch_entries(source, sorted(wave))
        following: set[str] = set()
        for name in sorted(wave):
            entry = entries[name].get(wanted[name])
            if entry is None or entry.name != name:
                missing[name] = MissingCrate(name, wanted[name], asked_by[name])
                continue
            found[name] = entry
            for package, version in _own_dependencies(entry, own):
                known = wanted.setdefault(package, version)
                if known != version:
                    raise RepositoryError(f"wasmtime {release} needs {package} {known} and {version}")
                if package not in found and package not in wave and package not in missing:
                    asked_by.setdefault(package, name)
                    following.add(package)
        wave = following
    return OwnCrates(
        tuple(found[name] for name in sorted(found)), tuple(missing[name] for name in sorted(missing))
    )


def refuse_incomplete(imported: ImportedRelease, roots: Sequence[str]) -> None:
    """Raise ``IncompleteRelease`` if ``roots`` need a crate that upstream did not publish."""
    reached = _reached(imported, roots)
    needed = [crate for crate in imported.missing if crate.needed_by in reached]
    if needed:
        names = spoken_list(f"{crate.name} {crate.version}" for crate in needed)
        raise IncompleteRelease(
            f"the index has no {names}, which wasmtime {imported.release} needs",
            hint="nobody can build this release; a later one of its line may be whole",
        )


def _reached(imported: ImportedRelease, roots: Sequence[str]) -> set[str]:
    entries = {pin.name: pin.entry for pin in imported.crates}
    reached: set[str] = set()
    wave = set(roots) & entries.keys()
    while wave:
        reached |= wave
        needed = {d.package for name in wave for d in entries[name].needed}
        wave = (needed & entries.keys()) - reached
    return reached


def is_own(package: str, own: Sequence[str]) -> bool:
    """Whether ``package`` is upstream's own, by the name patterns ``own``."""
    return any(fnmatch.fnmatchcase(package, pattern) for pattern in own)


def _own_dependencies(entry: IndexEntry, own: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for dependency in entry.needed:
        if not is_own(dependency.package, own):
            continue
        match = _LOCKSTEP.fullmatch(dependency.req)
        if match is None:
            raise RepositoryError(
                f"{entry.name} {entry.version} asks for {dependency.package} {dependency.req!r}, "
                "which names no single version",
                hint="if that crate is not upstream's own, leave it out of upstream.own in patchbot.toml",
            )
        pairs.append((dependency.package, match.group(1)))
    return pairs
