"""The words of a ``[features]`` table that speak of dependencies (cargo book, "Features")."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def dependency_of(word: str) -> str | None:
    """Return the dependency that a feature's word is about: of ``dep:a``, ``a/x`` and ``a?/x`` that is ``a``.

    A bare word is a feature, be it the one that an optional dependency is by itself.
    """
    if word.startswith("dep:"):
        return word.removeprefix("dep:").partition("/")[0]
    name, slash, _ = word.partition("/")
    return name.removesuffix("?") if slash else None


def without(words: Iterable[str], gone: Collection[str]) -> tuple[str, ...]:
    """Return a feature's words without those about dependencies that are ``gone``.

    A feature may switch on one of a dev-dependency (cargo src/cargo/core/summary.rs, ``build_feature_map``);
    where the dependency is dropped, cargo refuses the manifest.  ``cargo publish`` drops such words itself
    since 1.79 (rust-lang/cargo pull 13518), of path dependencies only.
    """
    return tuple(word for word in words if dependency_of(word) not in gone)
