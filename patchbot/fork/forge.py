"""Make the forks of a release: sources of the series' tree, new manifests, reproducible archives.

Pure: trees and plans in, ``.crate`` bytes and index lines out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from patchbot.errors import RepositoryError
from patchbot.fork import features, licences, manifest, naming, pack
from patchbot.fork.closure import Closure
from patchbot.model import (
    CratePin,
    Dependency,
    ForkedCrate,
    ForkedRelease,
    ImportedRelease,
    IndexEntry,
    Suffix,
    TreeFile,
    suffixed_links_key,
)

CRATES_IO = "https://github.com/rust-lang/crates.io-index"

# What a fork does not carry over: cargo refuses to package reserved names, a lockfile drifts with every
# third-party release, and the manifest as upstream wrote it needs a workspace that is not here.
_LEFT_OUT = {"Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json", ".cargo-ok"}


def forge(
    release: ImportedRelease,
    files: Iterable[TreeFile],
    closure: Closure,
    *,
    suffix: Suffix,
    provenance: Mapping[str, str],
    index: str,
    registry: str,
    revision: int = 1,
    twin: bool = False,
) -> ForkedRelease:
    """Return the forks of ``closure``, dependencies first.

    ``files`` is the whole tree of the series' result.  The bytes of a fork do not depend on which others are
    made with it.  ``provenance`` is what else the manifests say of
    where the forks come from.  ``twin`` makes the forks that a proof must see fail: the same crates under
    other names.

    Raises ``RepositoryError`` if a crate's manifest cannot be rewritten.
    """
    names = {
        crate: naming.package_name(crate, release.release, revision=revision, twin=twin)
        for crate in closure.forked
    }
    naming.refuse_twins(names.values())
    renaming = manifest.Renaming(
        packages={crate: (name, release.crate(crate).version) for crate, name in names.items()},
        suffix=suffix,
        index=index,
        registry=registry,
    )
    by_crate = _by_crate(release, files)
    crates = []
    for crate in closure.forked:
        pin = release.crate(crate)
        words = {**_provenance(pin, release, closure), **provenance}
        data = _pack(pin, by_crate[crate], renaming, words, licences.find(release, by_crate, crate))
        entry = _entry(pin, renaming, hashlib.sha256(data).hexdigest())
        crates.append(ForkedCrate(pin, entry, data, closure.reasons[crate]))
    return ForkedRelease(
        release.release,
        suffix,
        tuple(crates),
        closure.shared,
        revision=revision,
        closure=closure.mode,
        series=provenance.get("series", ""),
        index=index,
    )


def _by_crate(release: ImportedRelease, files: Iterable[TreeFile]) -> dict[str, list[TreeFile]]:
    out: dict[str, list[TreeFile]] = {pin.name: [] for pin in release.crates}
    for file in files:
        owner = release.owner(file.path)
        if owner is not None:
            path = file.path.removeprefix(owner.prefix)
            out[owner.name].append(replace(file, path=path))
    return out


def _provenance(pin: CratePin, release: ImportedRelease, closure: Closure) -> dict[str, str]:
    return {
        "upstream": pin.name,
        "version": pin.version,
        "sha256": pin.sha256,
        "commit": pin.commit,
        "release": str(release.release),
        "closure": closure.mode.value,
    }


def _pack(
    pin: CratePin,
    files: list[TreeFile],
    renaming: manifest.Renaming,
    provenance: Mapping[str, str],
    licence: licences.Borrowed | None,
) -> bytes:
    name, version = renaming.packages[pin.name]
    packed = []
    paths = {file.path for file in files}
    for file in files:
        if file.path in _LEFT_OUT:
            continue
        if file.path == "Cargo.toml":
            data = manifest.rewrite(file.data, pin.name, renaming, provenance)
            packed.append(replace(file, data=data))
        else:
            packed.append(file)
    if "Cargo.toml" not in paths:
        raise RepositoryError(f"{pin.name} has no Cargo.toml", where=pin.path)
    if licence is not None:
        packed.append(licence.file)
    notice = "NOTICE" if "NOTICE" not in paths else "NOTICE.patchbot"
    packed.append(TreeFile(notice, _notice(pin, name, renaming.suffix, licence).encode()))
    return pack.pack(packed, name=name, version=version)


def _notice(pin: CratePin, name: str, suffix: Suffix, licence: licences.Borrowed | None) -> str:
    told = "see the licence file beside this one.\n"
    if licence is not None:
        told = f"it has no file of it, so {licence.file.path} is {licence.owner}'s.\n"
    return (
        f"{name} is {pin.name} {pin.version} of the Wasmtime project, changed by wasmtime-patchbot\n"
        "so that several versions can be part of one program.\n"
        "\n"
        f"Changed: the package's name and its manifest, and link-time names, which end in {suffix}.\n"
        f"The original has the sha256 {pin.sha256}\n"
        "in the crates.io index. The manifest's [package.metadata.patchbot] says the rest.\n"
        "\n"
        f"The licence of the original applies; {told}"
    )


def _entry(pin: CratePin, renaming: manifest.Renaming, sha256: str) -> IndexEntry:
    """Return the index line of a fork; it must say what the manifest says."""
    name, version = renaming.packages[pin.name]
    kept = pin.entry.needed
    gone = {d.alias for d in pin.entry.dependencies} - {d.alias for d in kept}
    links = pin.entry.links
    return replace(
        pin.entry,
        name=name,
        version=version,
        sha256=sha256,
        yanked=False,
        dependencies=tuple(_dependency(dependency, renaming) for dependency in kept),
        features={name: features.without(words, gone) for name, words in pin.entry.features.items()},
        links=suffixed_links_key(links, renaming.suffix) if links else None,
    )


def _dependency(dependency: Dependency, renaming: manifest.Renaming) -> Dependency:
    if dependency.package not in renaming.packages:
        return replace(dependency, registry=dependency.registry or CRATES_IO)
    name, version = renaming.packages[dependency.package]
    return replace(dependency, package=name, req=f"={version}", registry=None)
