"""A git repository in the shape of upstream's: the crates of ``support.upstream`` in one cargo workspace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.upstream import Crate, release

_WHO = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "Somebody", "EMAIL": "s@example.org", "DATE": "1700000000 +0100"}.items()
}

Contents = Mapping[str, str | bytes]


class Repository:
    """A git repository with a work tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, stdin: bytes = b"") -> str:
        """Run git and return what it says."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env={**os.environ, **_WHO},
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def write(self, files: Contents) -> None:
        """Write files; a path may hold bytes that are not UTF-8, as Python has them."""
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self) -> str:
        """Commit all there is; return the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a commit")
        return self.git("rev-parse", "HEAD")

    def submodule(self, path: str) -> None:
        """Put a submodule's entry into the index; commit with ``commit_index``."""
        self.git("add", "--all")
        self.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")

    def commit_index(self) -> str:
        """Commit the index as it is."""
        self.git("commit", "--quiet", "--message=a commit")
        return self.git("rev-parse", "HEAD")

    def release(self, version: str, *, versioned: bool = False, change: Contents | None = None) -> str:
        """Commit a release as upstream's repository has it, and tag it; return the commit's id."""
        self.write({**tree(version, versioned=versioned), **(change or {})})
        commit = self.commit()
        self.git("tag", f"v{version}")
        return commit


def tree(version: str, *, versioned: bool = False) -> dict[str, str]:
    """Return the files of a release: crates whose manifests inherit what they can from their workspace."""
    items = release(version, versioned=versioned)
    own = {item.name: item for item in items}
    others = {dep["name"]: dep for item in items for dep in item.dependencies if dep["name"] not in own}
    lines = ["[workspace]", "members = ['crates/*']", "[workspace.package]", f'version = "{version}"']
    lines += ["edition = '2021'", "license = 'Apache-2.0 WITH LLVM-exception'", "[workspace.dependencies]"]
    lines += [f'{item.name} = {{ path = "{item.path}", version = "={version}" }}' for item in items]
    lines += [f'{name} = "{dep["req"].removeprefix("^")}"' for name, dep in others.items()]
    files = {"Cargo.toml": "\n".join(lines) + "\n", "README.md": "upstream\n"}
    for item in items:
        files |= {f"{item.path}/{name}": text for name, text in item.files.items()}
        files[f"{item.path}/Cargo.toml"] = manifest(item)
    return files


def manifest(item: Crate) -> str:
    """Return a crate's manifest as a person writes it in a workspace."""
    lines = ["[package]", f'name = "{item.name}"', "version.workspace = true", "edition.workspace = true"]
    lines += ["license.workspace = true", "description = 'A crate'"]
    lines += [f'links = "{item.links}"'] if item.links else []
    lines += [item.package, item.rest]
    lines += [_dependency(dep) for dep in item.dependencies]
    if item.features:
        lines += ["[features]", *(f"{name} = {values!r}" for name, values in item.features.items())]
    return "\n".join(lines) + "\n"


def _dependency(dep: Mapping[str, Any]) -> str:
    kind = {"build": "build-dependencies", "dev": "dev-dependencies"}.get(dep.get("kind", ""), "dependencies")
    table = f"target.'{dep['target']}'.{kind}" if dep.get("target") else kind
    optional = "optional = true\n" if dep.get("optional") else ""
    return f"[{table}.{dep['name']}]\nworkspace = true\n{optional}"


def originals(version: str, *, versioned: bool = False) -> dict[str, str]:
    """Return what cargo packs beside each crate's own manifest: the one that a person wrote."""
    items = release(version, versioned=versioned)
    return {f"{item.path}/Cargo.toml.orig": manifest(item) for item in items}
