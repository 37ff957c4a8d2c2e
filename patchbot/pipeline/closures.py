"""Which crates of each release are forked when these releases are to be in one graph, and why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot.errors import ConfigError, EnvironmentProblem, UsageError
from patchbot.fork import clashes, closure, lockfile, modes, naming
from patchbot.fork.closure import Closure
from patchbot.fork.explain import Explanation, explain
from patchbot.fork.lockfile import LockedPackage
from patchbot.fork.modes import Choice
from patchbot.model import ImportedRelease, IndexEntry, JsonObject, Kind, Release, spoken_list
from patchbot.pipeline import published
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace
from patchbot.upstream.source import fetch_entries

_NAMED = 3  # crates of a graph that cannot be resolved, besides the first


@dataclass(frozen=True, slots=True)
class Closed:
    """A release with what is to be forked of it."""

    synced: Synced
    choice: Choice
    closure: Closure


def choices(
    work: Workspace, releases: Iterable[Release], originals: Iterable[Release] = ()
) -> dict[Release, Choice]:
    """Return the closure of each release when these are to be in one graph."""
    every = tuple(releases)
    revisions = {release: work.revision(release) for release in every}
    there = published.closures(work, every)
    return modes.choose(every, work.config.fork.closure, there, revisions, originals)


def close(work: Workspace, releases: Sequence[Synced], lock: Path | None = None) -> list[Closed]:
    """Return what is to be forked of each release; ``lock`` is the ``Cargo.lock`` of a graph that it is for.

    Raises ``ConfigError`` if cargo could not resolve the graph: shared crates are wanted in versions that
    exclude each other.
    """
    locked = _locked(lock) if lock is not None else []
    originals = [Release.parse(v) for v in lockfile.versions(locked, work.config.upstream.roots[0])]
    chosen = choices(work, [synced.release for synced in releases], originals)
    closed = [
        Closed(synced, chosen[synced.release], closed_as(work, synced, chosen[synced.release]))
        for synced in releases
    ]
    for row in closed:
        if row.closure.absent:
            names = spoken_list(row.closure.absent)
            work.reporter.say(f"wasmtime {row.synced.release} has no {names}, which [fork] roots names")
    _refuse_clashes(work, closed, lock, locked)
    return closed


def closed_as(work: Workspace, synced: Synced, choice: Choice) -> Closure:
    """Return the closure of a release in a mode."""
    return closure.close(synced.imported, work.config.fork.roots, owners(synced), choice.mode)


def owners(synced: Synced) -> dict[str, str]:
    """Return the crates that cannot be shared, each with the reason that plans and reports show."""
    inventory = synced.inventory
    reasons: dict[str, str] = {}
    for crate in sorted(inventory.owners()):
        count = len({s.name for s in inventory.symbols if s.crate == crate and s.kind is Kind.OWN})
        if count:
            reasons[crate] = f"has {count} link-time name{'s' if count > 1 else ''}"
    for string in inventory.strings:
        reasons.setdefault(string.crate, "spells link-time names for debuggers")
    for key in inventory.links:
        reasons.setdefault(key.crate, f"has the links key {key.key}")
    for patch in synced.lock.patches:
        for path in patch.files:
            if (owner := synced.imported.owner(path)) is not None:
                reasons.setdefault(owner.name, f"is changed by {patch.name}")
    return reasons


# -- what cargo could not resolve ----------------------------------------------------------------------


def _refuse_clashes(
    work: Workspace, closed: Sequence[Closed], lock: Path | None, locked: Sequence[LockedPackage]
) -> None:
    wishes = [
        wish
        for row in closed
        for wish in clashes.of_forks(row.synced.imported, row.closure, _names(work, row))
    ]
    if lock is not None:
        wishes += clashes.of_lock(_entries(work, [row.synced.imported for row in closed], locked), str(lock))
    found = clashes.clashes(wishes)
    if not found:
        return
    first, *others = found
    rest = [clash.crate for clash in others[:_NAMED]]
    rest += [f"{len(others) - _NAMED} more"] if len(others) > _NAMED else []
    raise ConfigError(
        f"cargo could not resolve a graph with both: it never holds two {first.crate} of one range\n"
        f"  {first.one} ({first.one.release})\n"
        f"  {first.other} ({first.other.release})"
        + (f"\nand likewise for {spoken_list(rest)}" if rest else ""),
        where="fork.closure",
        hint=_way_out(work, closed, {first.one.release, first.other.release}),
    )


def _way_out(work: Workspace, closed: Sequence[Closed], parties: set[str]) -> str:
    """Return what makes two parties fit: the newer release takes a fork of everything that it pins."""
    theirs = [row for row in closed if str(row.synced.release) in parties]
    newer = max(theirs, key=lambda row: row.synced.release)
    release = newer.synced.release
    if newer.choice.published:
        line = modes.new_revision(release, {release: work.revision(release)})
        return (
            f"{release} is published with the closure {newer.choice.mode}; in a new revision it can fork what it "
            f'pins: {line}, with closure = "auto" or "range" under [fork]'
        )
    return (
        f'closure = "auto" or "range" under [fork] in patchbot.toml forks what {release} pins exactly as well'
    )


def _names(work: Workspace, row: Closed) -> dict[str, str]:
    release = row.synced.release
    revision = work.revision(release)
    return {c: naming.package_name(c, release, revision=revision) for c in row.closure.forked}


def _locked(lock: Path) -> list[LockedPackage]:
    try:
        return lockfile.parse(lock.read_bytes(), where=lock)
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=lock) from None


def _entries(
    work: Workspace, releases: Sequence[ImportedRelease], locked: Sequence[LockedPackage]
) -> list[tuple[IndexEntry, frozenset[str]]]:
    """Return the index lines of those locked packages that are upstream's own."""
    own = {pin.name for release in releases for pin in release.crates}
    theirs = [package for package in locked if package.name in own]
    listed = fetch_entries(work.source, sorted({package.name for package in theirs}))
    return [
        (entry, package.dependencies)
        for package in theirs
        if (entry := listed[package.name].get(package.version)) is not None
    ]


# -- fork --explain ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a crate is forked or shared in one release, and why the release is closed as it is."""

    release: Release
    choice: Choice
    fork: str | None
    what: Explanation

    def to_json(self) -> JsonObject:
        """Spell it as ``fork --explain --json`` does."""
        return {
            "release": str(self.release),
            "closure": self.choice.mode.value,
            "closure_reason": self.choice.why,
            "fork": self.fork,
            **self.what.to_json(),
        }


def explain_all(work: Workspace, closed: Sequence[Closed], crate: str) -> list[Explained]:
    """Say why a crate is forked or shared in each release; it may be named as upstream or as the fork is.

    Raises ``UsageError`` if no release has it.
    """
    out = []
    every: set[str] = set()
    for row in closed:
        names = {pin.name for pin in row.synced.imported.crates}
        forks = _names(work, row)
        aliases = {alias: c for c, fork in forks.items() for alias in (fork, naming.library_name(fork))}
        every |= {*names, *aliases}
        found = explain(row.synced.imported, row.closure, aliases.get(crate, crate))
        out.append(Explained(row.synced.release, row.choice, forks.get(found.crate), found))
    if crate not in every:
        near = difflib.get_close_matches(crate, sorted(every), n=3)
        raise UsageError(
            f"there is no crate {crate} in {spoken_list(str(row.synced.release) for row in closed)}",
            hint=f"did you mean {spoken_list(near)}?"
            if near
            else "`patchbot scan RELEASE --json` lists the crates",
        )
    return out
