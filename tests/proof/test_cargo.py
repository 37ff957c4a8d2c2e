"""Cargo for a target: what it is told, and which of what it builds counts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from support import crates

from patchbot.errors import EnvironmentProblem, ProofError
from patchbot.proof import cargo, program
from patchbot.proof.cargo import Cargo
from patchbot.proof.toolchain import Toolchain, native

TRIPLE = "s390x-unknown-linux-gnu"


def cross(folder: Path, script: str) -> Toolchain:
    """A toolchain for another machine whose cargo is a script; it keeps its words in ``said``."""
    own, stand_in = native(), folder / "cargo-of-a-test"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/said"\n{script}\n')
    stand_in.chmod(0o755)
    programs = dataclasses.replace(own.programs, cargo=str(stand_in))
    return dataclasses.replace(own, target=TRIPLE, programs=programs)


def silent(folder: Path, toolchain: Toolchain) -> Cargo:
    return Cargo(folder, folder / "target", toolchain, offline=False, on_line=lambda _: None)


def artifact(name: str, file: Path) -> str:
    target = {"name": name, "kind": ["lib"]}
    return json.dumps({"reason": "compiler-artifact", "target": target, "filenames": [str(file)]})


def test_libraries_that_build_scripts_use_are_not_the_targets(tmp_path: Path) -> None:
    """Upstream's build scripts use crates that the program has, too: wasmtime-environ's readers, cranelift's."""
    ours = tmp_path / "target" / TRIPLE / "debug" / "deps" / "libisle-1.rlib"
    hosts = tmp_path / "target" / "debug" / "deps" / "libisle-2.rlib"
    lines = "\n".join(f"echo '{artifact('isle', file)}'" for file in (ours, hosts))
    build = silent(tmp_path, cross(tmp_path, lines)).build()
    assert build.libraries == {"isle": ours}


def test_another_target_is_named_in_whatever_cargo_does_for_it(tmp_path: Path) -> None:
    here = silent(tmp_path, cross(tmp_path, "true"))
    here.fetch()
    here.clean(["wasmtime-v8-0-1"])
    here.build()
    fetched, cleaned, built = (tmp_path / "said").read_text().splitlines()
    assert fetched == f"fetch --target {native().host} --target {TRIPLE}"
    assert cleaned == f"clean --offline -p wasmtime-v8-0-1 --target {TRIPLE}"
    assert built.startswith(f"build --locked --target {TRIPLE} ")


def test_natively_no_target_is_named(tmp_path: Path) -> None:
    own = dataclasses.replace(cross(tmp_path, "true"), target=native().host)
    silent(tmp_path, own).build()
    assert "--target" not in (tmp_path / "said").read_text()


def project(folder: Path) -> Cargo:
    """A project that needs a crate of which there are two versions."""
    for version in ("0.1.0", "0.1.1"):
        files = {
            "Cargo.toml": f'[package]\nname = "leaf"\nversion = "{version}"\nedition = "2021"\n',
            "src/lib.rs": "",
        }
        data = crates.crate("leaf", version, files)
        crates.place(folder / "crates-io", crates.index_line("leaf", version, data), data)
    (folder / ".cargo").mkdir()
    (folder / ".cargo" / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "here"\n\n[source.here]\nlocal-registry = "{folder}/crates-io"\n'
    )
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(
        '[package]\nname = "top"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\nleaf = "0.1"\n'
    )
    return silent(folder, native())


def test_a_version_is_held(tmp_path: Path) -> None:
    here = project(tmp_path)
    cargo.need(here.fetch(), "fetch")
    lock = tmp_path / "Cargo.lock"
    assert program.versions(lock.read_text())["leaf"] == {"0.1.1"}
    cargo.need(here.hold("leaf", "0.1.0"), "hold")
    assert program.versions(lock.read_text())["leaf"] == {"0.1.0"}


def test_a_version_that_does_not_do_is_told(tmp_path: Path) -> None:
    here = project(tmp_path)
    cargo.need(here.fetch(), "fetch")
    with pytest.raises(ProofError, match=r"leaf cannot be held at 9.0.0: error: no matching"):
        cargo.need(here.hold("leaf", "9.0.0"), "leaf cannot be held at 9.0.0")


def test_a_network_that_is_missing_is_told_as_that(tmp_path: Path) -> None:
    done = silent(tmp_path, cross(tmp_path, "echo 'error: failed to download from x' >&2; exit 101")).fetch()
    with pytest.raises(EnvironmentProblem, match="the dependencies cannot be resolved"):
        cargo.need(done, "the dependencies cannot be resolved")
