"""A wasmtime of a few lines that has what a proof is about: a link-time name, and a program that uses it.

Its program is the real one (``templates/main.rs``); only what a version does (``version.rs``) is written for
the few lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from fork import small
from support import crates

from patchbot.fork import closure, forge
from patchbot.model import (
    CratePin,
    ForkedRelease,
    ImportedRelease,
    Inventory,
    Kind,
    LinksKey,
    Release,
    Role,
    Symbol,
)
from patchbot.proof import project, prove
from patchbot.proof.toolchain import native
from patchbot.registry import consumer
from patchbot.registry.local import LocalRegistry

NAME = "engine_answer"
KEY = "engine-shims"
RUNTIME_PATH = "crates/wasmtime-runtime/src/lib.rs"

VERSION_RS = """\
use crate::{expect, Check};

pub const CHECKS: &[Check] = &[("answer", |twin| expect(@LIBRARY@::answer(), if twin { 0 } else { 42 }))];

pub fn nested(inner: fn() -> String) -> Result<String, String> {
    Ok(format!("{}, then IntegerDivisionByZero", inner()))
}

pub fn trapping() -> String {
    "UnreachableCodeReached".to_string()
}

pub fn artifact() -> Result<Vec<u8>, String> {
    Ok(@LIBRARY@::VERSION.as_bytes().to_vec())
}

pub fn load(bytes: &[u8]) -> Result<i32, String> {
    if bytes == @LIBRARY@::VERSION.as_bytes() { Ok(42) } else { Err("of another version".to_string()) }
}
"""


def runtime_rs(name: str, answer: str = "42") -> str:
    return (
        f'#[export_name = "{name}"]\npub extern "C" fn answer() -> i32 {{ {answer} }}\n\n'
        # so that whoever uses the crate needs the object that has the name
        "pub fn asked() -> i32 { answer() }\n"
    )


@dataclasses.dataclass(frozen=True)
class Engine:
    """One release: ``name`` is what the sources that are forked call the name, with or without suffix."""

    version: str
    links: bool = False
    name: str | None = None
    twin_name: str | None = None
    answer: str = "42"

    @property
    def release(self) -> Release:
        return Release.parse(self.version)

    def pins(self) -> tuple[CratePin, CratePin]:
        runtime = small.pin("wasmtime-runtime", version=self.version, links=KEY if self.links else None)
        root = small.pin(
            "wasmtime", [small.dependency("wasmtime-runtime", f"={self.version}")], version=self.version
        )
        return runtime, root

    def imported(self) -> ImportedRelease:
        return small.release(*self.pins(), version=self.version)

    def sources(self, name: str) -> dict[str, str]:
        head = f'version = "{self.version}"\nedition = "2021"\n'
        links = f'links = "{KEY}"\n' if self.links else ""
        files = {
            "crates/wasmtime-runtime/Cargo.toml": f'[package]\nname = "wasmtime-runtime"\n{head}{links}',
            RUNTIME_PATH: runtime_rs(name, self.answer),
            "crates/wasmtime/Cargo.toml": (
                f'[package]\nname = "wasmtime"\n{head}\n'
                f'[dependencies.wasmtime-runtime]\nversion = "={self.version}"\n'
            ),
            "crates/wasmtime/src/lib.rs": (
                'pub const VERSION: &str = env!("CARGO_PKG_VERSION");\n\n'
                "pub fn answer() -> i32 { wasmtime_runtime::asked() }\n"
            ),
        }
        return {**files, "crates/wasmtime-runtime/build.rs": "fn main() {}\n"} if self.links else files

    def forks(self, *, twin: bool) -> ForkedRelease:
        suffix = small.suffix(self.version)
        real = self.name or f"{NAME}{suffix}"
        release = self.imported()
        return forge.forge(
            release,
            small.tree(self.sources((self.twin_name or NAME) if twin else real)),
            closure.close(release, ["wasmtime"], {"wasmtime-runtime": "has 1 link-time name"}),
            suffix=suffix,
            provenance={"tool": "patchbot 1.2.3"},
            index=small.INDEX,
            registry=small.REGISTRY,
            twin=twin,
        )

    def inventory(self) -> Inventory:
        symbol = Symbol(NAME, Role.DEFINE, RUNTIME_PATH, 1, Kind.OWN, "wasmtime-runtime", "export_name", "")
        links = (LinksKey("wasmtime-runtime", KEY),) if self.links else ()
        return Inventory((symbol,), links=links)

    def subject(self) -> prove.Subject:
        return prove.Subject(
            forks=self.forks(twin=False),
            twin=self.forks(twin=True),
            inventory=self.inventory(),
            tree="",
            features=(),
        )

    def place(self, registry: Path) -> None:
        """Publish the release as upstream does, in a folder that stands for crates.io."""
        for pin in self.pins():
            files = {
                path.removeprefix(f"{pin.path}/"): text
                for path, text in self.sources(NAME).items()
                if path.startswith(f"{pin.path}/")
            }
            data = crates.crate(pin.name, pin.version, files)
            below = [{"name": d.package, "req": d.req} for d in pin.entry.dependencies]
            line = crates.index_line(pin.name, pin.version, data, below, links=pin.entry.links)
            crates.place(registry, line, data)


@dataclasses.dataclass
class World:
    """A folder with everything that a ladder needs."""

    subjects: Sequence[prove.Subject]
    setting: project.Setting
    said: list[str]


def world(folder: Path, *engines: Engine, forks: str = "real") -> World:
    """Publish forks, twins and originals of ``engines`` below ``folder``.

    ``forks`` names the folder of the forks: cargo never looks again at a crate that it has unpacked from one.
    """
    originals = folder / "crates-io"
    if not originals.exists():
        for engine in engines:
            engine.place(originals)
    (folder / ".cargo").mkdir(exist_ok=True)
    (folder / ".cargo" / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "here"\n\n[source.here]\nlocal-registry = "{originals}"\n'
    )
    subjects = [engine.subject() for engine in engines]
    configs: Mapping[bool, LocalRegistry] = {
        twin: LocalRegistry(folder / "registries" / (f"{forks}-bare" if twin else forks))
        for twin in (False, True)
    }
    for subject in subjects:
        configs[False].publish(subject.forks.crates)
        configs[True].publish(subject.twin.crates)
    said: list[str] = []
    (folder / "proof").mkdir(exist_ok=True)
    setting = project.Setting(
        folder=folder / "proof",
        registry=small.REGISTRY,
        config=consumer.cargo_config(small.REGISTRY, small.INDEX, configs[False].folder),
        twin_config=consumer.cargo_config(small.REGISTRY, small.INDEX, configs[True].folder),
        toolchain=native(),
        pins=None,
        hold={},
        offline=True,
        on_line=lambda _line: None,
        on_rung=said.append,
    )
    return World(subjects, setting, said)
