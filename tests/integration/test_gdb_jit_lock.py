"""The debugger's list of compiled code, which all versions in a process share: gdb-jit-lock keeps it whole.

The twin is the same program with forks of the same releases that lack the patch.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from integration.conftest import KEPT, REPOSITORY, Project

PATCH = "gdb-jit-lock"
LOCK = "__wasmtime_jit_debug_lock"
PATCHES = REPOSITORY / "patches"
POLICY = (PATCHES / "policy.toml").read_text()

# One group: cargo takes both cores.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        not any(patch["name"] == PATCH for patch in tomllib.loads(POLICY)["patch"]),
        reason=f"the policy has no patch {PATCH}",
    ),
]

# The list lies in helpers.c of the runtime, then in a crate of its own.
OLD = ("8.0.1", "9.0.4")
NEW = ("36.0.20", "44.0.3")
RELEASES = (*OLD, *NEW)
PAIRS = (OLD, NEW, (OLD[0], NEW[1]))

THREADS = 4
ROUNDS = 2000

MANIFEST = """\
[package]
name = "{name}"
version = "0.0.0"
edition = "2021"

[workspace]

[profile.dev]
debug = false
incremental = false

[dependencies]
"""
FEATURES = {OLD: '"cranelift", "wat"', NEW: '"cranelift", "wat", "runtime", "std", "debug-builtins"'}

# Loads and drops modules on threads of several versions at once, or calls each version's wasm under a debugger.
MAIN = r"""
use std::any::Any;
use std::ptr::null;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Barrier;

const KEPT: usize = 3;

type Live = Box<dyn Any + Send>;
type Churn = fn(usize, usize, &Barrier) -> Vec<Live>;

#[repr(C)]
struct Entry {
    next: *const Entry,
    before: *const Entry,
    file: *const u8,
    size: u64,
}

#[repr(C)]
struct List {
    version: u32,
    action: u32,
    relevant: *const Entry,
    first: *const Entry,
}

extern "C" {
    #[link_name = "__jit_debug_descriptor"]
    static mut LIST: List;
}

static STOPS: AtomicUsize = AtomicUsize::new(0);
static TORN: AtomicUsize = AtomicUsize::new(0);

/// Stands in for a debugger, which stops the program here and reads what has changed.
///
/// Upstream's own definition is weak, so that others can have this one.
#[no_mangle]
pub extern "C" fn __jit_debug_register_code() {
    let list = &raw const LIST;
    let read = || unsafe { ((&raw const (*list).action).read_volatile(), (&raw const (*list).relevant).read_volatile()) };
    let change = read();
    let mut whole = change.0 != 0 && !change.1.is_null();
    for _ in 0..3 {
        std::thread::yield_now();
        whole &= read() == change;
    }
    STOPS.fetch_add(1, Ordering::Relaxed);
    TORN.fetch_add(usize::from(!whole), Ordering::Relaxed);
}

/// What wasm of every version calls.
#[no_mangle]
#[inline(never)]
pub extern "C" fn host_was_called(number: i32) -> i32 {
    std::hint::black_box(number) + 1
}

macro_rules! version {
    ($module:ident, $library:ident) => {
        mod $module {
            use super::{Barrier, Live, KEPT};
            use std::collections::VecDeque;
            use $library::{Caller, Config, Engine, Func, Instance, Module, Store};

            fn engine() -> Engine {
                Engine::new(Config::new().debug_info(true)).unwrap()
            }

            pub fn churn(threads: usize, rounds: usize, start: &Barrier) -> Vec<Live> {
                let engine = engine();
                let bytes = Module::new(&engine, "(module (func))").unwrap().serialize().unwrap();
                let load = || {
                    let mut live = VecDeque::new();
                    start.wait();
                    for _ in 0..rounds {
                        live.push_back(unsafe { Module::deserialize(&engine, &bytes) }.unwrap());
                        if live.len() > KEPT {
                            live.pop_front();
                        }
                    }
                    Box::new(live) as Live
                };
                std::thread::scope(|scope| {
                    let all: Vec<_> = (0..threads).map(|_| scope.spawn(load)).collect();
                    all.into_iter().map(|thread| thread.join().unwrap()).collect()
                })
            }

            pub fn ready() -> Box<dyn FnMut() -> i32> {
                let engine = engine();
                let text = concat!(
                    r#"(module (import "" "" (func $host (param i32) (result i32)))
                    (func $wasm_of_"#, stringify!($module), r#" (export "") (param i32) (result i32)
                        (i32.add (call $host (local.get 0)) (i32.const 10))))"#
                );
                let module = Module::new(&engine, text).unwrap();
                let mut store = Store::new(&engine, ());
                let host = Func::wrap(&mut store, |_: Caller<'_, ()>, n: i32| super::host_was_called(n));
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                let wasm = instance.get_typed_func::<i32, i32>(&mut store, "").unwrap();
                Box::new(move || wasm.call(&mut store, 1).unwrap())
            }
        }
    };
}

@VERSIONS@

fn walk() -> Result<usize, String> {
    let (mut before, mut here) = (null(), unsafe { (&raw const LIST.first).read() });
    let mut count = 0;
    while !here.is_null() {
        if !here.is_aligned() || count == 100_000 {
            return Err(format!("leads nowhere after {count}"));
        }
        let entry = unsafe { here.read() };
        if entry.before != before {
            return Err(format!("entry {count} does not point back"));
        }
        if unsafe { std::slice::from_raw_parts(entry.file, 4) } != b"\x7fELF" {
            return Err(format!("entry {count} is no image"));
        }
        (before, here) = (here, entry.next);
        count += 1;
    }
    Ok(count)
}

fn race(versions: &[Churn], threads: usize, rounds: usize) {
    let start = Barrier::new(threads * versions.len());
    let live: Vec<Live> = std::thread::scope(|scope| {
        let all: Vec<_> = versions.iter().map(|churn| scope.spawn(|| churn(threads, rounds, &start))).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} stops, {} torn", STOPS.load(Ordering::Relaxed), TORN.load(Ordering::Relaxed));
    println!("{:?} of {}", walk(), live.len() * KEPT);
    drop(live);
    println!("{:?} of 0", walk());
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words[0] == "call" {
        let mut all: Vec<_> = READY.iter().map(|ready| ready()).collect();
        let sums: Vec<i32> = all.iter_mut().map(|call| call()).collect();
        println!("{sums:?}");
        std::process::exit(0);
    }
    let numbers: Vec<usize> = words[..2].iter().map(|word| word.parse().unwrap()).collect();
    let chosen: Vec<Churn> = words[2..].iter().map(|word| CHURN.iter().find(|(name, _)| name == word).unwrap().1).collect();
    println!("race");
    race(&chosen, numbers[0], numbers[1]);
}
"""


def module(release: str) -> str:
    """Return what the program calls a release."""
    return "v" + release.replace(".", "_")


def main_source(libraries: Sequence[str]) -> str:
    """Return the program's text for the libraries of ``RELEASES``, in that order."""
    rows = [
        f"version!({module(release)}, {library});"
        for release, library in zip(RELEASES, libraries, strict=True)
    ]
    churn = ", ".join(f'("{release}", {module(release)}::churn as Churn)' for release in RELEASES)
    ready = ", ".join(f"{module(release)}::ready" for release in RELEASES)
    rows.append(f"const CHURN: [(&str, Churn); {len(RELEASES)}] = [{churn}];")
    rows.append(f"const READY: [fn() -> Box<dyn FnMut() -> i32>; {len(RELEASES)}] = [{ready}];")
    return MAIN.replace("@VERSIONS@", "\n".join(rows))


@dataclass(frozen=True)
class Built:
    """A project and the program that holds its forks."""

    project: Project
    program: Path

    def race(self, *releases: str) -> subprocess.CompletedProcess[str]:
        """Let threads of these releases load and drop modules at once."""
        command = [str(self.program), str(THREADS), str(ROUNDS), *releases]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, errors="replace", timeout=600
        )


def project(real: Project, name: str, *, patched: bool) -> Project:
    """Make a project whose policy has the patch, or has all others but this one.

    The twin's crates have a revision of their own: cargo tells crates by name and version, and so both
    programs share what is not forked.
    """
    folder = KEPT / "jit-list" / name
    for old in ("patches", ".patchbot/registry"):
        shutil.rmtree(folder / old, ignore_errors=True)
    entries = POLICY.split("\n\n")
    others = [entry for entry in entries if f'\nname = "{PATCH}"\n' not in entry]
    assert len(others) == len(entries) - 1
    shutil.copytree(
        PATCHES / "carried",
        folder / "patches" / "carried",
        ignore=None if patched else shutil.ignore_patterns(PATCH),
    )
    (folder / "patches" / "policy.toml").write_text(POLICY if patched else "\n\n".join(others))
    revisions = "\n".join(f'"{release}" = 2' for release in RELEASES)
    settings = (REPOSITORY / "patchbot.toml").read_text()
    (folder / "patchbot.toml").write_text(
        settings if patched else f"{settings}\n[fork.revisions]\n{revisions}\n"
    )
    return Project(folder, real.cache)


def build(real: Project, name: str, *, patched: bool) -> Built:
    """Publish the forks of a project to its own registry, and build the program with them."""
    made = project(real, name, patched=patched)
    published = made.run("publish", *RELEASES, "--json", "--quiet")
    assert published.code == 0, published.err
    lines = made.run("consumer", *RELEASES, "--json").json["files"]
    packages = list(tomllib.loads(lines["Cargo.toml"])["dependencies"])
    assert len(packages) == len(RELEASES)
    dependencies = [
        f'{package} = {{ version = "={release}", registry = "patchbot", default-features = false, '
        f"features = [{FEATURES[OLD if release in OLD else NEW]}] }}"
        for release, package in zip(RELEASES, packages, strict=True)
    ]
    source = made.folder / "program"
    shutil.rmtree(source, ignore_errors=True)
    for path, text in {
        "Cargo.toml": MANIFEST.format(name=f"list-{name}") + "\n".join(dependencies) + "\n",
        ".cargo/config.toml": lines[".cargo/config.toml"],
        "src/main.rs": main_source([package.replace("-", "_") for package in packages]),
    }.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    program = cargo(made, source, [row["name"] for row in published.json["crates"]])
    return Built(made, program)


def cargo(made: Project, source: Path, forks: Sequence[str]) -> Path:
    """Build the program; nothing that was compiled of other bytes of these forks is taken for theirs."""
    target = KEPT / "jit-list" / "target"
    home = KEPT / "cargo-home"
    shutil.rmtree(home / "registry" / "src", ignore_errors=True)
    environment = made.environment({"CARGO_HOME": str(home), "CARGO_TARGET_DIR": str(target)})

    def run(*arguments: str) -> str:
        command = ["cargo", *arguments]
        done = subprocess.run(
            command, cwd=source, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("fetch")
    crates = sorted((made.folder / ".patchbot" / "registry").glob("*.crate"))
    digest = hashlib.sha256(b"".join(crate.read_bytes() for crate in crates)).hexdigest()
    stamp = made.folder / "compiled"
    if not stamp.is_file() or stamp.read_text() != digest:
        stamp.unlink(missing_ok=True)
        locked = tomllib.loads((source / "Cargo.lock").read_text())["package"]
        used = [package["name"] for package in locked if package["name"] in forks]
        run("clean", "--offline", *(word for fork in used for word in ("-p", fork)))
    rows = [json.loads(row) for row in run("build", "--message-format=json").splitlines()]
    stamp.write_text(digest)
    return Path(next(row["executable"] for row in rows if row.get("executable")))


@pytest.fixture(scope="module")
def patched(real: Project) -> Built:
    return build(real, "patched", patched=True)


@pytest.fixture(scope="module")
def twin(real: Project) -> Built:
    return build(real, "twin", patched=False)


def test_one_lock_under_one_name(patched: Built, twin: Built) -> None:
    """Weak as the list is, and never with a suffix: a suffix would give each version a lock of its own."""

    def names(built: Built) -> list[str]:
        listing = subprocess.run(["nm", str(built.program)], capture_output=True, text=True, check=True)
        return re.findall(rf"(?m) (. {LOCK}.*)$", listing.stdout)

    assert names(patched) == [f"V {LOCK}"]
    assert names(twin) == []


@pytest.mark.parametrize("releases", [*PAIRS, RELEASES], ids="+".join)
def test_the_list_stays_whole(patched: Built, releases: tuple[str, ...]) -> None:
    done = patched.race(*releases)
    assert done.returncode == 0, done.stdout + done.stderr
    threads = THREADS * len(releases)
    kept = threads * 3
    # What each version serializes first is loaded and dropped as well.
    stops = 2 * (threads * ROUNDS + len(releases)) - kept
    assert done.stdout == f"race\n{stops} stops, 0 torn\nOk({kept}) of {kept}\nOk(0) of 0\n"


@pytest.mark.parametrize("releases", PAIRS, ids="+".join)
def test_without_the_patch_it_tears(twin: Built, releases: tuple[str, ...]) -> None:
    """Each version's own mutex is enough for itself, and not for two: a crash, or changes lost."""
    for release in releases:
        alone = twin.race(release)
        assert alone.returncode == 0, alone.stderr
        assert f" stops, 0 torn\nOk({THREADS * 3}) of {THREADS * 3}\nOk(0) of 0\n" in alone.stdout
    done = twin.race(*releases)
    assert done.stdout.startswith("race\n"), done.stderr
    assert done.returncode != 0 or " stops, 0 torn\n" not in done.stdout, done.stdout


def debug(built: Built, *commands: str) -> str:
    """Run the program's calls in gdb, and return what that prints."""
    gdb = shutil.which("gdb")
    if gdb is None:
        pytest.skip("gdb is not installed")
    first = ("set debuginfod enabled off", "set pagination off", "set breakpoint pending on")
    words = [word for command in (*first, *commands) for word in ("-ex", command)]
    done = subprocess.run(
        [gdb, "-nx", "-batch", *words, str(built.program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if re.search(r"ptrace: |Could not trace|Cannot create process", done.stderr):
        pytest.skip("gdb may not trace processes here")
    return done.stdout


def test_gdb_stops_in_functions_of_every_version(patched: Built) -> None:
    """By their names in wasm, which gdb can know from the list alone."""
    wasm = [f"wasm_of_{module(release)}" for release in RELEASES]
    breaks = [f"break {name}" for name in wasm]
    steps = [step for _ in RELEASES for step in ("bt 1", "continue")]
    said = debug(patched, *breaks, "run call", "info functions ^wasm_of_", *steps)
    assert re.findall(r"(?m)^#0 .* in (wasm_of_\w+) \(", said) == wasm
    assert sorted(re.findall(r"(?m)\b(wasm_of_\w+)\(i32\);$", said)) == sorted(wasm)
    assert "[12, 12, 12, 12]\n" in said


def test_gdb_walks_from_the_host_through_wasm(patched: Built) -> None:
    """Later releases enter the host by a trampoline that has no unwind information for gdb."""
    said = debug(patched, "break host_was_called", "run call", *("bt", "continue") * len(RELEASES))
    stacks = said.split(" in host_was_called ")[1:]
    for release, stack in zip(OLD, stacks[1::2], strict=False):
        assert re.search(rf"(?m)^#\d+ .* in wasm_of_{module(release)} \(", stack), stack
