"""One crate on its way: sent once, and asked for before it is ever sent again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from patchbot.errors import PublishError
from patchbot.model import IndexEntry
from patchbot.registry.remote import agree, upload
from patchbot.registry.remote.answers import Answer, Fate
from patchbot.registry.remote.client import Client, Patience, denied
from patchbot.registry.remote.credentials import Purpose
from patchbot.registry.remote.journal import Journal, State
from patchbot.registry.remote.pacing import Pace, backoff
from patchbot.registry.remote.plan import Parcel, other_bytes

_LONGEST_BACKOFF = 60.0
_OFTEN = 100  # a bucket of one per ten minutes lets thirty crates in flight come thirty times
_POLL_FIRST, _POLL_LONGEST = 0.05, 10.0
_LAG = 60.0  # seconds after which an index that lags would show a crate: crates.io's takes some, its CDN a minute
_GO_ON = "what was published stays; a new run goes on from there"
_HALF = "an upload that broke off may have left it so: have what is stored of it removed there, and run again"


class Stopped(Exception):  # noqa: N818 - nothing is wrong with this crate
    """Another crate has failed, or the user wants an end."""


class Exhausted(Exception):  # noqa: N818 - its words are what happened
    """A registry was tried often enough, or asks for too much."""


class Budget:
    """How often and how long one upload is tried again.

    Failures are counted.  To be told to come back later is none: what the registry asks for is bounded one
    by one, for other uploads may take the place that it had in mind; where it does not say how long, what is
    waited is bounded in all.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._waits = backoff(patience.first, _LONGEST_BACKOFF)
        self._failures = 0
        self._unasked = 0.0
        self._asked = 0

    def spend(self, answer: Answer) -> float:
        """Return how many seconds to wait after ``answer``; raise ``Exhausted``."""
        longest = self._patience.longest
        if answer.wait is not None:
            self._asked += 1
            if answer.wait > longest or self._asked > _OFTEN:
                raise Exhausted(
                    f"the registry asks to wait {answer.wait:.0f} s, and has asked {self._asked} times; "
                    f"publish.wait allows {longest:.0f} s"
                )
            return answer.wait
        wait = next(self._waits)
        if answer.fate is Fate.LATER:
            self._unasked += wait
            if self._unasked > longest:
                raise Exhausted(f"the registry puts it off for more than {longest:.0f} s")
        else:
            self._failures += 1
            if self._failures >= self._patience.attempts:
                raise Exhausted(f"{self._failures} attempts have failed")
        return wait


@dataclass(slots=True)
class Sender:
    """Brings crates into one registry.  Threads share it; ``own`` is said in ``upload.body``."""

    client: Client
    journal: Journal
    pace: Pace
    own: Collection[str]
    tell: Callable[[str], None]
    sent: list[Parcel] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # what the index does not keep of crates

    def send(self, parcel: Parcel) -> None:
        """Upload a crate unless the registry has it; return when the registry has said that it has it.

        Raises ``PublishError`` if it refuses or holds other bytes, ``EnvironmentProblem`` if it cannot be
        reached, and ``Stopped``.
        """
        if self._was_sent(parcel):
            self.journal.add(State.UPLOADED, parcel)
            return
        body = upload.body(parcel.data, own=self.own)
        budget = Budget(self.client.patience)
        while True:
            if self.pace.enter(self.client.stop):
                raise Stopped
            self.journal.add(State.UPLOADING, parcel)
            answer = self.client.upload(body, Purpose("publish", *parcel.key, parcel.entry.sha256))
            if self._arrived(parcel, answer):
                if answer.fate is not Fate.REFUSED:  # else somebody else has sent it, or it is there by half
                    self.sent.append(parcel)
                    self.journal.add(State.UPLOADED, parcel)
                self.warnings += [f"{parcel}: {warning}" for warning in answer.warnings]
                return
            try:
                self._wait(parcel, answer, budget.spend(answer))
            except Exhausted as reason:
                raise PublishError(
                    f"{parcel}: {reason} ({answer.words})", where=self.client.target.name, hint=_GO_ON
                ) from None

    def _was_sent(self, parcel: Parcel) -> bool:
        """Whether an earlier run, which did not live to see it, has brought the crate there."""
        match self.journal.state(parcel):
            case State.PLANNED:
                return False  # the plan has asked the index, and nobody has sent anything
            case State.UPLOADED:  # an index that lags may show it yet
                return self._appears(parcel, self.has)
            case State.UPLOADING:
                return self._came_through(parcel)
            case State.VISIBLE | State.VERIFIED:
                self.tell(f"{parcel} was in {self.client.target.name} before, and is gone from its index")
                return self.has(parcel)

    def _arrived(self, parcel: Parcel, answer: Answer) -> bool:
        """Whether the registry has the crate after this answer; raise if it never will."""
        match answer.fate:
            case Fate.DONE:
                return True
            case Fate.DENIED:
                raise denied(self.client.target, answer.words)
            case Fate.REFUSED:
                if self._appears(parcel, self.has) if answer.duplicate else self.has(parcel):
                    return True
                raise PublishError(
                    f"the registry refuses {parcel} ({answer.words})", where=self.client.target.name
                )
            case Fate.LATER | Fate.UNKNOWN:
                return self._came_through(parcel)

    def _came_through(self, parcel: Parcel) -> bool:
        """Whether an upload that nobody has seen the end of was taken as a whole.

        A registry may have stored the bytes and no line of the index: it died, or it let go of a request whose
        connection had ended (kellnr 6.6.0: ``publish`` awaits its storage first, its database then).  Such a crate
        must be sent again.
        """
        if self.shows(parcel):
            return True
        if not self._stores(parcel):
            return False
        if self._appears(parcel, self.shows, seconds=_LAG):
            return True
        self.tell(f"{parcel} is stored, but not in the index after {_LAG:.0f} s: it is sent again")
        return False

    def _wait(self, parcel: Parcel, answer: Answer, seconds: float) -> None:
        if seconds >= 1:
            self.tell(f"{parcel}: {answer.words}; waiting {seconds:.0f} s")
        if answer.fate is Fate.LATER:
            self.pace.close(seconds)  # it holds for all
        elif self.client.clock.wait(seconds, self.client.stop):
            raise Stopped

    def has(self, parcel: Parcel) -> bool:
        """Ask the registry whether it has these very bytes, first its index, then its store.

        An index may lag behind the store.  Raises ``PublishError`` if there are other bytes.
        """
        return self.shows(parcel) or self._stores(parcel)

    def _stores(self, parcel: Parcel) -> bool:
        """Ask the store alone.  Raises ``PublishError`` if there are other bytes."""
        data = self.client.crate(parcel.entry)
        if data is None:
            return False
        found = hashlib.sha256(data).hexdigest()
        if found != parcel.entry.sha256:
            raise other_bytes(parcel, found)
        return True

    def shows(self, parcel: Parcel) -> bool:
        """Ask the index alone."""
        return self._shown(parcel) is not None

    def _shown(self, parcel: Parcel) -> IndexEntry | None:
        name, version = parcel.key
        known = self.client.entries(name).get(version)
        if known is not None and known.sha256 != parcel.entry.sha256:
            raise other_bytes(parcel, known.sha256)
        return known

    def watch(self, parcel: Parcel) -> None:
        """Wait until the index shows a crate: what depends on it may be refused before."""
        if not self._appears(parcel, self._shows_rightly):
            accepted = parcel in self.sent
            raise PublishError(
                f"{parcel} {'was accepted' if accepted else 'is stored'}, but the index does not show it "
                f"after {self.client.patience.visible:.0f} s",
                where=self.client.target.index,
                hint=_GO_ON if accepted else _HALF,
            )
        self.journal.add(State.VISIBLE, parcel)

    def _shows_rightly(self, parcel: Parcel) -> bool:
        known = self._shown(parcel)
        if known is None:
            return False
        wrong = agree.wrong_dependencies(parcel.entry, known, index=self.client.target.index)
        if wrong:
            raise PublishError(
                f"the index says something else of {parcel} than its manifest: look at {', '.join(wrong)}",
                where=self.client.target.index,
                hint="such a registry cannot serve renamed dependencies; "
                f"patchbot doctor --registry {self.client.target.name} says more",
            )
        self.lost.update(agree.lost(parcel.entry, known))
        return True

    def _appears(self, parcel: Parcel, ask: Callable[[Parcel], bool], *, seconds: float = math.inf) -> bool:
        clock, stop = self.client.clock, self.client.stop
        until = clock.now() + min(seconds, self.client.patience.visible)
        for wait in backoff(_POLL_FIRST, _POLL_LONGEST):
            if ask(parcel):
                return True
            left = until - clock.now()
            if left <= 0:
                return False
            if clock.wait(min(wait, left), stop):
                raise Stopped
        return False  # pragma: no cover - backoff has no end

    def verify(self, parcel: Parcel) -> None:
        """Download a crate and compare.

        Other bytes are asked for again, for a cache on the way may be at fault.
        """
        found = "nothing"
        waits = backoff(self.client.patience.first, _POLL_LONGEST)
        for _ in range(self.client.patience.attempts):
            data = self.client.crate(parcel.entry)
            found = "nothing" if data is None else hashlib.sha256(data).hexdigest()
            if found == parcel.entry.sha256:
                self.journal.add(State.VERIFIED, parcel)
                return
            if self.client.clock.wait(next(waits), self.client.stop):
                raise Stopped
        raise PublishError(
            f"the registry serves {found} as {parcel}, and its index says {parcel.entry.sha256}",
            where=self.client.target.name,
            hint="do not use this release from there; ask whoever runs the registry",
        )
