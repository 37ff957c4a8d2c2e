"""What a crate's manifest says about where its code is, and what its build script can use."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class ManifestError(ValueError):
    """A manifest that cannot be read."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The keys of a ``Cargo.toml`` that matter here; paths are relative to the crate.

    ``library``, its name and ``build_script`` are empty where the manifest leaves them to cargo; the latter is
    None for ``build = false``.  ``features`` are cargo's, those that optional dependencies make included.
    Dependencies are by the name that code uses → package.
    """

    edition: str = ""
    library: str = ""
    library_name: str = ""
    build_script: str | None = ""
    proc_macro: bool = False
    links: str | None = None
    features: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)
    build_dependencies: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def read(data: bytes) -> Manifest:
    """Read a manifest; raise ``ManifestError`` if it is none."""
    try:
        table = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(str(error) or "nests too deep") from None
    package, library = _table(table, "package"), _table(table, "lib")
    doubts = []
    build = package.get("build", "")
    if not isinstance(build, str | bool):
        doubts.append("package.build is no path: several build scripts are not followed")
    if "metabuild" in package:
        doubts.append("package.metabuild names build scripts that are not followed")
    links = package.get("links")
    kinds = library.get("crate-type", library.get("crate_type", ()))
    return Manifest(
        edition=_string(package.get("edition")),
        library=_path(library.get("path")),
        library_name=_string(library.get("name")),
        build_script=None if build is False else _path(build),
        proc_macro=bool(library.get("proc-macro") or library.get("proc_macro")) or "proc-macro" in kinds,
        links=links if isinstance(links, str) else None,
        features=(*_table(table, "features"), *_optional(table)),
        dependencies=dict(_dependencies(table, "dependencies")),
        build_dependencies=dict(_dependencies(table, "build-dependencies")),
        doubts=tuple(doubts),
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _path(value: object) -> str:
    return posixpath.normpath(value) if isinstance(value, str) and value else ""


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ManifestError(f"{key} is no table")
    return value


def _optional(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in _table(table, "dependencies").items():
        if isinstance(value, Mapping) and value.get("optional"):
            yield name


def _dependencies(table: Mapping[str, Any], kind: str) -> Iterator[tuple[str, str]]:
    targets = _table(table, "target")
    old = kind.replace("-", "_")  # cargo takes both spellings
    for some in (table, *(_table(targets, name) for name in targets)):
        for key in dict.fromkeys((kind, old)):
            for name, value in _table(some, key).items():
                package = value.get("package", name) if isinstance(value, Mapping) else name
                yield name.replace("-", "_"), package if isinstance(package, str) else name
