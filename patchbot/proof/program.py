"""The cargo project of a proof: pure text from templates, the same for the same forks."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from patchbot.model import Release
from patchbot.proof import dialects

CRATES_IO_SOURCE = "registry+https://github.com/rust-lang/crates.io-index"

# Up to 37 the header of a compiled module holds the whole version, from 38 only the major.
_MAJOR_IN_HEADER = Release(38, 0, 0)


@dataclass(frozen=True, slots=True)
class Member:
    """One wasmtime of the program: a fork, or upstream's original (``registry`` is None then).

    ``features`` are the cargo features to switch on; the defaults are off.
    """

    release: Release
    package: str
    version: str
    features: tuple[str, ...]
    registry: str | None

    @property
    def original(self) -> bool:
        """Whether it is upstream's own crate."""
        return self.registry is None

    @property
    def label(self) -> str:
        """What the program calls it: ``8.0.1``, ``9.0.4 (original)``."""
        return f"{self.release} (original)" if self.original else str(self.release)

    @property
    def library(self) -> str:
        """The name that Rust code uses for it in the program."""
        return "wasmtime_original" if self.original else self.package.replace("-", "_")

    @property
    def module(self) -> str:
        """The program's module for it."""
        return "original" if self.original else "v" + re.sub(r"\W", "_", str(self.release))

    @property
    def accepts(self) -> str:
        """What its compiled modules are told by: members with the same word load each other's."""
        return str(self.release if self.release < _MAJOR_IN_HEADER else self.release.major)


def render(name: str, members: Sequence[Member], cargo_config: str) -> dict[str, str]:
    """Return the project's files by path: manifest, cargo configuration and sources."""
    sources = {f"src/{member.module}.rs": _version_source(member) for member in members}
    return {
        "Cargo.toml": _manifest(name, members),
        ".cargo/config.toml": cargo_config,
        "src/main.rs": _main_source(members),
        **sources,
    }


def _manifest(name: str, members: Sequence[Member]) -> str:
    lines = [
        "[package]",
        f'name = "{name}"',
        'version = "0.0.0"',
        'edition = "2021"',
        "publish = false",
        "",
        "[profile.dev]",
        "# Debug information doubles the time of a link, and no rung looks at it.",
        "debug = false",
        "incremental = false",
        "",
        "[workspace]",
        "",
        "[dependencies]",
    ]
    for member in members:
        key = "wasmtime-original" if member.original else member.package
        where = f'package = "{member.package}"' if member.original else f'registry = "{member.registry}"'
        features = ", ".join(json.dumps(feature) for feature in member.features)
        lines.append(
            f'{key} = {{ version = "={member.version}", {where}, '
            f"default-features = false, features = [{features}] }}"
        )
    return "\n".join(lines) + "\n"


def _main_source(members: Sequence[Member]) -> str:
    modules = "\n".join(f"mod {member.module};" for member in members)
    versions = "\n".join(
        f"    Version {{\n"
        f"        name: {json.dumps(member.label)},\n"
        f"        checks: {member.module}::CHECKS,\n"
        f"        nested: {member.module}::nested,\n"
        f"        trapping: {member.module}::trapping,\n"
        f"        artifact: {member.module}::artifact,\n"
        f"        load: {member.module}::load,\n"
        f"        accepts: {json.dumps(member.accepts)},\n"
        f"    }},"
        for member in members
    )
    return _template("main.rs").replace("@MODULES@", modules).replace("@VERSIONS@", versions)


def _version_source(member: Member) -> str:
    text = _template("version.rs")
    words = {"@LIBRARY@": member.library, **dialects.words(member.release)}
    more = "".join(_template(name) for name in dialects.templates(member.release))
    for word, spelled in {**words, "@MORE@": more}.items():
        text = text.replace(word, spelled)
    return text


@cache
def _template(name: str) -> str:
    return resources.files("patchbot.proof").joinpath("templates", name).read_text(encoding="utf-8")


def features_of(
    wanted: Sequence[str], available: Mapping[str, object], optional: Sequence[str]
) -> tuple[str, ...]:
    """Return the wanted cargo features that a release has: named ones, and optional dependencies.

    An optional dependency is a feature of its own name unless some feature says ``dep:`` to it.
    """
    hidden = {
        word.removeprefix("dep:")
        for values in available.values()
        if isinstance(values, Sequence)
        for word in values
        if isinstance(word, str) and word.startswith("dep:")
    }
    implicit = set(optional) - hidden
    return tuple(name for name in wanted if name in available or name in implicit)


def third_party(lock: str, *, index: str) -> str:
    """Return a ``Cargo.lock`` without the program and the forks: the pins of everybody else's crates.

    Cargo completes such a lock and keeps what it says; the forks' checksums stand in the registry.
    """
    head, *packages = re.split(r"(?m)^\[\[package\]\]\n", lock)
    kept = [
        package
        for package in packages
        if (source := re.search(r'(?m)^source = "([^"]*)"', package)) and source[1] != index
    ]
    return head + "".join(f"[[package]]\n{package}" for package in kept)


def versions(lock: str) -> dict[str, set[str]]:
    """Return which versions of each package a ``Cargo.lock`` has."""
    out: dict[str, set[str]] = {}
    for package in tomllib.loads(lock).get("package", ()):
        out.setdefault(package["name"], set()).add(package["version"])
    return out
