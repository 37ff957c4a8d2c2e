"""What publishing will do: which crates, in which order, and why.  Pure, but for what ``look`` asks.

A plan is made of the forks and of what the registry holds; it is shown before it is executed, and nothing
but a plan is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from patchbot.errors import PublishError
from patchbot.model import IndexEntry, JsonObject
from patchbot.registry.local import NEW_REVISION

Key = tuple[str, str]  # name and version
Held = Mapping[str, Mapping[str, IndexEntry]]  # what a registry holds: name, version


class Action(StrEnum):
    """What a plan does with a crate."""

    UPLOAD = "upload"
    KEEP = "keep"  # the registry holds the same bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A crate to publish: its index line, its bytes, the release that it belongs to, and why it is a fork."""

    entry: IndexEntry
    data: bytes = field(repr=False)
    release: str
    reason: str

    @property
    def key(self) -> Key:
        """Name and version."""
        return (self.entry.name, self.entry.version)

    def __str__(self) -> str:
        return f"{self.entry.name} {self.entry.version}"


@dataclass(frozen=True, slots=True)
class Step:
    """One crate of a plan.  ``after`` are those of the plan that must be visible first."""

    parcel: Parcel
    action: Action
    after: tuple[Key, ...]
    yanked: bool = False  # the registry holds it, yanked


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, dependencies first.  ``digest`` names the crates and their bytes, not what is left to do."""

    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """A digest of every name, version and sha256."""
        entries = sorted((s.parcel.entry for s in self.steps), key=lambda e: (e.name, e.version))
        text = "".join(f"{e.name} {e.version} {e.sha256}\n" for e in entries)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def uploads(self) -> tuple[Step, ...]:
        """The steps that send something."""
        return tuple(step for step in self.steps if step.action is Action.UPLOAD)

    def to_json(self) -> list[JsonObject]:
        """Spell the steps as ``publish --json`` does."""
        return [
            {
                "order": number,
                "release": step.parcel.release,
                "name": step.parcel.entry.name,
                "version": step.parcel.entry.version,
                "sha256": step.parcel.entry.sha256,
                "bytes": len(step.parcel.data),
                "action": step.action.value,
                "after": [name for name, _ in step.after],
                "yanked": step.yanked,
                "reason": step.parcel.reason,
            }
            for number, step in enumerate(self.steps, 1)
        ]


def needs(parcel: Parcel) -> list[tuple[str, str]]:
    """Return the packages of the same registry that a crate depends on, with what it requires of them."""
    return [(d.package, d.req) for d in parcel.entry.dependencies if d.registry is None]


def names(parcels: Iterable[Parcel]) -> list[str]:
    """Return every package that a plan must know of: its own, and those of the registry that they need."""
    found = {parcel.entry.name for parcel in parcels}
    found.update(package for parcel in parcels for package, _ in needs(parcel))
    return sorted(found)


def look(wanted: Sequence[str], entries: Callable[[str], Mapping[str, IndexEntry]], *, jobs: int) -> Held:
    """Ask a registry for many packages at once."""
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(wanted, pool.map(entries, wanted), strict=True))


def make(parcels: Sequence[Parcel], held: Held) -> Plan:
    """Return what is to be done.

    Raises ``PublishError`` if the registry, or the plan itself, has other bytes under a name and version,
    if a crate needs one that neither has, or if crates need each other.
    """
    _refuse_two(parcels)
    _refuse_other_bytes(parcels, held)
    by_name: dict[str, list[Key]] = {}
    for parcel in parcels:
        by_name.setdefault(parcel.entry.name, []).append(parcel.key)
    after = {parcel.key: _after(parcel, by_name, held) for parcel in parcels}
    steps = []
    for parcel in _ordered(list({p.key: p for p in parcels}.values()), after):
        known = held.get(parcel.entry.name, {}).get(parcel.entry.version)
        action = Action.UPLOAD if known is None else Action.KEEP
        steps.append(Step(parcel, action, after[parcel.key], known is not None and known.yanked))
    return Plan(tuple(steps))


def _refuse_two(parcels: Sequence[Parcel]) -> None:
    seen: dict[Key, str] = {}
    for parcel in parcels:
        sha256 = seen.setdefault(parcel.key, parcel.entry.sha256)
        if sha256 != parcel.entry.sha256:
            raise PublishError(f"{parcel} is to be published as {sha256} and as {parcel.entry.sha256}")
        if hashlib.sha256(parcel.data).hexdigest() != parcel.entry.sha256:
            raise PublishError(f"{parcel} does not have the sha256 {parcel.entry.sha256} that its line names")


def _refuse_other_bytes(parcels: Sequence[Parcel], held: Held) -> None:
    others = [
        (parcel, known.sha256)
        for parcel in parcels
        if (known := held.get(parcel.entry.name, {}).get(parcel.entry.version)) is not None
        and known.sha256 != parcel.entry.sha256
    ]
    if others:
        raise other_bytes(*others[0], more=len(others) - 1)


def other_bytes(parcel: Parcel, found: str, *, more: int = 0) -> PublishError:
    """Return the error that other bytes under a crate's name and version end with."""
    also = f" (and {more} more are others)" if more else ""
    return PublishError(
        f"{parcel} is published as {found}, and would now be {parcel.entry.sha256}{also}",
        hint=NEW_REVISION,
    )


def _after(parcel: Parcel, by_name: Mapping[str, list[Key]], held: Held) -> tuple[Key, ...]:
    found: list[Key] = []
    for package, req in needs(parcel):
        if package in by_name:
            found += by_name[package]
        elif not held.get(package):
            raise PublishError(
                f"{parcel} needs {package} {req}, which is neither in the registry nor to be published",
                hint="publish the whole release",
            )
    return tuple(dict.fromkeys(found))


def _ordered(parcels: Sequence[Parcel], after: Mapping[Key, tuple[Key, ...]]) -> list[Parcel]:
    """Return parcels so that each stands behind all that it needs, otherwise in the order that they have."""
    done: dict[Key, Parcel] = {}
    left = list(parcels)
    while left:
        ready = [p for p in left if all(key in done for key in after[p.key])]
        if not ready:
            raise PublishError(f"{', '.join(str(p) for p in left)} need each other")
        for parcel in ready:
            done[parcel.key] = parcel
        left = [p for p in left if p.key not in done]
    return list(done.values())
