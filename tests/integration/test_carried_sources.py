"""What the carried patches do to upstream's published sources, and what those do without them.

Every form is put onto real crates by stock git, at the ends of its range and in between.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_rust
from integration.conftest import KEPT, REPOSITORY, Project

from patchbot.model import Release
from patchbot.series import carried
from patchbot.upstream.unpack import unpack

# One group: cargo takes both cores.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

GIT = ("git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", "core.autocrlf=false")

Files = Mapping[str, bytes]
Make = Callable[..., Path]


@dataclass(frozen=True)
class Shelf:
    """Upstream's crates, as files at the paths where upstream's repository has them."""

    real: Project
    folder: Path

    def files(self, release: str, crates: Sequence[str]) -> Files:
        """Return the files of the crates at these paths."""
        pins = {
            pin["path"]: pin for pin in self.real.run("scan", release, "--json", "--quiet").json["crates"]
        }
        found = {}
        for path in crates:
            pin = pins[path]
            data = (self.real.cache / "crates" / pin["sha256"][:2] / f"{pin['sha256']}.crate").read_bytes()
            for file in unpack(data, name=pin["name"], version=pin["version"]).files:
                found[f"{path}/{file.path}"] = file.data
        return found

    def make(self, release: str, crates: Sequence[str], *patches: str) -> Path:
        """Write crates of a release, with the patches' forms put on by ``git am``, as people would do it."""
        folder = self.folder / "-".join([release, *patches])
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        for name in patches:
            form = carried.form_for(REPOSITORY / "patches", name, Release.parse(release))
            # with the blobs of the form's own release at hand, `git am` can merge where the lines around it differ
            commit(folder, self.files(str(form.release), crates))
        commit(folder, self.files(release, crates))
        for name in patches:
            form = carried.form_for(REPOSITORY / "patches", name, Release.parse(release))
            git(folder, "am", "--quiet", "-3", str(form.file))
        return folder


@pytest.fixture(scope="module")
def make(real: Project, tmp_path_factory: pytest.TempPathFactory) -> Make:
    return Shelf(real, tmp_path_factory.mktemp("carried")).make


def git(folder: Path, *arguments: str) -> None:
    done = subprocess.run([*GIT, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder: Path, files: Files) -> None:
    for entry in folder.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry)
    write(folder, files)
    git(folder, "add", "--all", "--force", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "sources")


def write(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def cargo(
    real: Project, folder: Path, *arguments: str, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run cargo; what upstream's sources would be warned of today is no matter here."""
    env = {
        "CARGO_HOME": str(KEPT / "cargo-home"),
        "CARGO_TARGET_DIR": str(KEPT / "carried"),
        "RUSTFLAGS": "--cap-lints allow",
        **(more or {}),
    }
    command = ["cargo", *arguments, "--config", "profile.dev.debug=false"]
    return subprocess.run(
        command, cwd=folder, env=real.environment(env), capture_output=True, text=True, check=False
    )


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")


def need_std(triple: str) -> None:
    need("rustc")
    command = ["rustc", "--print", "target-libdir", "--target", triple]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not list(Path(done.stdout.strip()).glob("libcore-*")):
        pytest.skip(f"no standard library for {triple}: rustup target add {triple}")


# -- jitdump-append, jitdump-index -------------------------------------------------------------------

DUMPS = """\
use std::sync::{Arc, Barrier};

trait Dump: Send { fn dump(&mut self, name: &str, code: &[u8]); }

#VERSIONS

fn open(file: &str, version: usize) -> Box<dyn Dump> {
    match version { #OPEN _ => unreachable!() }
}

fn main() {
    let file = std::env::args().nth(1).unwrap();
    if std::env::args().nth(2).is_none() {
        let mut dumps = Vec::new();
        for version in 0..#COUNT {
            dumps.push(open(&file, version));
            dumps[version].dump(&format!("{version}: first"), &[0; 10]);
        }
        for (version, dump) in dumps.iter_mut().enumerate() {
            dump.dump(&format!("{version}: second"), &[0; 20]);
        }
        return;
    }
    let start = Arc::new(Barrier::new(#COUNT));
    let threads: Vec<_> = (0..#COUNT).map(|version| {
        let mut dump = open(&file, version);
        let start = start.clone();
        std::thread::spawn(move || {
            start.wait();
            for n in 0..200 { dump.dump(&format!("{version}: {n}"), &[0; 3000]); }
        })
    }).collect();
    for thread in threads { thread.join().unwrap(); }
}
"""

# Each function comes with a line of debug information that names it, where the release can write one.
DUMP = """\
impl Dump for v{n}::perf_jitdump::JitDumpFile {{
    fn dump(&mut self, name: &str, code: &[u8]) {{
        let t = self.get_time_stamp();
        {debug}
        self.dump_code_load_record(name, {code}, t, 1, 1).unwrap();
    }}
}}
"""
DEBUG = """\
use v{n}::perf_jitdump::*;
        let size = 32 + 16 + name.len() as u32 + 1;
        let header = RecordHeader {{ id: RecordId::JitCodeDebugInfo as u32, record_size: size, timestamp: t }};
        self.write_debug_info_record(DebugInfoRecord {{ header, address: 0, count: 1 }}).unwrap();
        let entry = DebugEntry {{ address: 0, line: 1, discriminator: 0, filename: name.to_string() }};
        self.write_debug_info_entries(vec![entry]).unwrap();
"""

SHARED = ("0.40.0", "8.0.1", "21.0.2", "24.0.13", "34.0.2", "36.0.20", "38.0.4")
SINCE_39 = ("39.0.0", "44.0.3", "48.0.8")
HEADER, PREFIX, LOAD = struct.Struct("<IIIIIIQQ"), struct.Struct("<IIQ"), struct.Struct("<IIQQQQ")
MAGIC = 0x4A695444


def program(real: Project, make: Make, folder: Path, releases: Sequence[str], *patches: str) -> Path:
    """Build a program that has the jitdump writers of all these releases in it."""
    need("cargo")
    dependencies, versions, opened = [], [], []
    for n, release in enumerate(releases):
        major = int(release.partition(".")[0])
        crate = make(release, ["crates/jit-debug"], *patches) / "crates" / "jit-debug"
        package = "wasmtime-jit-debug" if major < 35 else "wasmtime-internal-jit-debug"
        dependencies.append(
            f'v{n} = {{ package = "{package}", path = "{crate}", features = ["perf_jitdump"] }}'
        )
        debug = DEBUG.format(n=n) if major < 39 else ""
        versions.append(
            DUMP.format(n=n, debug=debug, code="code.as_ptr(), code.len()" if major < 24 else "code")
        )
        opened.append(f"{n} => Box::new(v{n}::perf_jitdump::JitDumpFile::new(file, 62).unwrap()),")
    text = DUMPS.replace("#VERSIONS", "\n".join(versions)).replace("#OPEN", " ".join(opened))
    name = "-".join(["dumps", *patches])
    manifest = (
        f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
    )
    source = {
        "Cargo.toml": manifest + "\n".join(dependencies) + "\n",
        "src/main.rs": text.replace("#COUNT", str(len(releases))),
    }
    write(folder / name, source)
    done = cargo(real, folder / name, "build", "--quiet")
    assert done.returncode == 0, done.stderr
    binary = folder / name / "program"
    shutil.copy(KEPT / "carried" / "debug" / name, binary)
    return binary


def dumped(binary: Path, *arguments: str) -> bytes:
    file = binary.parent / "jit.dump"
    file.unlink(missing_ok=True)
    subprocess.run([binary, str(file), *arguments], check=True)
    return file.read_bytes()


@dataclass(frozen=True)
class Function:
    """A code load record, with the name in the debug information before it."""

    name: str
    index: int
    debug: str


def functions(data: bytes) -> Iterator[Function]:
    """Read a jitdump as perf does: a header, then records by their sizes.  Raises ``ValueError`` where perf stops."""
    if HEADER.unpack_from(data)[:3] != (MAGIC, 1, HEADER.size):
        raise ValueError("no header")
    at, debug = HEADER.size, ""
    while at < len(data):
        kind, size, _ = PREFIX.unpack_from(data, at)
        body = data[at + PREFIX.size : at + size]
        if kind not in {0, 2} or size < PREFIX.size or at + size > len(data):
            raise ValueError(f"no record at {at}")
        if kind == 2:
            debug = body[32:-1].decode()
        else:
            *_, length, index = LOAD.unpack_from(body)
            yield Function(body[LOAD.size : len(body) - length - 1].decode(), index, debug)
        at += size


@pytest.fixture(scope="module")
def programs(
    real: Project, make: Make, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[tuple[str, ...], Path]:
    """The same program with upstream's sources and with ours."""
    folder = tmp_path_factory.mktemp("dumps")
    patches: tuple[tuple[str, ...], ...] = ((), ("jitdump-append",), ("jitdump-append", "jitdump-index"))
    return {names: program(real, make, folder, SHARED, *names) for names in patches}


def test_versions_share_a_jitdump(programs: Mapping[tuple[str, ...], Path]) -> None:
    count = len(SHARED)
    wanted = [f"{n}: {what}" for what in ("first", "second") for n in range(count)]
    shared = list(functions(dumped(programs["jitdump-append",])))
    assert [function.name for function in shared] == wanted
    assert [function.debug for function in shared] == wanted


def test_without_the_patch_only_the_last_to_open_is_in_the_jitdump(
    programs: Mapping[tuple[str, ...], Path],
) -> None:
    last = len(SHARED) - 1
    left = [function.name for function in functions(dumped(programs[()]))]
    assert left == [f"{last}: first", f"{last}: second"], "and then each writes over what others wrote"


def test_versions_write_a_jitdump_at_once(programs: Mapping[tuple[str, ...], Path]) -> None:
    found = list(functions(dumped(programs["jitdump-append",], "at once")))
    assert sorted(f.name for f in found) == sorted(
        f"{v}: {n}" for v in range(len(SHARED)) for n in range(200)
    )
    assert all(function.debug == function.name for function in found)


def test_versions_number_their_code_apart(programs: Mapping[tuple[str, ...], Path]) -> None:
    indices = {
        names: [function.index for function in functions(dumped(programs[names], "at once"))]
        for names in programs
        if names
    }
    count = 200 * len(SHARED)
    apart, together = indices["jitdump-append", "jitdump-index"], indices["jitdump-append",]
    assert len(set(apart)) == count
    assert len({index % 2**32 for index in apart}) == count, "older perf reads 32 bits"
    assert len(set(together)) == 200, "perf would give all versions' functions the same 200 files"


def test_since_39_too(real: Project, make: Make, tmp_path: Path) -> None:
    ours = list(functions(dumped(program(real, make, tmp_path, SINCE_39, "jitdump-index"))))
    upstreams = list(functions(dumped(program(real, make, tmp_path, SINCE_39))))
    names = [f"{n}: {what}" for what in ("first", "second") for n in range(len(SINCE_39))]
    assert [function.name for function in ours] == [function.name for function in upstreams] == names
    assert len({function.index for function in ours}) == len(names)
    assert {function.index for function in upstreams} == {0, 1}


# -- fiber-32bit -------------------------------------------------------------------------------------

MACHINES = {
    "x86": ("i686-unknown-linux-gnu", "i686-linux-gnu", "qemu-i386"),
    "arm": ("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf", "qemu-arm"),
}
RUN = ("panics_propagated", "small_stacks", "smoke", "suspend_and_resume", "suspend_and_resume_values")
IMPORT = "unresolved import `wasmtime_asm_macros::asm_sym`"


def fibers(
    real: Project, make: Make, machine: str, release: str, *patches: str
) -> subprocess.CompletedProcess[str]:
    """Run upstream's own tests of fibers on another machine."""
    triple, gnu, qemu = MACHINES[machine]
    need("cargo", f"{gnu}-gcc", qemu)
    need_std(triple)
    crate = make(release, ["crates/fiber"], *patches) / "crates" / "fiber"
    manifest = (crate / "Cargo.toml").read_bytes()
    (crate / "Cargo.toml").write_bytes(manifest + b"\n[workspace]\n")
    variable = triple.upper().replace("-", "_")
    more = {
        f"CARGO_TARGET_{variable}_LINKER": f"{gnu}-gcc",
        f"CARGO_TARGET_{variable}_RUNNER": f"{qemu} -L /usr/{gnu}",
        f"CC_{triple}": f"{gnu}-gcc",
    }
    return cargo(real, crate, "test", "--lib", "--target", triple, more=more)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("release", ["5.0.0", "8.0.1", "11.0.2", "12.0.0", "18.0.4", "23.0.3"])
def test_fibers_run_on_32_bit_machines(real: Project, make: Make, machine: str, release: str) -> None:
    done = fibers(real, make, machine, release, "fiber-32bit")
    for name in RUN:
        assert f"test tests::{name} ... ok" in done.stdout, done.stdout + done.stderr
    without = fibers(real, make, machine, release)
    assert without.returncode != 0
    assert IMPORT in without.stderr


@pytest.mark.parametrize("release", ["0.40.0", "4.0.1"])
def test_fibers_of_the_first_releases_link_on_x86(real: Project, make: Make, release: str) -> None:
    done = fibers(real, make, "x86", release, "fiber-32bit")
    for name in RUN:
        assert f"test tests::{name} ... ok" in done.stdout, done.stdout + done.stderr
    without = fibers(real, make, "x86", release)
    assert "undefined reference to `wasmtime_fiber_start2'" in without.stderr


@pytest.mark.parametrize("release", ["5.0.0", "11.0.2", "12.0.0", "23.0.3"])
def test_fiber_files_find_what_they_import(real: Project, make: Make, tmp_path: Path, release: str) -> None:
    """Any machine can read the files, with the macros of their release: only assembling them takes another."""
    need("cargo")
    versioned = int(release.partition(".")[0]) >= 12
    manifest = (
        f'[package]\nname = "reads"\nversion = "{release}"\nedition = "2021"\n[workspace]\n[dependencies]\n'
    )
    manifest += f'wasmtime-asm-macros = "={release}"\n'
    manifest += f'wasmtime-versioned-export-macros = "={release}"\n' if versioned else ""
    errors = {}
    for patches in ((), ("fiber-32bit",)):
        unix = make(release, ["crates/fiber"], *patches) / "crates" / "fiber" / "src" / "unix"
        modules = "".join(f'#[path = "{unix / name}.rs"] mod {name};\n' for name in MACHINES)
        source = f'unsafe extern "C" {{ fn wasmtime_fiber_start(); }}\n{modules}'
        folder = write(
            tmp_path / "-".join(["reads", *patches]), {"Cargo.toml": manifest, "src/lib.rs": source}
        )
        errors[patches] = cargo(real, folder, "check").stderr
    assert errors[()].count(IMPORT) == 2
    assert "error" not in errors["fiber-32bit",], errors["fiber-32bit",]


# -- macos-signals -----------------------------------------------------------------------------------

RUST = tree_sitter.Language(tree_sitter_rust.language())
CONFIG = "crates/wasmtime/src/config.rs"


def nodes(source: bytes, kind: str) -> Iterator[tree_sitter.Node]:
    waiting = [tree_sitter.Parser(RUST).parse(source).root_node]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.type == kind:
            yield node


def text(node: tree_sitter.Node | None) -> str:
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def field(node: tree_sitter.Node, name: str) -> str:
    child = node.child_by_field_name(name)
    return "" if child is None else text(child)


def configured(source: bytes, folder: Path) -> str:
    """Compile the default and the setter as they are written, and say what comes of them."""
    defaults = [n for n in nodes(source, "field_initializer") if field(n, "field") == "macos_use_mach_ports"]
    setters = [n for n in nodes(source, "function_item") if field(n, "name") == "macos_use_mach_ports"]
    assert len(defaults) == len(setters) == 1
    program = f"""\
#[derive(Default)]
pub struct Config {{ macos_use_mach_ports: bool }}
impl Config {{
    pub fn new() -> Self {{ Config {{ {text(defaults[0])} }} }}
    {text(setters[0])}
}}
fn main() {{
    let mut config = Config::new();
    print!("{{}}", config.macos_use_mach_ports);
    print!(" {{}}", config.macos_use_mach_ports(true).macos_use_mach_ports);
    print!(" {{}}", config.macos_use_mach_ports(false).macos_use_mach_ports);
}}
"""
    write(folder, {"config.rs": program})
    subprocess.run(["rustc", "--edition=2021", "config.rs"], cwd=folder, check=True)
    return subprocess.run([folder / "config"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "release", ["13.0.0", "18.0.4", "19.0.0", "20.0.2", "21.0.0", "24.0.13", "36.0.20", "50.0.1"]
)
def test_signals_are_the_default_on_macos_and_mach_ports_a_choice(
    make: Make, tmp_path: Path, release: str
) -> None:
    need("rustc")
    ours = make(release, ["crates/wasmtime"], "macos-signals") / CONFIG
    upstreams = make(release, ["crates/wasmtime"]) / CONFIG
    assert configured(ours.read_bytes(), tmp_path / "ours") == "false true false"
    assert configured(upstreams.read_bytes(), tmp_path / "upstreams") == "true true false"


CHOICES = {"crates/runtime/src/traphandlers.rs": "macos", "crates/wasmtime/src/lib.rs": ""}


@pytest.mark.parametrize("release", ["0.40.0", "4.0.1", "8.0.1", "12.0.2"])
def test_the_first_releases_choose_signals_when_they_are_compiled(
    real: Project, make: Make, tmp_path: Path, release: str
) -> None:
    """The macro calls that choose, as they are written, on a machine that passes for macOS."""
    need("cargo")
    chosen: dict[tuple[tuple[str, ...], str, str], str] = {}
    for patches in ((), ("macos-signals",)):
        sources = make(release, ["crates/runtime", "crates/wasmtime"], *patches)
        for path in CHOICES:
            for features in ("", "posix-signals-on-macos"):
                folder = tmp_path / str(len(chosen))
                chosen[patches, path, features] = choice(
                    real, (sources / path).read_bytes(), folder, features
                )
    for path, upstreams in CHOICES.items():
        assert chosen[(), path, ""] == upstreams
        assert chosen[(), path, "posix-signals-on-macos"] == "unix"
        assert chosen[("macos-signals",), path, ""] == "unix"
        assert chosen[("macos-signals",), path, "posix-signals-on-macos"] == "unix"


def choice(real: Project, source: bytes, folder: Path, features: str) -> str:
    """Compile the call that chooses between systems, and say which module's file was read."""
    calls = [
        text(node)
        for node in nodes(source, "macro_invocation")
        if field(node, "macro") == "cfg_if::cfg_if" and "mod unix;" in text(node)
    ]
    assert len(calls) == 1
    call = re.sub(r'target_os = "macos"', "macos_for_a_test", calls[0])
    manifest = """\
[package]
name = "choice"
version = "0.1.0"
edition = "2021"
[workspace]
[features]
posix-signals-on-macos = []
[dependencies]
cfg-if = "1"
"""
    files = {f"src/{name}.rs": "" for name in ("unix", "macos", "windows")}
    write(folder, {"Cargo.toml": manifest, "src/main.rs": f"{call}\nfn main() {{}}\n", **files})
    more = {"RUSTFLAGS": "--cap-lints allow --cfg macos_for_a_test"}
    done = cargo(real, folder, "build", "--features", features, more=more)
    assert done.returncode == 0, done.stderr
    read = (KEPT / "carried" / "debug" / "choice.d").read_text()
    return " ".join(Path(name).stem for name in files if f"{folder}/{name}" in read)


def test_a_whole_release_compiles_for_macos(real: Project, make: Make, tmp_path: Path) -> None:
    """With signals there is an extension for them; it takes both crates to agree."""
    triple = "x86_64-apple-darwin"
    need("cargo")
    need_std(triple)
    errors = {}
    for patches in ((), ("macos-signals",)):
        sources = make("8.0.1", ["crates/runtime", "crates/wasmtime"], *patches) / "crates"
        manifest = f"""\
[package]
name = "on-macos"
version = "0.1.0"
edition = "2021"
[workspace]
[dependencies]
wasmtime = {{ path = "{sources}/wasmtime", default-features = false }}
[patch.crates-io]
wasmtime-runtime = {{ path = "{sources}/runtime" }}
"""
        program = """\
pub fn f(store: &mut wasmtime::Store<()>) {
    use wasmtime::unix::StoreExt;
    unsafe { store.set_signal_handler(|_signal, _info, _context| false) }
}
"""
        folder = write(tmp_path / f"with{len(patches)}", {"Cargo.toml": manifest, "src/lib.rs": program})
        # nothing is linked: objects of C files are not looked at
        more = {f"CC_{triple}": "true", f"AR_{triple}": "true", "SDKROOT": "/"}
        done = cargo(real, folder, "check", "--target", triple, more=more)
        errors[patches] = done.stderr if done.returncode else ""
    assert "unresolved import `wasmtime::unix`" in errors[()]
    assert errors["macos-signals",] == ""
