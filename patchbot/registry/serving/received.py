"""What ``cargo publish`` sends: bytes in, a crate that the registry can take out, or a refusal.

Pure.  The framing and the words of the metadata are those of the cargo book, "Registry Web API"; the index line
that is made of them is crates.io's ("Index Format").  The two differ where it hurts most: a renamed dependency is
its real name with ``explicit_name_in_toml`` here, and its alias with ``package`` there.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from patchbot.errors import RepositoryError
from patchbot.model import IndexEntry

Unpack = Callable[[bytes, str, str], Mapping[str, bytes]]
"""Takes a ``.crate``, a name and a version; returns the crate's files, or raises ``RepositoryError``."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")  # of crates.io; cargo's own rule allows more
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"  # cargo has them in 64 bits
_PRE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LONGEST_VERSION = 100  # a file is named after it
_COMPARATOR = re.compile(
    rf"(?:=|>=?|<=?|~|\^)?\s*(?:[*xX]|{_NUMBER}(?:\.(?:[*xX]|{_NUMBER})){{0,2}}"
    rf"|{_NUMBER}\.{_NUMBER}\.{_NUMBER}-{_PRE}(?:\.{_PRE})*(?:\+[0-9A-Za-z.-]+)?"
    rf"|{_NUMBER}\.{_NUMBER}\.{_NUMBER}\+[0-9A-Za-z.-]+)"
)
_RUST_VERSION = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,2}}")
_FEATURE = re.compile(r"\w[\w+.-]*")
_ENABLES = re.compile(r"\w[\w+.-]*|dep:[A-Za-z0-9_][\w-]*|[A-Za-z0-9_][\w-]*\??/\w[\w+.-]*")
_KINDS = {"dependencies": "normal", "build-dependencies": "build", "build_dependencies": "build"}

_Table = Mapping[str, Any]


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of ours
    """What is wrong with a request, in a sentence that cargo shows to its user."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


@dataclass(frozen=True, slots=True)
class Upload:
    """A crate as somebody sent it: its index line, and its ``.crate`` bytes."""

    entry: IndexEntry
    data: bytes = field(repr=False)


def read(body: bytes, *, unpack: Unpack, own: Collection[str], now: str) -> Upload:
    """Read the body of ``PUT /api/v1/crates/new``.

    ``own`` are the addresses of this registry's index: dependencies on it are said by naming none.  ``now`` is
    the time of publishing, RFC 3339.  Raises ``Refusal`` for anything that cargo would not send, and for a
    ``.crate`` that is another one than the metadata says.
    """
    metadata, data = split(body)
    entry = index_entry(metadata, hashlib.sha256(data).hexdigest(), own=own, now=now)
    try:
        files = unpack(data, entry.name, entry.version)
    except RepositoryError as error:
        raise Refusal(f"the .crate file cannot be taken: {error}") from None
    _compare(_manifest(files), entry)
    return Upload(entry, data)


def split(body: bytes) -> tuple[_Table, bytes]:
    """Return the metadata and the ``.crate`` file: each stands behind its length, 32 bits, little end first."""
    parts, at = [], 0
    for what in ("metadata", ".crate file"):
        if len(body) < at + 4:
            raise Refusal(f"the request ends before the length of the {what}")
        (length,) = struct.unpack_from("<L", body, at)
        at += 4 + length
        if len(body) < at:
            raise Refusal(
                f"the {what} is said to have {length} bytes, and {at - len(body)} of them are missing"
            )
        parts.append(body[at - length : at])
    if at != len(body):
        raise Refusal(f"{len(body) - at} bytes stand behind the .crate file")
    try:
        metadata = json.loads(parts[0].decode())
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the metadata is no JSON: {error}") from None
    if not isinstance(metadata, Mapping):
        raise Refusal("the metadata is no JSON object")
    return metadata, parts[1]


def index_entry(metadata: _Table, sha256: str, *, own: Collection[str] = (), now: str = "") -> IndexEntry:
    """Return the index line of a crate.  Raises ``Refusal`` if a word of it would not be understood."""
    name = _word(metadata, "name", _NAME, "a crate name: a letter, then letters, digits, - or _, 64 at most")
    version = _word(metadata, "vers", _VERSION, "a version: three numbers, as in 1.2.3 or 1.2.3-rc.1")
    if len(version) > _LONGEST_VERSION:
        raise Refusal(f"vers is longer than {_LONGEST_VERSION} letters")
    line = {
        "name": name,
        "vers": version,
        "cksum": sha256,
        "deps": [_dependency(one, own) for one in _list(metadata, "deps")],
        "features": dict(_features(metadata.get("features") or {})),
        "yanked": False,
        "links": _maybe(metadata, "links"),
        "rust_version": _maybe(metadata, "rust_version", _RUST_VERSION),
        "pubtime": now,
    }
    try:
        return IndexEntry.from_json(line)
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"the metadata makes no index line: {error}") from None


def _dependency(one: object, own: Collection[str]) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise Refusal(f"deps: {one!r} is no object")
    name = _word(one, "name", _NAME, "a crate name")
    requirement = _word(one, "version_req", None, "a version requirement")
    for part in requirement.split(","):
        if _COMPARATOR.fullmatch(part.strip()) is None:
            raise Refusal(f"version_req of {name}: {requirement!r} is no version requirement")
    registry = _maybe(one, "registry")
    alias = _maybe(one, "explicit_name_in_toml")
    line = {
        "name": alias or name,
        "req": requirement,
        "features": [_string("features", value) for value in _list(one, "features")],
        "optional": _truth(one, "optional", default=False),
        "default_features": _truth(one, "default_features", default=True),
        "target": _maybe(one, "target"),
        "kind": _maybe(one, "kind") or "normal",
        "registry": None if registry in own else registry,
    }
    return line if alias is None else {**line, "package": name}


def _features(table: object) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(table, Mapping):
        raise Refusal("features is no object")
    for name in table:
        if _FEATURE.fullmatch(name) is None:
            raise Refusal(f"{name!r} is no feature name")
        enabled = [_string(f"features.{name}", value) for value in _list(table, name)]
        for value in enabled:
            if _ENABLES.fullmatch(value) is None:
                raise Refusal(
                    f"the feature {name} enables {value!r}, which is neither a feature nor a dependency"
                )
        yield name, enabled


# -- the .crate file ----------------------------------------------------------------------------------


def _manifest(files: Mapping[str, bytes]) -> _Table:
    try:
        manifest = tomllib.loads(files["Cargo.toml"].decode())
    except KeyError:
        raise Refusal("the .crate file has no Cargo.toml") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refusal(f"Cargo.toml in the .crate file cannot be read: {error}") from None
    return manifest


def _compare(manifest: _Table, entry: IndexEntry) -> None:
    """Refuse a manifest that says something else than the metadata: cargo believes now the one, now the other."""
    package = manifest.get("package")
    if not isinstance(package, Mapping):
        raise Refusal("Cargo.toml in the .crate file has no [package]")
    try:
        inside = {
            "name": package.get("name"),
            "version": package.get("version"),
            "links": package.get("links"),
            "features": set(manifest.get("features", {})),
            "dependencies": set(_needed(manifest)),
        }
    except (AttributeError, TypeError) as error:
        raise Refusal(f"Cargo.toml in the .crate file cannot be understood: {error}") from None
    said = {
        "name": entry.name,
        "version": entry.version,
        "links": entry.links,
        "features": set(entry.features),
        "dependencies": {(d.alias, d.package, d.kind.value) for d in entry.needed},
    }
    for key, value in said.items():
        if inside[key] != value:
            raise Refusal(
                f"Cargo.toml in the .crate file has another {key} than the metadata: {_differ(inside[key], value)}"
            )


def _needed(manifest: _Table) -> Iterator[tuple[str, str, str]]:
    """Yield alias, package and kind of every dependency but those for tests, which may be left out of either."""
    for place in (manifest, *manifest.get("target", {}).values()):
        for key, kind in _KINDS.items():
            for alias, value in place.get(key, {}).items():
                yield alias, value.get("package", alias) if isinstance(value, Mapping) else alias, kind


def _differ(one: object, other: object) -> str:
    if isinstance(one, set) and isinstance(other, set):
        return ", ".join(
            sorted(" ".join(map(str, x)) if isinstance(x, tuple) else str(x) for x in one ^ other)
        )
    return f"{one!r} and {other!r}"


# -- words of JSON ------------------------------------------------------------------------------------


def _string(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise Refusal(f"{key}: {value!r} is no string")
    return value


def _word(table: _Table, key: str, pattern: re.Pattern[str] | None, what: str) -> str:
    value = _string(key, table.get(key))
    if pattern is not None and pattern.fullmatch(value) is None:
        raise Refusal(f"{key}: {value!r} is not {what}")
    return value


def _maybe(table: _Table, key: str, pattern: re.Pattern[str] | None = None) -> str | None:
    if table.get(key) is None:
        return None
    return _word(table, key, pattern, f"a {key.replace('_', ' ')}")


def _truth(table: _Table, key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise Refusal(f"{key}: {value!r} is neither true nor false")
    return value


def _list(table: _Table, key: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise Refusal(f"{key} is no list")
    return value
