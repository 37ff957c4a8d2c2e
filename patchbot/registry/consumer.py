"""The lines that a user of the forks puts into their own files: pure text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from patchbot.model import ForkedRelease


def cargo_config(name: str, index: str, folder: Path) -> str:
    """Return ``.cargo/config.toml`` lines that name the registry and say where it really is.

    The canonical index URL stands in the crates and in lockfiles; source replacement (cargo book, "Source
    Replacement") points it at a folder here and may point it at a server tomorrow, with the same lockfile.
    """
    return (
        f"[registries.{name}]\n"
        f"index = {_string(index)}\n"
        "\n"
        f"[source.{name}]\n"
        f"registry = {_string(index)}\n"
        f'replace-with = "{name}-local"\n'
        "\n"
        f"[source.{name}-local]\n"
        f"local-registry = {_string(str(folder))}\n"
    )


def _string(text: str) -> str:
    """Spell a TOML string; JSON's escapes are TOML's, but for the two halves of a rare character."""
    return json.dumps(text, ensure_ascii=False)


def manifest_lines(releases: Iterable[ForkedRelease], registry: str, roots: Iterable[str]) -> str:
    """Return ``Cargo.toml`` lines that depend on the forks of ``roots``."""
    lines = ["[dependencies]"]
    wanted = tuple(roots)
    for release in releases:
        for crate in release.crates:
            if crate.upstream.name in wanted:
                entry = crate.entry
                lines.append(f'{entry.name} = {{ version = "{entry.version}", registry = "{registry}" }}')
    return "\n".join(lines) + "\n"


def use_lines(releases: Iterable[ForkedRelease], roots: Iterable[str]) -> str:
    """Return how Rust code names the forks."""
    wanted = tuple(roots)
    crates = [crate for release in releases for crate in release.crates if crate.upstream.name in wanted]
    return "".join(f"use {crate.library};\n" for crate in crates)
