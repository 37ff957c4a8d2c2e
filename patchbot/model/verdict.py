"""How a patch fared."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """How a patch fared on a release; every input patch ends with exactly one."""

    REGENERATED = "regenerated"  # a rule made it anew
    UNCHANGED = "unchanged"  # every file that it touches is the one that it was written for
    SHIFTED = "shifted"  # only line numbers and blob ids moved
    MERGED = "merged"  # upstream changed lines near it, or moved a file
    UPSTREAMED = "upstreamed"  # the release has all of it
    PARTLY_UPSTREAMED = "partly-upstreamed"  # the release has some of it; the rest was applied
    EMPTY = "empty"  # a patch before it has done all that it does
    CONFLICT = "conflict"  # it does not fit; nothing of it was applied
    TAINTED = "tainted"  # it rests on one that does not fit; nothing of it was applied
    DROPPED_BY_POLICY = "dropped-by-policy"  # the policy says that the release needs it no more

    @property
    def applied(self) -> bool:
        """Whether the patch, or what is left of it, is in the resulting series."""
        return self not in _NOT_APPLIED

    @property
    def open(self) -> bool:
        """Whether a person must look at it before the series is whole."""
        return self in {Verdict.CONFLICT, Verdict.TAINTED}


_NOT_APPLIED = frozenset(
    {Verdict.UPSTREAMED, Verdict.EMPTY, Verdict.CONFLICT, Verdict.TAINTED, Verdict.DROPPED_BY_POLICY}
)
