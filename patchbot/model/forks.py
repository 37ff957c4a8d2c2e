"""What becomes of a release: rewrites, patches, forks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from patchbot.model.crates import CratePin, IndexEntry
from patchbot.model.release import Release, Suffix


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one generated patch does: its rule, and the new bytes of each file it changes.

    Rewrites are applied in the order of their names; ``files`` is the state after this one.
    """

    name: str
    digest: str
    files: Mapping[str, bytes]


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


@dataclass(frozen=True, slots=True)
class ForkedCrate:
    """A fork as a registry holds it: its index line, its ``.crate`` bytes, and why it had to be forked."""

    upstream: CratePin
    entry: IndexEntry
    data: bytes = field(repr=False)
    reason: str

    @property
    def library(self) -> str:
        """The name that Rust code uses: the package name with underscores."""
        return self.entry.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ForkedRelease:
    """All forks of one release, dependencies first; ``shared`` are the upstream crates they use as they are."""

    release: Release
    suffix: Suffix
    crates: tuple[ForkedCrate, ...]
    shared: tuple[str, ...] = ()

    def crate(self, upstream_name: str) -> ForkedCrate:
        """Return the fork of the upstream crate of that name; raise ``KeyError`` if it was not forked."""
        for crate in self.crates:
            if crate.upstream.name == upstream_name:
                return crate
        raise KeyError(upstream_name)


def suffixed_links_key(key: str, suffix: Suffix) -> str:
    """Return the ``links`` key of a fork: ``wasi-common-19`` becomes ``wasi-common-19_8_0_1_pb``.

    The series (which edits the build scripts that read ``DEP_*``) and the manifest must agree on it.
    """
    return f"{key}{suffix}"


def links_variable(key: str) -> str:
    """Return the prefix of the variables that cargo makes of a key: upper case, ``-`` to ``_``, dots kept."""
    return f"DEP_{key.upper().replace('-', '_')}_"
