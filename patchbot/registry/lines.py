"""The lines of an index file: bytes in, entries out, and bytes again.

A line that is already there keeps its bytes: what another tool wrote into it, and we do not know, stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from patchbot.model import Dependency, DependencyKind, IndexEntry, JsonObject

# Old cargo may misread an optional dependency that stands behind its namesake of another kind, so crates.io
# lists the normal ones first (rust-lang/crates.io, crates_io_index/data.rs).
_KINDS = (DependencyKind.NORMAL, DependencyKind.BUILD, DependencyKind.DEV)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an index file: its bytes without the line's end, and what they say."""

    raw: bytes
    entry: IndexEntry


def read(data: bytes) -> tuple[Line, ...]:
    """Return the lines of an index file; raise ``ValueError`` that tells the line which is none."""
    return tuple(_read(number, raw) for number, raw in enumerate(data.splitlines(), 1))


def _read(number: int, raw: bytes) -> Line:
    try:
        return Line(raw, IndexEntry.from_json(json.loads(raw)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"line {number}: {error!r}") from None


def join(lines: Iterable[Line]) -> bytes:
    """Return the index file of these lines."""
    return b"".join(line.raw + b"\n" for line in lines)


def write(entry: IndexEntry) -> Line:
    """Spell an entry as crates.io does: what old cargo cannot read apart, and null only where it means something.

    Features with ``dep:`` or ``?/`` go into ``features2``, and the line gets ``v: 2`` then and only then
    (cargo book, "Index Format").
    """
    old = {name: values for name, values in entry.features.items() if not any(map(_is_new, values))}
    new = {name: values for name, values in entry.features.items() if name not in old}
    data: JsonObject = {
        "name": entry.name,
        "vers": entry.version,
        "deps": [dependency.to_json() for dependency in ordered(entry.dependencies)],
        "cksum": entry.sha256,
        "features": _spelled(old),
    }
    if new:
        data["features2"] = _spelled(new)
    data["yanked"] = entry.yanked
    for key, value in (
        ("links", entry.links),
        ("rust_version", entry.rust_version),
        ("pubtime", entry.published or None),
        ("v", 2 if new else None),
    ):
        if value is not None:
            data[key] = value
    return Line(_dump(data), entry)


def flag(line: Line, *, yanked: bool) -> Line:
    """Return the line with its ``yanked`` flag set so, and nothing else touched."""
    data = json.loads(line.raw)
    data["yanked"] = yanked
    return Line(_dump(data), replace(line.entry, yanked=yanked))


def ordered(dependencies: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Return dependencies in the order of crates.io's lines."""

    def rank(one: Dependency) -> tuple[object, ...]:
        return (one.alias, _KINDS.index(one.kind), one.req, one.target or "", one.package, one.features)

    return tuple(sorted(dependencies, key=rank))


def same(one: IndexEntry, other: IndexEntry) -> bool:
    """Whether two entries say the same of a crate.

    Yanks and the time of publishing are the registry's to know, and dependencies have no order.
    """
    first, second = (
        replace(entry, yanked=False, published="", dependencies=ordered(entry.dependencies))
        for entry in (one, other)
    )
    return first == second


def _is_new(value: str) -> bool:
    return value.startswith("dep:") or "?/" in value


def _spelled(features: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in sorted(features.items())}


def _dump(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()
