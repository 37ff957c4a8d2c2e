"""Which crates of a release have to be forked, and why: a pure function of the index and the scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.model import DependencyKind, ImportedRelease, spoken_list


@dataclass(frozen=True, slots=True)
class Closure:
    """The crates to fork, dependencies first, each with its reason; ``shared`` are used as upstream has them."""

    forked: tuple[str, ...]
    reasons: Mapping[str, str]
    shared: tuple[str, ...]


def minimal(release: ImportedRelease, roots: Sequence[str], owners: Mapping[str, str]) -> Closure:
    """Return the smallest set that keeps this release apart from every other one.

    ``owners`` are the crates that must differ (they hold link-time names, ``links`` keys, or are patched)
    with the reason.  Forked are those that the ``roots`` reach, and every crate on a way from a root to
    one of them: a crate that is shared must not depend on one that is not.  Optional dependencies and
    those of any target count; dev-dependencies do not.

    Roots that the release does not have are passed over: crates come and go.  Raises ``RepositoryError`` if
    it has none of them, or if crates depend on each other in a circle.
    """
    graph = dependencies(release)
    present = [root for root in roots if root in graph]
    if not present:
        raise RepositoryError(f"wasmtime {release.release} has none of {spoken_list(roots)}")
    reached = _reachable(graph, present)
    order = _topological(graph, reached)
    # With nothing to keep apart, a fork of the roots alone still gives them names of their own.
    reasons = _reasons(graph, order, owners) or _reasons(graph, order, dict.fromkeys(present, "is asked for"))
    forked = tuple(crate for crate in order if crate in reasons)
    return Closure(forked, reasons, tuple(crate for crate in order if crate not in reasons))


def _reasons(
    graph: Mapping[str, Sequence[str]], order: Iterable[str], owners: Mapping[str, str]
) -> dict[str, str]:
    """Return the owners, and what depends on them, each with its reason."""
    reasons: dict[str, str] = {}
    for crate in order:
        if crate in owners:
            reasons[crate] = owners[crate]
            continue
        below = [d for d in graph[crate] if d in reasons]
        if below:
            reasons[crate] = f"depends on {spoken_list(below)}"
    return reasons


def dependencies(release: ImportedRelease) -> dict[str, tuple[str, ...]]:
    """Return the release's own crates and which of each other they need to be built."""
    names = {pin.name for pin in release.crates}
    return {
        pin.name: tuple(
            sorted(
                {d.package for d in pin.entry.dependencies if d.kind is not DependencyKind.DEV}
                & (names - {pin.name})
            )
        )
        for pin in release.crates
    }


def _reachable(graph: Mapping[str, Sequence[str]], roots: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        crate = waiting.pop()
        if crate not in seen:
            seen.add(crate)
            waiting += graph[crate]
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
