"""Compare the series of two releases, patch by patch: by name, never by likeness.

``git range-diff`` pairs by likeness and shows an unmatched pair as two patches (bitcoin issue 34656 tells what
that hides); a series knows its patches by name.  What differs in every release and says nothing (suffix, line
numbers, blob ids) is left out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from patchbot.series.lock import Lock

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
_CONTEXT = 3


class Pair(StrEnum):
    """How a patch of one series stands to that of the same name in the other."""

    SAME = "same"
    CHANGED = "changed"
    ONLY_FROM = "only in the first"
    ONLY_TO = "only in the second"


@dataclass(frozen=True, slots=True)
class Side:
    """A series: its lock, and its mails by patch."""

    lock: Lock
    mails: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Compared:
    """A patch in two series: its verdicts (empty where it is not listed), and how its text differs."""

    name: str
    pair: Pair
    before: str
    after: str
    diff: tuple[str, ...]


def compare(first: Side, second: Side) -> tuple[Compared, ...]:
    """Return a row per patch that one of the series lists, in the order of the second, then of the first."""
    before = {patch.name: patch.verdict.value for patch in first.lock.patches}
    after = {patch.name: patch.verdict.value for patch in second.lock.patches}
    return tuple(
        _row(name, first, second, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys([*after, *before])
    )


def _row(name: str, first: Side, second: Side, before: str, after: str) -> Compared:
    old, new = _lines(first, name), _lines(second, name)
    if name in first.mails and name in second.mails:
        pair = Pair.SAME if old == new else Pair.CHANGED
    elif name in second.mails:
        pair = Pair.ONLY_TO
    else:
        pair = Pair.ONLY_FROM if name in first.mails else Pair.SAME
    names = (str(first.lock.release), str(second.lock.release))
    rows = difflib.unified_diff(old, new, *names, n=_CONTEXT, lineterm="") if pair is Pair.CHANGED else ()
    return Compared(name, pair, before, after, tuple(rows))


def _lines(side: Side, name: str) -> list[str]:
    """Return a patch's diff without what differs in every release."""
    text = side.mails.get(name, b"").decode(errors="replace")
    suffix = side.lock.suffix.text
    version = re.sub(r"[^0-9A-Za-z]", "_", str(side.lock.release))
    for word, neutral in (
        (suffix, "_SUFFIX"),
        (suffix.upper(), "_SUFFIX"),
        (suffix[1:], "SUFFIX"),
        (f"v{version}", "vVERSION"),
    ):
        text = text.replace(word, neutral)
    start = text.find("\ndiff --git ")
    lines = text[start + 1 :].splitlines() if start >= 0 else []
    return [_HUNK.sub("@@", line) for line in lines if not line.startswith("index ")]
