"""Rewrite a crate's normalised ``Cargo.toml``: its own name, its forked dependencies, where it came from.

Edited as TOML, so that comments and everything that is not meant stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.exceptions import TOMLKitError

from patchbot.errors import RepositoryError
from patchbot.fork import features, naming
from patchbot.model import Suffix, suffixed_links_key

Table = MutableMapping[str, Any]

# Cargo takes the spelling with _ as well, before edition 2024 (cargo src/cargo/util/toml/mod.rs,
# deprecated_underscore).
_DEPENDENCIES = ("dependencies", "build-dependencies", "build_dependencies")
_DEV = ("dev-dependencies", "dev_dependencies")
# Targets that only upstream's own tests build, and need dev-dependencies, which forks do not have; and
# programs, which call their library by upstream's name for it: a fork is a library.
_TARGETS = {"test": "autotests", "bench": "autobenches", "example": "autoexamples", "bin": "autobins"}
# What else speaks of those, or of what upstream packed: in a fork all is packed that there is.
_GONE = ("default-run", "include", "exclude")
# Where upstream would have taken a dependency from.
_PLACES = ("path", "git", "branch", "tag", "rev", "registry")


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

    It loses upstream's tests, benches, examples and programs, the dev-dependencies, and what features say of
    these; the features themselves are upstream's.  The library's name follows the package, so that
    backtraces, log targets and profilers tell versions apart; every dependency keeps upstream's name for it,
    so that sources stay as they are.

    Raises ``RepositoryError`` if the manifest cannot be read or is not normalised.
    """
    where = f"Cargo.toml of {upstream}"
    try:
        document = _in_order(tomlkit.parse(data.decode()))  # given bytes, tomlkit takes others for latin-1
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
    for key, automatic in _TARGETS.items():
        package[automatic] = False
        document.pop(key, None)
    for key in _GONE:
        package.pop(key, None)
    _name_library(document, name)
    _drop_dev_dependencies(document)
    for table in _tables(document, _DEPENDENCIES):
        for alias in table:
            _point(table, alias, renaming, where)
    metadata = package.setdefault("metadata", tomlkit.table(is_super_table=True))
    origin = tomlkit.table()
    origin.update(provenance)
    origin.add(tomlkit.nl())
    metadata["patchbot"] = origin
    return tomlkit.dumps(document).encode()


def _in_order(document: TOMLDocument) -> Table:
    """Return a document in which every table stands in one place, at the price of comments where one did not.

    tomlkit loses its way when scattered tables are removed (0.13 to 0.15: ``NonExistentKey``, ``IndexError``).
    Cargo's normalised manifests have none.
    """
    return tomlkit.parse(tomlkit.dumps(document.unwrap())) if _scattered(document) else document


def _scattered(table: object) -> bool:
    return isinstance(table, OutOfOrderTableProxy) or (
        isinstance(table, Mapping) and any(_scattered(value) for value in table.values())
    )


def _name_library(document: Table, name: str) -> None:
    if "lib" not in document:
        document["lib"] = tomlkit.table()
    document["lib"]["name"] = naming.library_name(name)


def _drop_dev_dependencies(document: Table) -> None:
    """Drop dev-dependencies, the targets that had nothing else, and the words of features about them."""
    kept = {alias for table in _tables(document, _DEPENDENCIES) for alias in table}
    gone = {alias for table in _tables(document, _DEV) for alias in table} - kept
    targets = cast("Table", document.get("target", {}))
    for place in (document, *targets.values()):
        for key in _DEV:
            place.pop(key, None)
    for name in [name for name, target in targets.items() if not target]:
        del targets[name]
    if "target" in document and not targets:
        del document["target"]
    for words in cast("Table", document.get("features", {})).values():
        for word in [word for word in words if features.dependency_of(word) in gone]:
            words.remove(word)


def _tables(document: Table, kinds: Sequence[str]) -> Iterator[Table]:
    for place in (document, *cast("Table", document.get("target", {})).values()):
        for kind in kinds:
            if kind in place:
                yield place[kind]


def _point(table: Table, alias: str, renaming: Renaming, where: str) -> None:
    """Point one dependency at the fork, if it was forked."""
    value = table[alias]
    if isinstance(value, Mapping) and "workspace" in value:
        raise RepositoryError(f"inherits {alias} from a workspace that is not here", where=where)
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
    for key in _PLACES:
        entry.pop(key, None)
