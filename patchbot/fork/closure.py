"""Which crates of a release have to be forked, and why: a pure function of the index and the scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.model import ClosureMode, ImportedRelease, spoken_list

_SPOKEN = 2  # crates that a reason names


@dataclass(frozen=True, slots=True)
class Closure:
    """The crates to fork, dependencies first, each with its reason; ``shared`` are used as upstream has them.

    ``apart`` are those that must differ by themselves; all others are forked because they depend on them.
    ``roots`` are the crates that users asked for and the release has, ``absent`` those that it has not.
    """

    forked: tuple[str, ...]
    reasons: Mapping[str, str]
    shared: tuple[str, ...]
    mode: ClosureMode
    apart: frozenset[str]
    roots: tuple[str, ...]
    absent: tuple[str, ...]


def close(
    release: ImportedRelease,
    roots: Sequence[str],
    owners: Mapping[str, str],
    mode: ClosureMode = ClosureMode.MINIMAL,
) -> Closure:
    """Return the crates to fork so that a release is kept apart from others, as far as ``mode`` says.

    ``owners`` are the crates that must differ (they hold link-time names, ``links`` keys, or are patched)
    with the reason.  Forked are those that the ``roots`` reach, and every crate on a way from a root to
    one of them: a crate that is shared must not depend on one that is not.  Optional dependencies and
    those of any target count; dev-dependencies do not.

    Whether a crate is forked depends on the release alone, not on the roots: more of them add forks and
    leave the others' bytes as they are.  (Only where nothing has to be kept apart the roots decide: their
    forks give them names of their own.)  Roots that the release does not have are passed over: crates come
    and go.

    Raises ``RepositoryError`` if it has none of them, or if crates depend on each other in a circle.
    """
    graph = dependencies(release)
    present = tuple(root for root in roots if root in graph)
    if not present:
        raise RepositoryError(f"wasmtime {release.release} has none of {spoken_list(roots)}")
    reached = _reachable(graph, present)
    order = _topological(graph, reached)
    # With nothing to keep apart, a fork of the roots alone still gives them names of their own.
    apart = dict(owners) if reached & owners.keys() else {**owners, **dict.fromkeys(present, "is asked for")}
    if mode is not ClosureMode.MINIMAL:
        apart.update(_pinned(release, graph, apart))
    reasons = _reasons(graph, order, apart)
    if mode is ClosureMode.EXACT:
        rest = dict.fromkeys((c for c in order if c not in reasons), "is upstream's: exact forks every crate")
        apart, reasons = {**apart, **rest}, {**reasons, **rest}
    return Closure(
        forked=tuple(crate for crate in order if crate in reasons),
        reasons=reasons,
        shared=tuple(crate for crate in order if crate not in reasons),
        mode=mode,
        apart=frozenset(apart.keys() & reasons.keys()),
        roots=present,
        absent=tuple(root for root in roots if root not in graph),
    )


def _reasons(
    graph: Mapping[str, Sequence[str]], order: Iterable[str], apart: Mapping[str, str]
) -> dict[str, str]:
    """Return what has to be kept apart, and what depends on it, each with its reason."""
    reasons: dict[str, str] = {}
    for crate in order:
        if crate in apart:
            reasons[crate] = apart[crate]
            continue
        below = [d for d in graph[crate] if d in reasons]
        if below:
            reasons[crate] = f"depends on {spoken_list(below)}"
    return reasons


def _pinned(
    release: ImportedRelease, graph: Mapping[str, Sequence[str]], apart: Mapping[str, str]
) -> dict[str, str]:
    """Return what is pinned exactly by a crate that is forked, to a fixpoint, each with its reason.

    Cargo never holds two semver-compatible versions of a package: where forks of 36.0.19 and of 36.0.20 pin
    a shared crate exactly, their graph cannot be resolved.  Forking it keeps it apart; what it pins itself
    comes next.
    """
    pins = exact_pins(release)
    found: dict[str, str] = {}
    while True:
        forked = above(graph, {*apart, *found})
        new = {target for crate in forked for target in pins[crate]} - forked
        if not new:
            return found
        for crate in sorted(new):
            people = sorted(c for c in forked if crate in pins[c])
            more = len(people) - _SPOKEN
            names = [*people[:_SPOKEN], f"{more} more"] if more > 1 else people
            found[crate] = (
                f"is pinned exactly by {spoken_list(names)}: "
                f"two releases of {release.release.range} need two of it"
            )


def exact_pins(release: ImportedRelease) -> dict[str, frozenset[str]]:
    """Return which of the release's other crates each one pins with ``=``."""
    names = {pin.name for pin in release.crates}
    return {
        pin.name: frozenset(d.package for d in pin.entry.needed if d.req.startswith("="))
        & (names - {pin.name})
        for pin in release.crates
    }


def above(graph: Mapping[str, Sequence[str]], crates: Iterable[str]) -> set[str]:
    """Return ``crates`` and everything that depends on one of them."""
    people: dict[str, list[str]] = {}
    for crate, below in graph.items():
        for dependency in below:
            people.setdefault(dependency, []).append(crate)
    return _reachable(people, crates)


def dependencies(release: ImportedRelease) -> dict[str, tuple[str, ...]]:
    """Return the release's own crates and which of each other they need to be built."""
    names = {pin.name for pin in release.crates}
    return {
        pin.name: tuple(sorted({d.package for d in pin.entry.needed} & (names - {pin.name})))
        for pin in release.crates
    }


def _reachable(graph: Mapping[str, Sequence[str]], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        crate = waiting.pop()
        if crate not in seen:
            seen.add(crate)
            waiting += graph.get(crate, ())
    return seen


def _topological(graph: Mapping[str, Sequence[str]], crates: Iterable[str]) -> list[str]:
    """Return crates with every dependency before its dependents; ties in alphabetical order."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(crate: str) -> None:
        if state.get(crate):
            return
        if crate in state:
            raise RepositoryError(f"{crate} depends on itself")
        state[crate] = False
        for dependency in graph[crate]:
            visit(dependency)
        state[crate] = True
        order.append(crate)

    for crate in sorted(crates):
        visit(crate)
    return order
