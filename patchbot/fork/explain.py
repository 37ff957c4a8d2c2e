"""Why one crate of a release is forked or shared: who wants it, and the ways up to the roots and down to a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchbot.fork.closure import Closure, dependencies
from patchbot.model import Dependency, ImportedRelease, JsonObject


@dataclass(frozen=True, slots=True)
class Explanation:
    """One crate of one release.

    ``state`` is forked, shared, unused (no root needs it) or absent (the release has no such crate).
    ``from_root`` goes down from a root to the crate, ``to_apart`` on from it to the nearest crate that must
    differ by itself; both are the shortest ways, and empty where there is none.  ``wanted_by`` are the
    crates among those of the roots that depend on it, each with how.
    """

    crate: str
    version: str | None
    state: str
    reason: str
    from_root: tuple[str, ...] = ()
    to_apart: tuple[str, ...] = ()
    apart: str = ""
    wanted_by: tuple[tuple[str, Dependency], ...] = ()

    def to_json(self) -> JsonObject:
        """Spell the explanation as ``fork --explain --json`` does."""
        return {
            "crate": self.crate,
            "version": self.version,
            "state": self.state,
            "reason": self.reason,
            "from_root": list(self.from_root),
            "to_apart": list(self.to_apart),
            "apart": self.apart,
            "wanted_by": [
                {
                    "crate": crate,
                    "req": d.req,
                    "kind": d.kind.value,
                    "optional": d.optional,
                    "target": d.target,
                }
                for crate, d in self.wanted_by
            ],
        }


def explain(release: ImportedRelease, closure: Closure, crate: str) -> Explanation:
    """Say why the crate that upstream calls ``crate`` is in the closure, or is not."""
    graph = dependencies(release)
    if crate not in graph:
        return Explanation(crate, None, "absent", f"wasmtime {release.release} has no such crate")
    version = release.crate(crate).version
    used = {*closure.forked, *closure.shared}
    if crate not in used:
        return Explanation(crate, version, "unused", "nothing that [fork] roots names needs it")
    within = {c: [d for d in graph[c] if d in used] for c in used}
    wanted = tuple(
        (pin.name, d)
        for pin in sorted(release.crates, key=lambda pin: pin.name)
        for d in pin.entry.needed
        if pin.name in used and d.package == crate
    )
    down = _way(within, closure.roots, {crate})
    if crate in closure.shared:
        return Explanation(crate, version, "shared", _why_shared(wanted), down, wanted_by=wanted)
    forked = {c: [d for d in within[c] if d in closure.reasons] for c in closure.forked}
    way = _way(forked, [crate], closure.apart)
    return Explanation(
        crate, version, "forked", closure.reasons[crate], down, way, closure.reasons[way[-1]], wanted
    )


def _why_shared(wanted: Sequence[tuple[str, Dependency]]) -> str:
    why = "nothing in it, nor in what it depends on, has to be kept apart"
    pins = sorted({d.req for _, d in wanted if d.req.startswith("=")})
    if pins:
        return f"{why}; it is pinned {' and '.join(pins)}, so no other release of its range fits beside it"
    free = sorted({d.req for _, d in wanted})
    newest = f"cargo takes the newest that fits {' and '.join(free)}" if free else "it is asked for itself"
    return f"{why}; {newest}"


def _way(graph: Mapping[str, Sequence[str]], starts: Iterable[str], ends: Iterable[str]) -> tuple[str, ...]:
    """Return the shortest way from one of ``starts`` to one of ``ends``, both included."""
    goals = set(ends)
    ways: list[tuple[str, ...]] = [(start,) for start in starts]
    seen = {way[-1] for way in ways}
    for way in ways:  # grows while it is walked: breadth first
        if way[-1] in goals:
            return way
        for below in graph.get(way[-1], ()):
            if below not in seen:
                seen.add(below)
                ways.append((*way, below))
    return ()
