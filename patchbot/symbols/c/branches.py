"""The branches of an ``#if``, and what holds in each, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CONDITION = 1000  # characters; what is longer says nothing to people


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of an ``#if``: what failed before it, and its own condition."""

    failed: str
    own: str

    @property
    def condition(self) -> str:
        """What holds in it."""
        return both(self.failed, self.own)

    def otherwise(self, own: str) -> Branch:
        """Return the branch behind this one."""
        failed = both(self.failed, negated(self.own))
        return Branch(failed if len(failed) < MAX_CONDITION else "(none of those above)", own)


def condition_of(word: str, rest: str) -> str:
    """Return what ``#if``, ``#ifdef`` or ``#ifndef`` asks."""
    return {"ifdef": f"defined({rest})", "ifndef": f"!defined({rest})"}.get(word, rest)


def negated(condition: str) -> str:
    """Return what holds where a condition does not."""
    plain = re.fullmatch(r"!?defined\(\w+\)", condition)
    if plain is None:
        return f"!({condition})"
    return condition[1:] if condition.startswith("!") else f"!{condition}"


def both(left: str, right: str) -> str:
    """Return what holds where both do; an empty one always does."""
    return f"{left} && {right}" if left and right else left or right
