"""What cargo makes of the directory: nothing here is faked, and nothing needs the network."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from fork import small
from registry import tiny

from patchbot.model import ForkedRelease
from patchbot.registry import consumer
from patchbot.registry.local import LocalRegistry

ROOTS = ("tiny",)


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "registry")


def program(folder: Path, releases: Sequence[ForkedRelease], registry: LocalRegistry) -> Path:
    """A program of a user, made of nothing but the lines that we hand out."""
    libraries = [release.crate("tiny").library for release in releases]
    tells = "".join(f'    println!("{{}}", {library}::tell());\n' for library in libraries)
    texts = {
        "Cargo.toml": '[package]\nname = "user"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
        + consumer.manifest_lines(releases, small.REGISTRY, ROOTS),
        ".cargo/config.toml": consumer.cargo_config(small.REGISTRY, small.INDEX, registry.folder),
        "src/main.rs": f"{consumer.use_lines(releases, ROOTS)}\nfn main() {{\n{tells}}}\n",
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def cargo(folder: Path, *words: str) -> str:
    done = subprocess.run(["cargo", *words], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def locked(folder: Path) -> dict[str, dict[str, str]]:
    packages = tomllib.loads((folder / "Cargo.lock").read_text())["package"]
    return {package["name"]: package for package in packages if package["name"] != "user"}


def test_a_program_with_two_releases_is_resolved_built_and_run(
    tmp_path: Path, registry: LocalRegistry
) -> None:
    releases = [tiny.forks("1.2.3"), tiny.forks("1.2.4")]
    for release in releases:
        registry.publish(release.crates)
    user = program(tmp_path / "user", releases, registry)
    assert cargo(user, "run", "--offline", "--quiet") == "boom 42 1.2.3\nboom 42 1.2.4\n"
    packages = locked(user)
    assert set(packages) == {crate.entry.name for release in releases for crate in release.crates}
    assert {package["source"] for package in packages.values()} == {small.INDEX}
    for release in releases:
        for crate in release.crates:
            assert packages[crate.entry.name]["checksum"] == crate.entry.sha256
    assert str(registry.folder) not in (user / "Cargo.lock").read_text()


def test_a_lock_alone_can_be_made_and_stays_the_same_where_the_registry_moves(
    tmp_path: Path, registry: LocalRegistry
) -> None:
    release = tiny.forks()
    registry.publish(release.crates)
    user = program(tmp_path / "user", [release], registry)
    cargo(user, "generate-lockfile", "--offline")
    lock = (user / "Cargo.lock").read_bytes()
    moved = LocalRegistry(registry.folder.rename(tmp_path / "elsewhere"))
    program(user, [release], moved)
    cargo(user, "metadata", "--offline", "--locked", "--format-version", "1")
    assert (user / "Cargo.lock").read_bytes() == lock


def test_features_reach_through_the_alias(tmp_path: Path, registry: LocalRegistry) -> None:
    release = tiny.forks()
    registry.publish(release.crates)
    user = program(tmp_path / "user", [release], registry)
    manifest = user / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace(" }", ', features = ["loud"] }'))
    assert cargo(user, "run", "--offline", "--quiet") == "BOOM 42 1.2.3\n"


def test_cargo_refuses_a_crate_whose_bytes_are_not_those_of_the_index(
    tmp_path: Path, registry: LocalRegistry
) -> None:
    release = tiny.forks()
    registry.publish(release.crates)
    file = registry.folder / f"{release.crate('tiny-core').entry.name}-1.2.3.crate"
    file.write_bytes(file.read_bytes().replace(b"boom", b"doom"))
    user = program(tmp_path / "user", [release], registry)
    done = subprocess.run(
        ["cargo", "fetch", "--offline"], cwd=user, check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "checksum" in done.stderr
