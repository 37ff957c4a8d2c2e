"""The lines that a user of the forks puts into their own files: pure text."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from patchbot.errors import UsageError
from patchbot.model import ForkedRelease


def cargo_config(name: str, index: str, folder: Path) -> str:
    """Return ``.cargo/config.toml`` lines that name the registry and say where it really is.

    The canonical index URL stands in the crates and in lockfiles; source replacement (cargo book, "Source
    Replacement") points it at a folder here and may point it at a server tomorrow, with the same lockfile.
    """
    here = f"[source.{name}-local]\nlocal-registry = {_string(str(folder))}\n"
    return f"{_replaced(name, index, f'{name}-local')}\n{here}"


def served_config(name: str, index: str, served: str) -> str:
    """Return ``.cargo/config.toml`` lines for a registry that is served at the index address ``served``.

    The address is a registry of its own, ``NAME-served``, because only those have tokens: cargo reads that of
    ``CARGO_REGISTRIES_<NAME>_SERVED_TOKEN``, and wants to be told so where a registry asks readers for one
    (cargo book, "Registry Authentication").  Lockfiles are those of ``cargo_config``, byte for byte.
    """
    there = f'[registries.{name}-served]\nindex = {_string(served)}\ncredential-provider = ["cargo:token"]\n'
    return f"{_replaced(name, index, f'{name}-served')}\n{there}"


def served_index(url: str) -> str:
    """Return the index address below the address of a server or of an export; that of an index is taken as it is.

    Raises ``UsageError`` for anything that cargo would not read a sparse index from.
    """
    index = url if url.startswith("sparse+") else f"sparse+{url.rstrip('/')}/index/"
    parts = urllib.parse.urlsplit(index.removeprefix("sparse+"))
    if parts.scheme not in {"http", "https"} or not parts.hostname or not index.endswith("/"):
        raise UsageError(
            f"{url!r} is no address of a registry",
            hint="http://127.0.0.1:8790 for a server or an export, or sparse+https://…/ for an index",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"{url!r} has more than an address in it", hint="tokens go into the environment")
    return index


def _replaced(name: str, index: str, by: str) -> str:
    """Return the lines that name a registry and say what stands in its place."""
    return (
        f"[registries.{name}]\n"
        f"index = {_string(index)}\n"
        "\n"
        f"[source.{name}]\n"
        f"registry = {_string(index)}\n"
        f'replace-with = "{by}"\n'
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
