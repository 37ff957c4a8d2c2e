"""What real cargo says of forks: whether a graph resolves, and whether a `.crate` is what it would have packed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from integration.conftest import KEPT, REPOSITORY, Project

from patchbot.model import IndexEntry

# One group: the tests build on each other's registry.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

OLD, NEW = "36.0.19", "36.0.20"
ROOTS = ("wasmtime", "wasmtime-wasi", "wasmtime-wasi-http")
INDEX = "sparse+https://crates.example.invalid/index/"  # of its own: what is published is remembered
SETTINGS = f"registry.index = '{INDEX}'\n[fork]\nroots = {list(ROOTS)}\n"


@pytest.fixture(scope="module")
def project(real: Project) -> Project:
    """A project that forks wasi as well, with nothing published."""
    folder = KEPT / "closures"
    for name in ("patches", ".patchbot/registry", ".patchbot/forks"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "patches").mkdir(parents=True)
    shutil.copy(REPOSITORY / "patches" / "policy.toml", folder / "patches")
    shutil.copytree(REPOSITORY / "patches" / "carried", folder / "patches" / "carried")
    (folder / "patchbot.toml").write_text(SETTINGS)
    return Project(folder, real.cache)


def cargo(project: Project, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run cargo with a home of its own: cargo trusts what it once unpacked of a local registry."""
    home = KEPT / "cargo-home"
    shutil.rmtree(home / "registry" / "src", ignore_errors=True)
    environment = project.environment({"CARGO_HOME": str(home)})
    return subprocess.run(
        ["cargo", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def consumer(project: Project, folder: Path, dependencies: str) -> Path:
    """Write a program that is only to be resolved; the registry is the project's."""
    registry = project.folder / ".patchbot" / "registry"
    (folder / ".cargo").mkdir(parents=True)
    (folder / ".cargo" / "config.toml").write_text(
        f'[registries.patchbot]\nindex = "{INDEX}"\n[source.patchbot]\nregistry = "{INDEX}"\n'
        f'replace-with = "here"\n[source.here]\nlocal-registry = "{registry}"\n'
    )
    head = '[package]\nname = "mine"\nversion = "0.1.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n'
    (folder / "Cargo.toml").write_text(head + dependencies)
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text("fn main() {}\n")
    return folder


def forks(*names: str) -> str:
    """Return dependencies on forks: package and version."""
    rows = (name.split() for name in names)
    return "".join(
        f'{name} = {{ version = "={version}", registry = "patchbot" }}\n' for name, version in rows
    )


def test_two_of_one_range_through_all_that_can_become_of_them(project: Project, tmp_path: Path) -> None:
    # each by itself: minimal, and so they stay
    for release in (OLD, NEW):
        done = project.run("publish", release, "--quiet")
        assert done.code == 0, done.err
    # the negative twin: cargo cannot hold both, and patchbot says so before it is asked
    both = forks(f"wasmtime-v36-0-19 {OLD}", f"wasmtime-v36-0-20 {NEW}")
    said = cargo(project, consumer(project, tmp_path / "minimal", both), "generate-lockfile")
    assert said.returncode != 0
    assert "failed to select a version" in said.stderr
    done = project.run("fork", OLD, NEW)
    assert done.code == 3
    crate = done.err.split("never holds two ")[1].split()[0]
    assert f"`{crate}" in said.stderr
    assert f'[fork.revisions] "{NEW}" = 2' in done.err
    # a new revision of one makes room
    (project.folder / "patchbot.toml").write_text(f'{SETTINGS}[fork.revisions]\n"{NEW}" = 2\n')
    done = project.run("publish", OLD, NEW, "--quiet")
    assert done.code == 0, done.err
    both = forks(f"wasmtime-v36-0-19 {OLD}", f"wasmtime-wasi-v36-0-20-r2 {NEW}")
    said = cargo(project, consumer(project, tmp_path / "mixed", both), "generate-lockfile")
    assert said.returncode == 0, said.stderr
    # and of both, beside upstream's own of either
    (project.folder / "patchbot.toml").write_text(f'{SETTINGS}[fork.revisions]\n"{OLD}" = 2\n"{NEW}" = 2\n')
    done = project.run("publish", OLD, NEW, "--json")
    assert done.code == 0, done.err
    both = forks(f"wasmtime-wasi-v36-0-19-r2 {OLD}", f"wasmtime-wasi-http-v36-0-20-r2 {NEW}")
    for original in (OLD, NEW):
        folder = consumer(project, tmp_path / f"beside-{original}", f'{both}wasmtime = "={original}"\n')
        said = cargo(project, folder, "generate-lockfile")
        assert said.returncode == 0, said.stderr


def test_a_lock_with_an_original_of_the_range_is_seen(project: Project, tmp_path: Path) -> None:
    (project.folder / "patchbot.toml").write_text(SETTINGS)
    folder = consumer(project, tmp_path / "original", f'wasmtime = "={OLD}"\n')
    assert cargo(project, folder, "generate-lockfile").returncode == 0
    done = project.run("fork", NEW, "--beside", str(folder / "Cargo.lock"))
    assert done.code == 3
    assert "wasmtime-v36-0-20 needs " in done.err
    assert f"({folder / 'Cargo.lock'})" in done.err
    (project.folder / "patchbot.toml").write_text(f'{SETTINGS}[fork.revisions]\n"{NEW}" = 2\n')
    done = project.run("fork", NEW, "--beside", str(folder / "Cargo.lock"), "--json")
    assert done.code == 0, done.err
    assert done.json["forks"][0]["closure"] == "range"


@pytest.fixture(scope="module")
def unpacked(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, IndexEntry]]:
    """Every fork of 8.0.1, unpacked by tar, with its index line."""
    (project.folder / "patchbot.toml").write_text(SETTINGS)
    done = project.run("publish", "8.0.1", "--quiet")
    assert done.code == 0, done.err
    folder, registry = tmp_path_factory.mktemp("unpacked"), project.folder / ".patchbot" / "registry"
    out = {}
    for file in registry.glob("*-v8-0-1-*.crate"):
        subprocess.run(["tar", "-xzf", file], cwd=folder, check=True)
        name = file.name.rpartition("-")[0]
        (line,) = (registry / "index" / name[:2] / name[2:4] / name).read_text().splitlines()
        out[name] = (folder / file.name.removesuffix(".crate"), IndexEntry.from_json(json.loads(line)))
    assert len(out) > 10
    return out


def test_cargo_would_pack_what_is_packed_and_nothing_else(
    project: Project, unpacked: dict[str, tuple[Path, IndexEntry]]
) -> None:
    made_by_cargo = {"Cargo.lock", "Cargo.toml.orig"}
    for folder, _ in unpacked.values():
        there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        there = {file for file in there if not file.startswith("target/")}  # an earlier cargo's
        said = cargo(project, folder, "package", "--list", "--allow-dirty", "--offline")
        assert said.returncode == 0, said.stderr
        assert "warning" not in said.stderr
        assert set(said.stdout.splitlines()) - made_by_cargo == there
        assert {"Cargo.toml", "LICENSE", "NOTICE"} <= there


def test_cargo_reads_in_a_manifest_what_the_index_says(
    project: Project, unpacked: dict[str, tuple[Path, IndexEntry]]
) -> None:
    for folder, line in unpacked.values():
        said = cargo(project, folder, "metadata", "--no-deps", "--offline", "--format-version", "1")
        assert said.returncode == 0, said.stderr
        (package,) = json.loads(said.stdout)["packages"]
        assert (package["name"], package["version"]) == (line.name, line.version)
        assert package.get("links") == line.links
        assert package["publish"] == ["patchbot"]
        # cargo makes a feature of each optional dependency that no `dep:` names
        said_of = {k: tuple(v) for k, v in package["features"].items() if v != [f"dep:{k}"]}
        assert said_of == {k: v for k, v in line.features.items() if v != (f"dep:{k}",)}
        wanted = {
            (d["rename"] or d["name"], d["name"], d["req"], d["kind"] or "normal", d["target"], d["optional"])
            for d in package["dependencies"]
        }
        assert wanted == {
            (d.alias, d.package, d.req, d.kind.value, d.target, d.optional) for d in line.dependencies
        }
        kinds = {kind for target in package["targets"] for kind in target["kind"]}
        assert kinds <= {"lib", "proc-macro", "custom-build"}


def test_a_release_that_is_packed_twice_has_the_same_bytes(project: Project) -> None:
    folder = project.folder / ".patchbot"
    first = {file.name: file.read_bytes() for file in (folder / "forks" / "8.0.1").glob("*.crate")}
    shutil.rmtree(folder / "forks")
    assert project.run("fork", "8.0.1", "--quiet").code == 0
    assert {f.name: f.read_bytes() for f in (folder / "forks" / "8.0.1").glob("*.crate")} == first
    for data in first.values():
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            assert all(member.isreg() and member.uid == member.gid == 0 for member in archive)
