"""Receipts: what was proved, of which bytes, with which tools, and how long it took."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchbot import files
from patchbot.model import JsonObject


@dataclass(frozen=True, slots=True)
class Twin:
    """A negative twin: what was left out, whether it failed as it must, and what it said.

    ``failed`` is None where the twin makes no sense for these releases; ``detail`` says why.
    """

    name: str
    failed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder.  ``problems`` are empty if it holds; ``seconds`` cover its twins too."""

    name: str
    problems: tuple[str, ...]
    twins: tuple[Twin, ...]
    checked: str
    seconds: float

    @property
    def twin_failed(self) -> bool:
        """Whether at least one twin was tried, and every one that was failed as it must."""
        tried = [twin.failed for twin in self.twins if twin.failed is not None]
        return bool(tried) and all(tried)

    @property
    def ok(self) -> bool:
        """Whether the rung holds and its twins show that it could have failed."""
        return not self.problems and self.twin_failed

    def to_json(self) -> JsonObject:
        """Spell the rung as ``prove --json`` does."""
        return {
            "rung": self.name,
            "ok": self.ok,
            "negative_twin_failed": self.twin_failed,
            "seconds": round(self.seconds, 1),
            "checked": self.checked,
            "problems": list(self.problems),
            "twins": [{"twin": t.name, "failed": t.failed, "detail": t.detail} for t in self.twins],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rung:
        """Read what ``to_json`` wrote."""
        return cls(
            name=data["rung"],
            problems=tuple(data["problems"]),
            twins=tuple(Twin(t["twin"], t["failed"], t["detail"]) for t in data["twins"]),
            checked=data["checked"],
            seconds=data["seconds"],
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one proof.  ``key`` is a digest of everything that went into it."""

    key: str
    releases: tuple[str, ...]
    target: str
    rungs: tuple[Rung, ...]
    inputs: Mapping[str, Any]
    date: str

    @property
    def trees(self) -> Mapping[str, str]:
        """The tree that each release's forks were made from."""
        return dict(self.inputs.get("trees", {}))

    @property
    def ok(self) -> bool:
        """Whether every rung holds."""
        return bool(self.rungs) and all(rung.ok for rung in self.rungs)

    def to_json(self) -> JsonObject:
        """Spell the receipt; ``prove --json`` adds where it is kept."""
        return {
            "schema": 1,
            "ok": self.ok,
            "releases": list(self.releases),
            "target": self.target,
            "rungs": [rung.to_json() for rung in self.rungs],
            "date": self.date,
            "key": self.key,
            "inputs": self.inputs,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Receipt:
        """Read what ``to_json`` wrote."""
        return cls(
            key=data["key"],
            releases=tuple(data["releases"]),
            target=data["target"],
            rungs=tuple(Rung.from_json(rung) for rung in data["rungs"]),
            inputs=data["inputs"],
            date=data["date"],
        )


def key_of(inputs: Mapping[str, Any]) -> str:
    """Return the digest of a proof's inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def load(file: Path) -> Receipt | None:
    """Return the receipt in ``file``, or None if there is none that can be read."""
    try:
        return Receipt.from_json(json.loads(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(file: Path, receipt: Receipt) -> None:
    """Write a receipt."""
    files.write(file, (json.dumps(receipt.to_json(), indent=2) + "\n").encode())
