"""Programs that users of forks write: macros that print crate paths, and C callers, two releases in each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from integration.conftest import KEPT, REPOSITORY, Project

# One group: cargo takes both cores.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ROOTS = ("wasmtime", "wasmtime-wasi", "wiggle", "wasmtime-c-api-impl")


@pytest.fixture(scope="module")
def wide(real: Project) -> Project:
    """A project that forks more than wasmtime itself."""
    folder = KEPT / "wide"
    for name in ("patches", ".patchbot/registry"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "patches").mkdir(parents=True)
    shutil.copy(REPOSITORY / "patches" / "policy.toml", folder / "patches")
    shutil.copytree(REPOSITORY / "patches" / "carried", folder / "patches" / "carried")
    settings = (REPOSITORY / "patchbot.toml").read_text()
    (folder / "patchbot.toml").write_text(f"{settings}\n[fork]\nroots = {list(ROOTS)}\n")
    return Project(folder, real.cache)


def program(
    wide: Project, folder: Path, releases: tuple[str, ...], dependencies: str, files: Mapping[str, str]
) -> Path:
    """Write a program that knows the forks of these releases, and nothing of upstream's names for them."""
    done = wide.run("publish", *releases, "--quiet")
    assert done.code == 0, done.err
    lines = wide.run("consumer", *releases, "--json").json["files"]
    manifest = f'[package]\nname = "mine"\nversion = "0.1.0"\nedition = "2021"\n\n{dependencies}'
    for path, text in {
        "Cargo.toml": manifest,
        ".cargo/config.toml": lines[".cargo/config.toml"],
        **files,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def cargo(
    wide: Project, folder: Path, *arguments: str, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run cargo with a home of its own: cargo trusts what it once unpacked of a local registry."""
    shutil.rmtree(KEPT / "cargo-home" / "registry" / "src", ignore_errors=True)
    env = {"CARGO_HOME": str(KEPT / "cargo-home"), "CARGO_TARGET_DIR": str(KEPT / "wide" / "target")}
    command = ["cargo", *arguments, "--config", "profile.dev.debug=false"]
    environment = wide.environment({**env, **(more or {})})
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


# -- macros ------------------------------------------------------------------------------------------

FEATURES = 'default-features = false, features = ["component-model", "cranelift", "async"'
MACROS_MANIFEST = f"""\
[features]
upstream = ["dep:upstream"]

[dependencies]
wasmtime-v8-0-1 = {{ version = "8.0.1", registry = "patchbot", {FEATURES}] }}
wasmtime-v24-0-13 = {{ version = "24.0.13", registry = "patchbot", {FEATURES}, "runtime"] }}
wasmtime-v36-0-20 = {{ version = "36.0.20", registry = "patchbot", {FEATURES}, "runtime"] }}
wiggle-v8-0-1 = {{ version = "8.0.1", registry = "patchbot" }}
wiggle-v24-0-13 = {{ version = "24.0.13", registry = "patchbot" }}
wiggle-v36-0-20 = {{ version = "36.0.20", registry = "patchbot" }}
upstream = {{ version = "=36.0.20", package = "wasmtime-internal-component-macro", optional = true }}
"""

# What a world looked like to 8, and since packages came; upstream's grammar changed between.
WORLD = """\
interface host {{
    record point {{ x: u32, y: u32 }}
    flags perms {{ read, write }}
    variant shape {{ dot(point), none }}
    enum color {{ red, green }}
    {resource}
    draw: func(p: point, f: perms, s: shape{handle}) -> result<color, string>{end}
}}
{default}world w {{
    import host{of}{end}
    export run: func(a: u32) -> u32{end}
}}
"""
OLD = WORLD.format(resource="", handle="", end="", default="default ", of=": self.host")
NEW = "package test:it;\n" + WORLD.format(
    resource="resource blob { constructor(init: list<u8>); len: func() -> u32; }",
    handle=", b: borrow<blob>",
    end=";",
    default="",
    of="",
)

MODULE = """\
mod {module} {{
    {wasmtime}::component::bindgen!({{ inline: {world}, {how} }});
    #[derive({wasmtime}::component::ComponentType, {wasmtime}::component::Lift, {wasmtime}::component::Lower)]
    #[component(record)]
    pub struct Mine {{ pub x: u32 }}
    pub mod wig {{
        #[allow(dead_code)]
        pub struct Ctx;
        {wiggle}::from_witx!({{
            witx_literal: "
                (typename $errno (enum (@witx tag u32) $ok $bad))
                (typename $count u32)
                (typename $fl (flags (@witx repr u32) $a $b))
                (typename $rec (record (field $x u32) (field $f $fl)))
                (module $m
                  (@interface func (export \\"f\\") (param $r (@witx const_pointer $rec))
                    (result $error (expected $count (error $errno)))))
            ",
            async: *,
        }});
        impl {wiggle}::GuestErrorType for types::Errno {{ fn success() -> Self {{ types::Errno::Ok }} }}
    }}
    /// What was generated speaks of this version's types, and of no other's.
    #[allow(dead_code)]
    fn of_this_version(mine: Mine) {{
        fn lowers<T: {wasmtime}::component::Lower>(_: T) {{}}
        lowers(mine);
    }}
}}
"""


def macros_main() -> str:
    """Return a program with the worlds of three releases, under no name but the forks' own."""
    new = "imports: { default: async }, exports: { default: async }"
    rows = (("8_0_1", OLD, "async: true"), ("24_0_13", NEW, "async: true"), ("36_0_20", NEW, new))
    modules = [
        MODULE.format(
            module=f"v{slug}", wasmtime=f"wasmtime_v{slug}", wiggle=f"wiggle_v{slug}", world=f'r#"{world}"#', how=how
        )
        for slug, world, how in rows
    ]  # fmt: skip
    twin = f'#[cfg(feature = "upstream")]\nmod twin {{ upstream::bindgen!({{ inline: r#"{NEW}"# }}); }}\n'
    return "\n".join([*modules, twin, "fn main() {}\n"])


def test_macros_expand_to_their_own_version(wide: Project, tmp_path: Path) -> None:
    """Worlds with records, flags, variants, resources and async, derives and wiggle, with no alias."""
    folder = program(
        wide, tmp_path, ("8.0.1", "24.0.13", "36.0.20"), MACROS_MANIFEST, {"src/main.rs": macros_main()}
    )
    done = cargo(wide, folder, "check", "--quiet")
    assert done.returncode == 0, done.stderr
    twin = cargo(wide, folder, "check", "--quiet", "--features", "upstream")
    assert twin.returncode != 0, "upstream's macro prints wasmtime::, which is no name here"
    assert "`wasmtime`" in twin.stderr


# -- C -----------------------------------------------------------------------------------------------

C_MANIFEST = """\
[dependencies]
wasmtime-c-api-impl-v18-0-4 = { version = "18.0.4", registry = "patchbot", default-features = false, features = ["wat"] }
wasmtime-c-api-impl-v20-0-2 = { version = "20.0.2", registry = "patchbot", default-features = false, features = ["wat"] }

[build-dependencies]
cc = "1"
"""
C_BUILD = """\
fn main() {
    for (file, key) in [("a", "18_0_4"), ("b", "20_0_2")] {
        let mut build = cc::Build::new();
        for (variable, path) in std::env::vars().filter(|(v, _)| v.starts_with(&format!("DEP_WASMTIME_C_API_{key}"))) {
            if variable.ends_with("INCLUDE") { build.include(path); }
        }
        build.define("RUN", &*format!("run_{file}")).file("src/run.c").compile(file);
    }
    if std::env::var("TWIN").is_ok() { cc::Build::new().file("src/twin.c").compile("twin"); }
    println!("cargo:rerun-if-env-changed=TWIN");
}
"""
# The plain names of wasm.h and wasmtime.h; which release they are of is told by the include path alone.
C_RUN = """\
#include <wasm.h>
#include <wasmtime.h>

int RUN(void) {
  wasm_engine_t *engine = wasm_engine_new();
  wasmtime_store_t *store = wasmtime_store_new(engine, 0, 0);
  wasmtime_context_t *context = wasmtime_store_context(store);
  const char text[] = "(module (func (export \\"f\\") (result i32) i32.const 42))";
  wasm_byte_vec_t bytes;
  if (wasmtime_wat2wasm(text, sizeof text - 1, &bytes)) return -1;
  wasmtime_module_t *module;
  if (wasmtime_module_new(engine, (uint8_t *)bytes.data, bytes.size, &module)) return -2;
  wasm_byte_vec_delete(&bytes);
  wasm_trap_t *trap = 0;
  wasmtime_instance_t instance;
  if (wasmtime_instance_new(context, module, 0, 0, &instance, &trap)) return -3;
  wasmtime_extern_t f;
  if (!wasmtime_instance_export_get(context, &instance, "f", 1, &f)) return -4;
  wasmtime_val_t result;
  if (wasmtime_func_call(context, &f.of.func, 0, 0, &result, 1, &trap)) return -5;
  wasmtime_module_delete(module);
  wasmtime_store_delete(store);
  wasm_engine_delete(engine);
  return result.of.i32;
}
"""
C_TWIN = "void *wasm_engine_new(void); void *twin(void) { return wasm_engine_new(); }\n"
C_MAIN = """\
extern crate wasmtime_c_api_impl_v18_0_4 as _;
extern crate wasmtime_c_api_impl_v20_0_2 as _;

extern "C" {
    fn run_a() -> i32;
    fn run_b() -> i32;
    #[cfg(feature = "twin")]
    fn twin() -> *const u8;
}

fn main() {
    #[cfg(feature = "twin")]
    assert!(!unsafe { twin() }.is_null());
    println!("{} and {}", unsafe { run_a() }, unsafe { run_b() });
}
"""


def test_two_c_apis_in_one_program(wide: Project, tmp_path: Path) -> None:
    """C files say the plain names, and each calls the release whose headers it includes."""
    files = {"build.rs": C_BUILD, "src/run.c": C_RUN, "src/twin.c": C_TWIN, "src/main.rs": C_MAIN}
    folder = program(wide, tmp_path, ("18.0.4", "20.0.2"), f"[features]\ntwin = []\n\n{C_MANIFEST}", files)
    done = cargo(wide, folder, "run", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42 and 42\n"
    twin = cargo(wide, folder, "build", "--quiet", "--features", "twin", more={"TWIN": "1"})
    assert twin.returncode != 0, "a bare name is left in one of the forks"
    assert "wasm_engine_new" in twin.stderr
    assert "undefined" in twin.stderr
