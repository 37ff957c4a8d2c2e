"""Yank the crates of a release, or take that back: all or none, in an order that never leaves a hole.

A yanked version is no longer chosen; lockfiles that name it keep working (cargo book, "cargo yank").  So the
crates that others need are yanked last and come back first: at no moment does a crate that can be chosen need
one that cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from patchbot.errors import PublishError
from patchbot.model import IndexEntry
from patchbot.registry.remote.answers import Fate
from patchbot.registry.remote.client import Client, denied
from patchbot.registry.remote.pacing import Pace, backoff
from patchbot.registry.remote.sending import Budget, Exhausted, Stopped

_POLL_FIRST, _POLL_LONGEST = 0.05, 10.0


def order(entries: Iterable[IndexEntry], *, yanked: bool) -> tuple[IndexEntry, ...]:
    """Return entries in the order in which they are to change."""
    left = {(entry.name, entry.version): entry for entry in entries}
    out: list[IndexEntry] = []
    while left:
        names = {entry.name for entry in left.values()}
        ready = [e for e in left.values() if not _needs(e) & (names - {e.name})]
        for entry in ready or list(left.values()):  # a circle has no order
            out.append(entry)
            del left[entry.name, entry.version]
    return tuple(reversed(out)) if yanked else tuple(out)


def _needs(entry: IndexEntry) -> set[str]:
    return {dependency.package for dependency in entry.dependencies if dependency.registry is None}


def execute(
    client: Client,
    entries: Sequence[IndexEntry],
    *,
    yanked: bool,
    pace: Pace,
    advance: Callable[[str], None] = lambda _: None,
) -> None:
    """Yank, or un-yank, entries one after the other, each until the index shows it.

    Raises ``PublishError`` if the registry refuses, or its index does not show the change.
    """
    for entry in entries:
        _set(client, entry, yanked, pace)
        advance(f"{entry.name} {entry.version}")


def _set(client: Client, entry: IndexEntry, yanked: bool, pace: Pace) -> None:  # noqa: FBT001 - what to set
    budget = Budget(client.patience)
    what = f"{'yank' if yanked else 'un-yank'} {entry.name} {entry.version}"
    while True:
        if pace.enter(client.stop):
            raise Stopped
        answer = client.set_yanked(entry.name, entry.version, yanked=yanked)
        match answer.fate:
            case Fate.DONE:
                return _shown(client, entry, yanked, what)
            case Fate.DENIED:
                raise denied(client.target, answer.words)
            case Fate.REFUSED:
                raise PublishError(
                    f"the registry refuses to {what} ({answer.words})", where=client.target.name
                )
            case Fate.LATER | Fate.UNKNOWN:
                if _is(client, entry, yanked):
                    return None
        try:
            wait = budget.spend(answer)
        except Exhausted as reason:
            raise PublishError(
                f"cannot {what}: {reason} ({answer.words})",
                where=client.target.name,
                hint="run again: what is done stays done",
            ) from None
        pace.close(wait)


def _shown(client: Client, entry: IndexEntry, yanked: bool, what: str) -> None:  # noqa: FBT001 - what was set
    until = client.clock.now() + client.patience.visible
    for wait in backoff(_POLL_FIRST, _POLL_LONGEST):
        if _is(client, entry, yanked):
            return
        if client.clock.now() + wait > until:
            break
        if client.clock.wait(wait, client.stop):
            raise Stopped
    raise PublishError(
        f"the registry said it did {what}, but its index does not show it",
        where=client.target.index,
        hint="run again later",
    )


def _is(client: Client, entry: IndexEntry, yanked: bool) -> bool:  # noqa: FBT001 - what to look for
    known = client.entries(entry.name).get(entry.version)
    return known is not None and known.yanked is yanked
