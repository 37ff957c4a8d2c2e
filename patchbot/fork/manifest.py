"""Rewrite a crate's normalised ``Cargo.toml``: its own name, its forked dependencies, where it came from.

Edited as TOML, so that comments and everything that is not meant stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError

from patchbot.errors import RepositoryError
from patchbot.fork import naming
from patchbot.model import Suffix, suffixed_links_key

Table = MutableMapping[str, Any]

_DEPENDENCIES = ("dependencies", "build-dependencies")
_DEV = "dev-dependencies"
# Targets that only upstream's own tests build; they need dev-dependencies, which forks do not have.
_TEST_TARGETS = ("test", "bench", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """Everything that a manifest's rewriting depends on.

    ``packages`` maps upstream's name of every forked crate to the fork's name and version; ``index`` is
    the canonical URL of the registry that holds the forks, ``registry`` its name in users' files.
    """

    packages: Mapping[str, tuple[str, str]]
    suffix: Suffix
    index: str
    registry: str


def rewrite(data: bytes, upstream: str, renaming: Renaming, provenance: Mapping[str, str]) -> bytes:
    """Return the fork's manifest.

    The library's name follows the package, so that backtraces, log targets and profilers tell versions
    apart; every dependency keeps upstream's name for it, so that sources stay as they are.

    Raises ``RepositoryError`` if the manifest cannot be read or is not normalised.
    """
    where = f"Cargo.toml of {upstream}"
    try:
        document = tomlkit.parse(data.decode())  # given bytes, tomlkit would take others for latin-1
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise RepositoryError(f"cannot be read: {error}", where=where) from None
    package = cast("Table", document.get("package", {}))
    if package.get("name") != upstream:
        raise RepositoryError("is not the crate's own manifest", where=where)
    name, _version = renaming.packages[upstream]
    package["name"] = name
    package["publish"] = [renaming.registry]
    if "links" in package:
        package["links"] = suffixed_links_key(str(package["links"]), renaming.suffix)
    for kind in ("tests", "benches", "examples"):
        package[f"auto{kind}"] = False
    _name_library(document, name)
    _drop_test_targets(document)
    for table in _dependency_tables(document):
        for alias in table:
            _point(table, alias, renaming)
    metadata = package.setdefault("metadata", tomlkit.table(is_super_table=True))
    table = tomlkit.table()
    table.update(provenance)
    table.add(tomlkit.nl())
    metadata["patchbot"] = table
    return tomlkit.dumps(document).encode()


def _name_library(document: Table, name: str) -> None:
    if "lib" not in document:
        document["lib"] = tomlkit.table()
    document["lib"]["name"] = naming.library_name(name)


def _drop_test_targets(document: Table) -> None:
    for key in (*_TEST_TARGETS, _DEV):
        document.pop(key, None)
    for target in cast("Table", document.get("target", {})).values():
        target.pop(_DEV, None)
    empty = [name for name, target in cast("Table", document.get("target", {})).items() if not target]
    for name in empty:
        del document["target"][name]
    if "target" in document and not document["target"]:
        del document["target"]


def _dependency_tables(document: Table) -> Iterator[Table]:
    for place in (document, *cast("Table", document.get("target", {})).values()):
        for key in _DEPENDENCIES:
            if key in place:
                yield place[key]


def _point(table: Table, alias: str, renaming: Renaming) -> None:
    """Point one dependency at the fork, if it was forked."""
    value = table[alias]
    upstream = value.get("package", alias) if isinstance(value, Mapping) else alias
    if upstream not in renaming.packages:
        return
    name, version = renaming.packages[upstream]
    if not isinstance(value, Mapping):
        table[alias] = tomlkit.inline_table()
    entry = table[alias]
    entry["version"] = f"={version}"
    entry["package"] = name
    entry["registry-index"] = renaming.index
    entry.pop("path", None)
