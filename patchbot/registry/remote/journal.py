"""What is known to have happened to crates on their way to a registry: lines that are added, never changed.

One file for a registry and a plan.  The registry itself is the truth; the journal says what may have
happened without an answer (``uploading``), and what need not be looked at again (``verified``).  A line is on
the disk before what it announces is done, and after what it reports.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from patchbot import files
from patchbot.model import JsonObject
from patchbot.registry.remote.pacing import Clock
from patchbot.registry.remote.plan import Key, Parcel, Plan
from patchbot.registry.remote.target import Target

Known = tuple[Key, str]  # name and version, sha256


class State(StrEnum):
    """How far a crate has come."""

    PLANNED = "planned"
    UPLOADING = "uploading"  # from here on the registry may have it
    UPLOADED = "uploaded"  # it said so
    VISIBLE = "visible"  # its index shows it
    VERIFIED = "verified"  # what it serves was compared


def folder(state: Path, target: Target) -> Path:
    """Return where the journals of a registry are; two of one name at two addresses are two."""
    return state / "publish" / f"{target.name}-{hashlib.sha256(target.index.encode()).hexdigest()[:8]}"


class Journal:
    """The journal of one plan, and what all journals of its registry know."""

    def __init__(self, where: Path, target: Target, plan: Plan, clock: Clock) -> None:
        self.file = where / f"{plan.digest[:16]}.jsonl"
        self._clock = clock
        self._lock = threading.Lock()
        self.states = recall(where)
        self.resolved = any(line.get("event") == "resolved" for line in read(self.file))
        _mend(self.file)
        if not self.file.exists():
            head = {"schema": 1, "registry": target.name, "index": target.index, "plan": plan.digest}
            crates = [self._line(State.PLANNED, step.parcel) for step in plan.steps]
            self._write([{**head, "at": self._now()}, *crates], durable=True)

    def state(self, parcel: Parcel) -> State:
        """Return how far a crate has come, by what was written so far."""
        return self.states.get((parcel.key, parcel.entry.sha256), State.PLANNED)

    def add(self, state: State, *parcels: Parcel) -> None:
        """Write that crates have come so far.  Raises ``EnvironmentProblem`` if the disk does not take it."""
        self._write([self._line(state, parcel) for parcel in parcels], durable=state is State.UPLOADING)
        for parcel in parcels:
            self.states[parcel.key, parcel.entry.sha256] = state

    def add_resolved(self) -> None:
        """Write that cargo has resolved a program that uses what the plan publishes."""
        self._write([{"event": "resolved", "at": self._now()}], durable=True)
        self.resolved = True

    def _line(self, state: State, parcel: Parcel) -> JsonObject:
        entry = parcel.entry
        return {
            "state": state.value,
            "name": entry.name,
            "version": entry.version,
            "sha256": entry.sha256,
            "release": parcel.release,
            "at": self._now(),
        }

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")

    def _write(self, lines: Iterable[JsonObject], *, durable: bool) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with self._lock:
            files.append(self.file, text.encode(), durable=durable)


def read(file: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a journal; what a killed run left of its last one is no line."""
    for line in (files.read(file) or b"").splitlines(keepends=True):
        try:
            found = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            continue  # it says nothing, so the registry is asked
        if isinstance(found, dict):
            yield found


def recall(where: Path) -> dict[Known, State]:
    """Return how far crates have come by all journals of a registry: what was written last counts."""
    last: dict[Known, tuple[str, State]] = {}
    for file in sorted(where.glob("*.jsonl")):
        for line in read(file):
            try:
                known = ((str(line["name"]), str(line["version"])), str(line["sha256"]))
                at, state = str(line["at"]), State(line["state"])
            except (KeyError, ValueError):
                continue
            # another plan that has the crate, too, knows nothing new of it
            if state is not State.PLANNED and at >= last.get(known, ("", state))[0]:
                last[known] = (at, state)
    return {known: state for known, (_, state) in last.items()}


def _mend(file: Path) -> None:
    """Cut off half a line: what is added next would be part of it."""
    data = files.read(file) or b""
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        files.write(file, whole, durable=True)
