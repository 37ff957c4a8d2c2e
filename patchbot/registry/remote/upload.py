"""What an upload sends: the same bytes that ``cargo publish`` would send for the same crate.  Pure.

The shape is the cargo book's ("Web API", Publish); what stands in which key was read in cargo 1.95
(``crates-io`` 0.41 ``NewCrate``, ``ops/registry/publish.rs`` ``prepare_transmit``) and is compared with the
real one's words by a test.
"""

from __future__ import annotations

import io
import json
import re
import struct
import tarfile
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from patchbot.errors import PublishError
from patchbot.model import JsonObject

CRATES_IO = "https://github.com/rust-lang/crates.io-index"

_KINDS = (("dependencies", "normal"), ("dev-dependencies", "dev"), ("build-dependencies", "build"))
_READMES = ("README.md", "README.txt", "README")  # what cargo takes if the manifest does not say
_COMPARATOR = re.compile(r"(<=|>=|[<>=^~])?\s*(.+)")


def body(data: bytes, *, own: Collection[str]) -> bytes:
    """Return the body of ``PUT api/v1/crates/new`` for a ``.crate``.

    ``own`` are index URLs that mean the registry it goes to: its own, and the one that stands in the
    crates, whose place it takes.

    Raises ``PublishError`` if the crate has no manifest that can be read.
    """
    text = json.dumps(metadata(data, own=own), ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join((struct.pack("<I", len(text)), text, struct.pack("<I", len(data)), data))


def metadata(data: bytes, *, own: Collection[str]) -> JsonObject:
    """Return the JSON half of an upload, keys in cargo's order."""
    manifest, readme = _read(data)
    package = manifest["package"]
    features = manifest.get("features", {})
    readme_file = readme[0] if readme else None
    return {
        "name": package["name"],
        "vers": package["version"],
        "deps": list(_dependencies(manifest, own)),
        "features": {name: list(features[name]) for name in sorted(features)},
        "authors": package.get("authors", []),
        "description": package.get("description"),
        "documentation": package.get("documentation"),
        "homepage": package.get("homepage"),
        "readme": readme[1] if readme else None,
        "readme_file": readme_file,
        "keywords": package.get("keywords", []),
        "categories": package.get("categories", []),
        "license": package.get("license"),
        "license_file": package.get("license-file"),
        "repository": package.get("repository"),
        "badges": manifest.get("badges", {}),
        "links": package.get("links"),
        "rust_version": package.get("rust-version"),
    }


def requirement(text: str) -> str:
    """Spell a version requirement as cargo does: ``1.2`` is ``^1.2``, one space after each comma."""
    if text.strip() in {"", "*"}:
        return "*"
    comparators = []
    for part in text.split(","):
        match = _COMPARATOR.fullmatch(part.strip())
        operator, version = match.groups() if match else (None, part.strip())
        plain = "*" not in version
        comparators.append(f"{operator or ('^' if plain else '')}{version}")
    return ", ".join(comparators)


def _dependencies(manifest: Mapping[str, Any], own: Collection[str]) -> Iterator[JsonObject]:
    places = [(None, manifest), *sorted(manifest.get("target", {}).items())]
    for target, place in places:
        for table, kind in _KINDS:
            for alias, value in sorted(place.get(table, {}).items()):
                yield _dependency(alias, value, kind, target, own)


def _dependency(
    alias: str,
    value: Any,  # noqa: ANN401 - TOML
    kind: str,
    target: str | None,
    own: Collection[str],
) -> JsonObject:
    entry: Mapping[str, Any] = value if isinstance(value, Mapping) else {"version": value}
    data: JsonObject = {
        "optional": entry.get("optional", False),
        "default_features": entry.get("default-features", True),
        "name": entry.get("package", alias),
        "features": entry.get("features", []),
        "version_req": requirement(entry.get("version", "*")),
        "target": target,
        "kind": kind,
    }
    # None is "the same registry" here, while no registry in a manifest is crates.io.
    registry = entry.get("registry-index")
    if registry is None and CRATES_IO not in own:
        data["registry"] = CRATES_IO
    elif registry is not None and registry not in own:
        data["registry"] = registry
    if "package" in entry:
        data["explicit_name_in_toml"] = alias
    return data


def _read(data: bytes) -> tuple[Mapping[str, Any], tuple[str, str] | None]:
    """Return a crate's manifest, and its readme with its name."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            # the first part of a path is the crate's folder
            members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
            manifest = tomllib.loads(_content(archive, members["Cargo.toml"]).decode())
            given = manifest["package"].get("readme", True)
            if given is True:
                given = next((name for name in _READMES if name in members), False)
            if not given:
                return manifest, None
            text = _content(archive, members[given.removeprefix("./")]).decode(errors="replace")
            return manifest, (given, text)
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PublishError(f"a .crate cannot be read: {error!r}", hint="make the forks again") from None


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is no file")
    return file.read()
