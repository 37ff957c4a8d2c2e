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


class ClosureMode(StrEnum):
    """How much of a release is forked; each holds the one before it."""

    MINIMAL = "minimal"  # what holds names, and what is between that and the roots
    RANGE = "range"  # and what is pinned exactly: two releases of one semver range fit into one graph
    EXACT = "exact"  # every crate of upstream's: nothing floats to another release's


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
    """All forks of one release, dependencies first; ``shared`` are the upstream crates they use as they are.

    ``revision``, ``closure``, ``series`` (a digest) and ``index`` are what the bytes depend on and a registry
    does not say; together with ``release`` they are what ``patches/published.toml`` remembers.
    """

    release: Release
    suffix: Suffix
    crates: tuple[ForkedCrate, ...]
    shared: tuple[str, ...] = ()
    revision: int = 1
    closure: ClosureMode = ClosureMode.MINIMAL
    series: str = ""
    index: str = ""

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
