"""Execute a plan: several uploads in flight, each when all that it needs is visible, then compare everything.

Whatever happens, a crate is in one of the journal's states and the registry is the truth: a new run asks it
and goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from patchbot.errors import PatchbotError
from patchbot.registry.remote.client import CONNECTIONS
from patchbot.registry.remote.journal import State
from patchbot.registry.remote.plan import Parcel, Plan, Step
from patchbot.registry.remote.sending import Sender, Stopped


@dataclass(frozen=True, slots=True)
class Done:
    """What executing a plan did: crates sent, crates that were there, crates downloaded and compared."""

    sent: int
    kept: int
    verified: int
    warnings: tuple[str, ...]


def execute(
    plan: Plan, sender: Sender, *, in_flight: int, advance: Callable[[str], None] = lambda _: None
) -> Done:
    """Bring every crate of a plan into the registry, and compare what it serves.

    ``advance`` is called for each crate that is visible.  After a failure nothing new is sent; what is on
    its way comes to an end, and the first failure is raised.
    """
    if plan.uploads:
        _Run(plan, sender, in_flight, advance).run()
    known = {step.parcel.key: sender.journal.state(step.parcel) for step in plan.steps}
    doubtful = [step.parcel for step in plan.steps if known[step.parcel.key] is not State.VERIFIED]
    _each(doubtful, sender.verify, sender.client.stop)
    kept = len(plan.steps) - len(sender.sent)
    lost = [f"the index does not keep the {what} of crates" for what in sorted(sender.lost)]
    return Done(len(sender.sent), kept, len(doubtful), (*sender.warnings, *lost))


class _Run:
    """The uploads of a plan.  Only the thread that calls ``run`` looks at what is ready."""

    def __init__(self, plan: Plan, sender: Sender, in_flight: int, advance: Callable[[str], None]) -> None:
        self._sender = sender
        self._in_flight = in_flight
        self._advance = advance
        self._left = {step.parcel.key: step for step in plan.uploads}
        self._blocked = {
            step.parcel.key: {key for key in step.after if key in self._left} for step in plan.uploads
        }
        self._failures: list[BaseException] = []
        self._running: dict[Future[None], tuple[Step, bool]] = {}  # and whether it is being watched

    def run(self) -> None:
        with (
            ThreadPoolExecutor(self._in_flight, "send") as senders,
            ThreadPoolExecutor(CONNECTIONS, "watch") as watchers,
        ):
            try:
                self._start(senders)
                while self._running:
                    finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        self._finish(future, watchers)
                    self._start(senders)
            except BaseException:
                self._sender.client.stop.set()
                raise
        if self._failures:
            raise next((f for f in self._failures if not isinstance(f, Stopped)), self._failures[0])

    def _start(self, senders: ThreadPoolExecutor) -> None:
        if self._failures:
            return
        ready = [key for key, step in self._left.items() if not self._blocked[step.parcel.key]]
        for key in ready:
            step = self._left.pop(key)
            self._running[senders.submit(self._sender.send, step.parcel)] = (step, False)

    def _finish(self, future: Future[None], watchers: ThreadPoolExecutor) -> None:
        step, watched = self._running.pop(future)
        failure = future.exception()
        if failure is not None:
            self._failures.append(failure)
            self._sender.client.stop.set()
        elif not watched:
            self._running[watchers.submit(self._sender.watch, step.parcel)] = (step, True)
        else:
            self._advance(str(step.parcel))
            for blocked in self._blocked.values():
                blocked.discard(step.parcel.key)


def _each(parcels: Sequence[Parcel], do: Callable[[Parcel], None], stop: threading.Event) -> None:
    """Do something with many crates at once; raise the first failure, once all have come to an end."""
    if not parcels:
        return
    failures: list[BaseException] = []
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        try:
            for future in [pool.submit(do, parcel) for parcel in parcels]:
                failure = future.exception()
                if failure is not None:
                    failures.append(failure)
                    if not isinstance(failure, PatchbotError | Stopped):
                        stop.set()
        except BaseException:
            stop.set()
            raise
    if failures:
        raise next((f for f in failures if not isinstance(f, Stopped)), failures[0])
