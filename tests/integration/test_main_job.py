"""The main job on the real thing, and a user's own program outside of this repository."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from integration.conftest import REPOSITORY, Done, Project

# One group: the tests build on each other's registry, and cargo takes both cores.
from patchbot.proof.toolchain import native

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

RELEASES = ("8.0.1", "9.0.4")


@pytest.fixture(scope="module")
def first(real: Project) -> Done:
    return real.run("run", *RELEASES)


def test_the_main_job_ends_well(first: Done) -> None:
    assert first.code == 0, first.err
    assert "symbols  holds" in first.out
    assert "run      holds" in first.out


def test_the_receipt_has_every_rung_and_every_twin_failed(first: Done, real: Project) -> None:
    file = real.folder / ".patchbot" / "receipts" / f"8.0.1+9.0.4.{native().host}.json"
    receipt = json.loads(file.read_text())
    assert receipt["schema"] == 1
    assert receipt["releases"] == list(RELEASES)
    assert [(r["rung"], r["ok"], r["negative_twin_failed"]) for r in receipt["rungs"]] == [
        ("symbols", True, True),
        ("link", True, True),
        ("run", True, True),
    ]
    twins = {(r["rung"], t["twin"]): t for r in receipt["rungs"] for t in r["twins"]}
    assert "duplicate symbol drop_externref" in first.err + twins["link", "unsuffixed"][
        "detail"
    ] or re.search("duplicate symbol", twins["link", "unsuffixed"]["detail"])
    assert "wasmtime-fiber-shims" in twins["link", "unforked"]["detail"]
    assert set(receipt["inputs"]["forks"]) >= {"wasmtime-v8-0-1", "wasmtime-runtime-v9-0-4"}


def test_a_second_run_takes_seconds_and_proves_nothing_anew(first: Done, real: Project) -> None:
    assert first.code == 0
    started = time.monotonic()
    again = real.run("run", *RELEASES, "--json")
    assert time.monotonic() - started < 10
    assert again.code == 0
    assert again.json["proof"]["known"] is True
    assert {step["state"] for step in again.json["published"]} == {"present"}
    assert {release["series"] for release in again.json["releases"]} == {"unchanged"}


def test_it_works_without_the_network_once_it_has_worked(first: Done, real: Project) -> None:
    assert first.code == 0
    again = real.run("run", *RELEASES, "--offline")
    assert again.code == 0, again.err


def test_the_readme_shows_what_really_happens(first: Done) -> None:
    """The transcript in the README is this run's, but for digests, counts, times and folders."""
    readme = (REPOSITORY / "README.md").read_text()
    shown = readme.split("<!-- transcript: make quickstart -->\n```console\n")[1].split("\n```")[0]
    lines = shown.splitlines()
    assert lines[0] == "$ make quickstart"
    assert _plain("\n".join(lines[1:])) == _plain(first.out)


def _plain(text: str) -> list[str]:
    text = re.sub(r"/[\w./-]*/(patches|\.patchbot)", r"/…/\1", text)
    text = re.sub(r"[0-9a-f]{16}-", "…-", text)
    text = re.sub(r"\b\d+ (global symbols|more|checks|libraries)", r"N \1", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def test_a_users_own_program_builds_with_a_fresh_cargo_home(
    first: Done, real: Project, tmp_path: Path
) -> None:
    """Outside of the repository, with the lines as they are printed, default features and all."""
    assert first.code == 0
    lines = real.run("consumer", *RELEASES, "--json").json["files"]
    program = tmp_path / "mine"
    for path, text in (
        (
            "Cargo.toml",
            f'[package]\nname = "mine"\nversion = "0.1.0"\nedition = "2021"\n\n{lines["Cargo.toml"]}',
        ),
        (".cargo/config.toml", lines[".cargo/config.toml"]),
        ("src/main.rs", MAIN),
    ):
        (program / path).parent.mkdir(parents=True, exist_ok=True)
        (program / path).write_text(text)
    home = tmp_path / "fresh-cargo-home"
    environment = real.environment({"CARGO_HOME": str(home)})
    command = ["cargo", "run", "--quiet", "--config", "profile.dev.debug=false"]
    done = subprocess.run(command, cwd=program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42 and 42\n"
    lock = (program / "Cargo.lock").read_text()
    assert 'source = "sparse+https://registry.patchbot.invalid/index/"' in lock
    assert str(real.folder) not in lock


MAIN = """\
macro_rules! answer {
    ($wasmtime:ident) => {{
        use $wasmtime::{Engine, Instance, Module, Store, Val};
        let engine = Engine::default();
        let module = Module::new(&engine, "(module (func (export \\"f\\") (result i32) (i32.const 42)))").unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut results = [Val::I32(0)];
        instance.get_func(&mut store, "f").unwrap().call(&mut store, &[], &mut results).unwrap();
        results[0].unwrap_i32()
    }};
}

fn main() {
    println!("{} and {}", answer!(wasmtime_v8_0_1), answer!(wasmtime_v9_0_4));
}
"""
