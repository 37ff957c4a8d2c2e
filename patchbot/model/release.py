"""Releases, and the suffixes that their names get."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from patchbot.errors import ConfigError, UsageError

# semver 2 and 9, in ASCII and in numbers that fit a u64, as cargo has them
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"


_PRE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"


_RELEASE = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?")


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Release:
    """A wasmtime release, ordered as semver orders it: ``50.0.0-rc.1`` before ``50.0.0``.

    Build metadata is refused: cargo registries hold one crate per version without it.
    """

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read ``8.0.1`` or ``50.0.0-rc.1``; raise ``UsageError`` for anything else."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a release",
                hint="releases look like 8.0.1 or 50.0.0-rc.1, without a leading v",
            )
        major, minor, patch, pre = match.groups()
        return cls(int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else ())

    @property
    def is_prerelease(self) -> bool:
        """Whether the version has a pre-release part, such as ``-rc.1``."""
        return bool(self.pre)

    @property
    def range(self) -> str:
        """The versions that cargo never holds two of in one graph: ``36.x``, ``0.40.x``.

        They are those that a caret takes for one another (cargo book, "Version-incompatibility hazards").
        Pre-releases belong to the range of their release: cargo's resolver asks for the leftmost number that
        is not zero, and for nothing else (cargo src/cargo/core/resolver/context.rs, ``SemverCompatibility``).
        """
        if self.major:
            return f"{self.major}.x"
        return f"0.{self.minor}.x" if self.minor else f"0.0.{self.patch}"

    @property
    def slug(self) -> str:
        """The release in package names and folders that allow no dots: ``8-0-1``, ``50-0-0-rc-1``."""
        return re.sub(r"[^0-9A-Za-z]+", "-", str(self))

    def __str__(self) -> str:
        pre = f"-{'.'.join(self.pre)}" if self.pre else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Release):
            return NotImplemented
        return self._key() < other._key()

    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # semver 11: numeric identifiers sort below alphanumeric ones; no pre-release sorts last.
        pre = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, pre)


_C_IDENTIFIER_PART = re.compile(r"_[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Suffix:
    """What is appended to every own link-time name of one release, such as ``_8_0_1_pb``.

    It starts with ``_`` (upstream's own macro puts that in front of its version, so anything else could
    not be said there) and continues as a C identifier does.
    """

    text: str

    def __post_init__(self) -> None:
        if _C_IDENTIFIER_PART.fullmatch(self.text) is None:
            raise ConfigError(
                f"the suffix {self.text!r} cannot be part of a C identifier",
                hint="start with an underscore and use letters, digits and underscores, as in _8_0_1_pb",
            )

    @classmethod
    def of(cls, release: Release, *, template: str, mark: str) -> Suffix:
        """Fill ``{version}`` and ``{mark}`` of ``template``; dots and dashes become underscores."""
        try:
            text = template.format(version=str(release), mark=mark)
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the suffix template {template!r} cannot be filled in: {error}",
                hint="a template knows {version} and {mark}",
            ) from None
        return cls(re.sub(r"[.-]+", "_", text))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Names:
    """What a fork of a release is called: the suffix of its link-time names, and its libraries.

    ``libraries`` maps upstream's library names to the fork's (``wasmtime`` → ``wasmtime_v8_0_1``), for those
    whose paths macros print.
    """

    suffix: Suffix
    libraries: Mapping[str, str] = field(default_factory=dict)
