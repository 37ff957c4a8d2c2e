"""Releases that exist only as index lines, and the trees of small ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from patchbot.model import (
    CratePin,
    Dependency,
    DependencyKind,
    ImportedRelease,
    IndexEntry,
    Release,
    Suffix,
    TreeFile,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = "sparse+https://registry.example.invalid/index/"
REGISTRY = "patchbot"


def dependency(
    package: str,
    req: str = "^1",
    *,
    alias: str | None = None,
    kind: DependencyKind = DependencyKind.NORMAL,
    optional: bool = False,
    default_features: bool = True,
    features: tuple[str, ...] = (),
    target: str | None = None,
) -> Dependency:
    return Dependency(alias or package, package, req, kind, optional, default_features, features, target)


def pin(
    name: str,
    dependencies: Iterable[Dependency | str] = (),
    *,
    version: str = "1.0.0",
    path: str | None = None,
    features: Mapping[str, tuple[str, ...]] | None = None,
    links: str | None = None,
) -> CratePin:
    entry = IndexEntry(
        name=name,
        version=version,
        sha256=f"{name.encode().hex():0<64}"[:64],
        yanked=False,
        dependencies=tuple(dependency(d) if isinstance(d, str) else d for d in dependencies),
        features=features or {},
        links=links,
    )
    return CratePin(entry, path or f"crates/{name}", COMMIT)


def release(
    *pins: CratePin, version: str = "1.0.0", roots: tuple[str, ...] = ("wasmtime",)
) -> ImportedRelease:
    return ImportedRelease(
        release=Release.parse(version),
        roots=roots,
        commit=COMMIT,
        tree="t" * 40,
        published="2024-01-02T03:04:05Z",
        crates=pins,
    )


def suffix(version: str = "1.0.0") -> Suffix:
    return Suffix.of(Release.parse(version), template="_{version}_{mark}", mark="pb")


def tree(files: Mapping[str, str | bytes], executable: Iterable[str] = ()) -> list[TreeFile]:
    return [
        TreeFile(path, data.encode() if isinstance(data, str) else data, path in set(executable))
        for path, data in sorted(files.items())
    ]
