"""Does a registry's index say of a crate what its manifest says?  Pure.

Some servers mix up ``package`` and the name in the manifest, and every renamed dependency is lost
(rust-lang/cargo issue 14148); forks rename all of theirs.
"""

from __future__ import annotations

from patchbot.model import Dependency, IndexEntry

# What cargo resolves by, and then what only makes its choices better.
_OTHER = (("features", "features"), ("links", "links key"), ("rust_version", "rust-version"))


def wrong_dependencies(ours: IndexEntry, theirs: IndexEntry, *, index: str) -> list[str]:
    """Return the packages of whose dependency the index, at ``index``, says something else."""
    wanted = {_spelled(dependency, index) for dependency in ours.dependencies}
    found = {_spelled(dependency, index) for dependency in theirs.dependencies}
    return sorted({str(spelled[1]) for spelled in wanted ^ found})


def lost(ours: IndexEntry, theirs: IndexEntry) -> list[str]:
    """Return what else the index says otherwise, in the manifest's words."""
    return [name for key, name in _OTHER if getattr(ours, key) != getattr(theirs, key)]


def _spelled(dependency: Dependency, index: str) -> tuple[str | bool | tuple[str, ...], ...]:
    registry = dependency.registry if dependency.registry != index else None
    return (
        dependency.alias,
        dependency.package,
        dependency.req.replace(" ", ""),
        dependency.kind.value,
        dependency.optional,
        dependency.default_features,
        tuple(sorted(dependency.features)),
        dependency.target or "",
        registry or "",
    )
