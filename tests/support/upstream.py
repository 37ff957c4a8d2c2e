"""A small upstream: crates in the shape of wasmtime's, in each of the ways that it has made link-time names.

The sources are ours, written to have the same forms: attributes, foreign blocks, a list of builtins that a
macro hands to another macro, assembler text, C files and s390x files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from support import crates

COMMIT = "0123456789abcdef0123456789abcdef01234567"

MANIFEST = """\
[package]
name = "{name}"
version = "{version}"
edition = "2021"
license = "Apache-2.0 WITH LLVM-exception"
description = "A crate in the shape of upstream's"
{package}

{rest}
[dev-dependencies.only-for-tests]
version = "1"
"""

BUILTINS = """\
#[macro_export]
macro_rules! foreach_builtin_function {
    ($mac:ident) => {
        $mac! {
            /// Grow a memory.
            memory_grow(vmctx: vmctx, delta: i64) -> pointer;
            table_grow(vmctx: vmctx, delta: i32) -> i32;
            out_of_gas(vmctx: vmctx);
        }
    };
}
"""

ASM_MACROS = """\
cfg_if::cfg_if! {
    if #[cfg(target_os = "macos")] {
        #[macro_export]
        macro_rules! asm_func {
            ($name:expr, $body:expr $(, $($args:tt)*)?) => {
                std::arch::global_asm!(
                    concat!(".private_extern _", $name, "\\n.global _", $name, "\\n_", $name, ":\\n", $body),
                    $($($args)*)?
                );
            };
        }
    } else {
        #[macro_export]
        macro_rules! func_type { ($name:tt) => (concat!(".type ", $name, ",@function\\n")) }

        #[macro_export]
        macro_rules! asm_func {
            ($name:expr, $body:expr $(, $($args:tt)*)?) => {
                std::arch::global_asm!(
                    concat!(
                        ".hidden ", $name, "\\n.global ", $name, "\\n",
                        $crate::func_type!($name),
                        $name, ":\\n", $body, "\\n.size ", $name, ",.-", $name,
                    )
                    $(, $($args)*)?
                );
            };
        }
    }
}
"""

LIBCALLS = """\
pub mod trampolines {
    macro_rules! libcall {
        ($( $( #[$attr:meta] )* $name:ident( vmctx: vmctx $(, $pname:ident: $param:ident )* ) $( -> $result:ident )?; )*) => {
            paste::paste! {
                $(
                    extern "C" {
                        #[allow(missing_docs)]
                        pub fn $name(vmctx: *mut u8 $(, $pname: libcall!(@ty $param))*) $( -> libcall!(@ty $result))?;
                    }

                    wasm_to_libcall_trampoline!($name ; [<impl_ $name>]);

                    #[cfg_attr(target_arch = "s390x", no_mangle)]
                    unsafe extern "C" fn [<impl_ $name>](
                        vmctx: *mut u8 $(, $pname: libcall!(@ty $param))*
                    ) $( -> libcall!(@ty $result))? {
                        super::$name(vmctx $(, $pname)*)
                    }
                )*
            }
        };
        (@ty i32) => (u32);
        (@ty i64) => (u64);
        (@ty pointer) => (*mut u8);
    }

    wasmtime_environ::foreach_builtin_function!(libcall);
}
"""

# Upstream dropped these two with 9.0.
HOST_TRAMPOLINES = """\
extern "C" {
    fn host_to_wasm_trampoline();
    pub(crate) fn wasm_to_host_trampoline();
}

"""

TRAMPOLINES = """\
cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        #[macro_use]
        mod x86_64;
    } else if #[cfg(target_arch = "s390x")] {
        #[macro_use]
        mod s390x;
    } else {
        compile_error!("unsupported architecture");
    }
}
"""

TRAMPOLINES_X86_64 = """\
use wasmtime_asm_macros::asm_func;

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        macro_rules! arg0 { () => ("rcx") }
    } else {
        macro_rules! arg0 { () => ("rdi") }
    }
}

macro_rules! wasm_to_libcall_trampoline {
    ($libcall:ident ; $libcall_impl:ident) => {
        wasmtime_asm_macros::asm_func!(
            stringify!($libcall),
            concat!("mov r10, 8[", arg0!(), "]\\njmp {}"),
            sym $libcall_impl
        );
    };
}
"""

HOST_TRAMPOLINES_X86_64 = """\
asm_func!("host_to_wasm_trampoline", concat!("jmp 16[", arg0!(), "]"));

asm_func!(
    "wasm_to_host_trampoline",
    "
        // wasm_to_host_trampoline is only a word in this comment
        jmp 8[rdi]
    ",
);

"""

TRAMPOLINES_S390X = """\
macro_rules! wasm_to_libcall_trampoline {
    ($libcall:ident ; $libcall_impl:ident) => {};
}
"""

HOST_TRAMPOLINES_S390X_S = """\
        .hidden host_to_wasm_trampoline
        .globl host_to_wasm_trampoline
        .type host_to_wasm_trampoline,@function
host_to_wasm_trampoline:
        lg %r1, 16(%r3)
        br %r1
        .size host_to_wasm_trampoline,.-host_to_wasm_trampoline

        .hidden wasm_to_host_trampoline
        .globl wasm_to_host_trampoline
wasm_to_host_trampoline:
        lg %r1, 8(%r2)
        br %r1

"""

TRAMPOLINES_S390X_S = """\
// The s390x trampolines.

        .text
#define LIBCALL_TRAMPOLINE(libcall, libcall_impl) \\
        .hidden libcall ; \\
        .globl libcall ; \\
        .type libcall,@function ; \\
libcall: ; \\
        /* Tail call to the implementation. */ \\
        jg libcall_impl ; \\
        .size libcall,.-libcall

LIBCALL_TRAMPOLINE(memory_grow, impl_memory_grow)
LIBCALL_TRAMPOLINE(table_grow, impl_table_grow)
LIBCALL_TRAMPOLINE(out_of_gas, impl_out_of_gas)
"""

HELPERS_C = """\
#include <setjmp.h>
#include <stddef.h>

#ifdef CFG_TARGET_OS_windows
#define platform_setjmp(buf) setjmp(buf)
#else
#define platform_setjmp(buf) __builtin_setjmp(buf)
#endif

int wasmtime_setjmp(void **buf_storage, void (*body)(void *), void *payload) {
  (void)buf_storage;
  body(payload);
  return 1;
}

#ifdef CFG_TARGET_OS_windows
__declspec(dllexport)
#else
__attribute__((weak, noinline))
#endif
void __jit_debug_register_code() {
#ifndef CFG_TARGET_OS_windows
  __asm__("");
#endif
}

struct JITDescriptor {
  void *first_entry_;
};

static int counter;

struct JITDescriptor __jit_debug_descriptor = {NULL};

struct JITDescriptor *wasmtime_jit_debug_descriptor() {
  counter++;
  return &__jit_debug_descriptor;
}
"""

RUNTIME_BUILD = """\
use std::env;

fn main() {
    let mut build = cc::Build::new();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap();
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap();
    build.define(&format!("CFG_TARGET_OS_{}", os), None);
    if arch == "s390x" {
        println!("cargo:rerun-if-changed=src/trampolines/s390x.S");
        build.file("src/trampolines/s390x.S");
    }
    build.file("src/helpers.c");
    build.compile("wasmtime-helpers");
}
"""

RUNTIME_LIB = """\
pub mod libcalls;
pub mod trampolines;
pub mod debug_builtins;
mod traphandlers;
"""

TRAPHANDLERS = """\
#[link(name = "wasmtime-helpers")]
extern "C" {
    #[allow(improper_ctypes)]
    fn wasmtime_setjmp(buf: *mut *const u8, callback: extern "C" fn(*mut u8), payload: *mut u8) -> i32;
    fn wasmtime_jit_debug_descriptor() -> *mut u8;
    fn __jit_debug_register_code();
    fn getpid() -> i32;
}

#[cfg(test)]
mod tests {
    #[no_mangle]
    extern "C" fn only_in_tests() {}
}
"""

DEBUG_BUILTINS = """\
#[no_mangle]
pub unsafe extern "C" fn resolve_vmctx_memory_ptr(p: *const u32) -> *const u8 {
    p.cast()
}

// Not a name for the linker: a method that is called like one.
pub struct Memory {
    pub memory_grow: u32,
}
"""

FIBER_LIB = """\
cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod windows;
    } else if #[cfg(unix)] {
        mod unix;
    } else {
        compile_error!("unsupported platform");
    }
}
"""

FIBER_UNIX = """\
extern "C" {
    fn wasmtime_fiber_switch(top_of_stack: *mut u8);
    #[allow(dead_code)] // only used in assembly
    fn wasmtime_fiber_start();
}

cfg_if::cfg_if! {
    if #[cfg(target_arch = "aarch64")] {
        mod aarch64;
    } else if #[cfg(target_arch = "x86_64")] {
        mod x86_64;
    }
}
"""

FIBER_X86_64 = """\
use wasmtime_asm_macros::asm_func;

asm_func!("wasmtime_fiber_switch", "ret");

asm_func!(
    "wasmtime_fiber_start",
    "
        lea rax, {start}[rip]
        ret
    ",
    start = sym super::wasmtime_fiber_start,
);
"""

FIBER_AARCH64 = """\
use wasmtime_asm_macros::asm_func;

asm_func!("wasmtime_fiber_switch", "ret");

asm_func!(
    "wasmtime_fiber_start",
    "
        adr x0, wasmtime_fiber_switch
        ret
    ",
);
"""

FIBER_WINDOWS = """\
extern "C" {
    fn wasmtime_fiber_get_current() -> *mut u8;
}
"""

FIBER_WINDOWS_C = """\
void *wasmtime_fiber_get_current() {
  return 0;
}
"""

FIBER_BUILD = """\
fn main() {
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap();
    if os == "windows" {
        cc::Build::new().file("src/windows.c").compile("wasmtime-fiber");
    }
}
"""

CRANELIFT = """\
macro_rules! add_tag {
    ($parent:ident, $tag:expr => $die:ident as $id:ident { $($name:path = $value:expr),* $(,)? }) => {
        let $die = $id.get_mut($parent);
        $( $die.set($name, $value); )*
    };
}

pub fn unit(out_strings: &mut Strings) {
    add_tag!(wrapper_die_id, gimli::DW_TAG_subprogram => deref_op_die as deref_op_die_id {
        gimli::DW_AT_linkage_name = write::AttributeValue::StringRef(out_strings.add("resolve_vmctx_memory_ptr")),
        gimli::DW_AT_name = write::AttributeValue::StringRef(out_strings.add("ptr")),
    });
}
"""

WASMTIME = """\
pub use wasmtime_runtime::trampolines;
"""

VERSIONED_MACROS = """\
use quote::ToTokens;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn version(value: impl std::fmt::Display) -> String {
    format!("{}_{}", value, VERSION.replace('.', "_"))
}

fn literal(value: impl std::fmt::Display) -> syn::LitStr {
    syn::LitStr::new(version(value).as_str(), proc_macro2::Span::call_site())
}

#[proc_macro_attribute]
pub fn versioned_export(_: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let mut function = syn::parse_macro_input!(item as syn::ItemFn);
    let export_name = literal(&function.sig.ident);
    function.attrs.push(syn::parse_quote! { #[export_name = #export_name] });
    function.to_token_stream().into()
}

#[proc_macro_attribute]
pub fn versioned_link(_: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let mut function = syn::parse_macro_input!(item as syn::ForeignItemFn);
    let link_name = literal(&function.sig.ident);
    function.attrs.push(syn::parse_quote! { #[link_name = #link_name] });
    function.to_token_stream().into()
}

#[proc_macro]
pub fn versioned_stringify_ident(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let ident = syn::parse_macro_input!(item as syn::Ident);
    literal(ident).to_token_stream().into()
}

#[proc_macro]
pub fn versioned_suffix(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    literal("").to_token_stream().into()
}
"""

# What names become where upstream suffixes them itself (12.0 on).
_TO_VERSIONED = (
    ("#[no_mangle]", "#[wasmtime_versioned_export_macros::versioned_export]"),
    ('cfg_attr(target_arch = "s390x", no_mangle)',
     'cfg_attr(target_arch = "s390x", wasmtime_versioned_export_macros::versioned_export)'),
    ("    fn wasmtime_", "    #[wasmtime_versioned_export_macros::versioned_link]\n    fn wasmtime_"),
    ("                        pub fn $name", "                        #[wasmtime_versioned_export_macros::versioned_link]\n                        pub fn $name"),
    ("stringify!($libcall)", "wasmtime_versioned_export_macros::versioned_stringify_ident!($libcall)"),
    ('asm_func!("wasmtime_fiber_switch"', "asm_func!(wasmtime_versioned_export_macros::versioned_stringify_ident!(wasmtime_fiber_switch)"),
    ('"wasmtime_fiber_start",', "wasmtime_versioned_export_macros::versioned_stringify_ident!(wasmtime_fiber_start),"),
    ('"resolve_vmctx_memory_ptr"', "versioned_stringify_ident!(resolve_vmctx_memory_ptr)"),
)  # fmt: skip


@dataclass(frozen=True)
class Crate:
    """One crate of a synthetic release."""

    name: str
    path: str
    files: dict[str, str]
    dependencies: list[dict[str, Any]]
    links: str | None = None
    features: dict[str, list[str]] | None = None
    package: str = ""
    rest: str = ""


def release(version: str, *, versioned: bool = False) -> list[Crate]:
    """Return the crates of a release: bare names as to 11, or upstream's own suffixes as from 12."""
    exact = f"={version}"
    out = [
        Crate("wasmtime-asm-macros", "crates/asm-macros", {"src/lib.rs": ASM_MACROS}, [_dep("cfg-if", "1")]),
        Crate("wasmtime-environ", "crates/environ", {"src/lib.rs": "pub mod builtin;\n", "src/builtin.rs": BUILTINS}, []),
        Crate(
            "wasmtime-fiber",
            "crates/fiber",
            {
                "src/lib.rs": FIBER_LIB,
                "src/unix.rs": FIBER_UNIX,
                "src/unix/x86_64.rs": FIBER_X86_64,
                "src/unix/aarch64.rs": FIBER_AARCH64,
                "src/windows.rs": FIBER_WINDOWS,
                "src/windows.c": FIBER_WINDOWS_C,
                "build.rs": FIBER_BUILD,
            },
            [_dep("wasmtime-asm-macros", exact, target="cfg(unix)"), _dep("cc", "1", kind="build")],
            links=None if versioned else "wasmtime-fiber-shims",
        ),
        Crate(
            "wasmtime-runtime",
            "crates/runtime",
            {
                "src/lib.rs": RUNTIME_LIB,
                "src/libcalls.rs": LIBCALLS,
                "src/trampolines.rs": ("" if versioned else HOST_TRAMPOLINES) + TRAMPOLINES,
                "src/trampolines/x86_64.rs": TRAMPOLINES_X86_64 + ("" if versioned else HOST_TRAMPOLINES_X86_64),
                "src/trampolines/s390x.rs": TRAMPOLINES_S390X,
                "src/trampolines/s390x.S": TRAMPOLINES_S390X_S + ("" if versioned else HOST_TRAMPOLINES_S390X_S),
                "src/traphandlers.rs": TRAPHANDLERS,
                "src/debug_builtins.rs": DEBUG_BUILTINS,
                "src/helpers.c": HELPERS_C,
                "build.rs": RUNTIME_BUILD,
            },
            [
                _dep("wasmtime-asm-macros", exact),
                _dep("wasmtime-environ", exact),
                _dep("wasmtime-fiber", exact, optional=True),
                _dep("cc", "1", kind="build"),
                _dep("only-for-tests", "1", kind="dev"),
            ],
            features={"async": ["wasmtime-fiber"]},
        ),
        Crate("wasmtime-cranelift", "crates/cranelift", {"src/lib.rs": CRANELIFT}, [_dep("wasmtime-environ", exact)]),
        Crate("wasmtime-cache", "crates/cache", {"src/lib.rs": "// nothing of interest\n"}, [_dep("zstd", "0.11")]),
        Crate(
            "wasmtime",
            "crates/wasmtime",
            {"src/lib.rs": WASMTIME, "tests/all.rs": "#[no_mangle] fn in_a_test() {}\n", "LICENSE": "Apache\n"},
            [
                _dep("wasmtime-runtime", exact),
                _dep("wasmtime-fiber", exact, optional=True),
                _dep("wasmtime-cranelift", exact, optional=True),
                _dep("wasmtime-cache", exact, optional=True),
                _dep("wasmtime-environ", exact),
            ],
            features={
                "async": ["dep:wasmtime-fiber", "wasmtime-runtime/async"],
                "cranelift": ["dep:wasmtime-cranelift"],
                "default": ["async", "cranelift"],
            },
            rest='[[test]]\nname = "all"\npath = "tests/all.rs"\n\n',
        ),
    ]  # fmt: skip
    return [_versioned(crate, exact) for crate in [*out, _macros()]] if versioned else out


def _macros() -> Crate:
    return Crate(
        "wasmtime-versioned-export-macros",
        "crates/versioned-export-macros",
        {"src/lib.rs": VERSIONED_MACROS},
        [_dep("syn", "2"), _dep("quote", "1")],
        rest="[lib]\nproc-macro = true\n\n",
    )


def _versioned(crate: Crate, exact: str) -> Crate:
    """Give a crate upstream's own suffixes."""
    files = {}
    for path, text in crate.files.items():
        if crate.name != "wasmtime-versioned-export-macros" and path.endswith(".rs") and "tests/" not in path:
            for old, new in _TO_VERSIONED:
                text = text.replace(old, new)  # noqa: PLW2901 - a text in the making
        if path.endswith((".c", ".S")):
            text = _versioned_c(text)  # noqa: PLW2901
        if path == "build.rs":
            text = text.replace("cc::Build::new()", 'cc::Build::new().define("VERSIONED_SUFFIX", Some(versioned_suffix!()))')  # fmt: skip  # noqa: PLW2901
        files[path] = text
    owner = (
        any("versioned_" in text for text in files.values())
        and crate.name != "wasmtime-versioned-export-macros"
    )
    dependencies = [
        *crate.dependencies,
        *([_dep("wasmtime-versioned-export-macros", exact)] if owner else []),
    ]
    return Crate(
        crate.name, crate.path, files, dependencies, crate.links, crate.features, crate.package, crate.rest
    )


def _versioned_c(text: str) -> str:
    head = (
        "#define CONCAT2(a, b) a##b\n#define CONCAT(a, b) CONCAT2(a, b)\n"
        "#define VERSIONED_SYMBOL(a) CONCAT(a, VERSIONED_SUFFIX)\n"
    )
    for name in ("wasmtime_setjmp", "wasmtime_jit_debug_descriptor", "wasmtime_fiber_get_current"):
        text = text.replace(f"{name}(", f"VERSIONED_SYMBOL({name})(")
    for name in ("memory_grow", "table_grow", "out_of_gas"):
        text = text.replace(
            f"LIBCALL_TRAMPOLINE({name}, impl_{name})",
            f"LIBCALL_TRAMPOLINE(VERSIONED_SYMBOL({name}), VERSIONED_SYMBOL(impl_{name}))",
        )
    return head + text


def _dep(name: str, req: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any key of a dependency
    return {"name": name, "req": req if req.startswith("=") else f"^{req}", **more}


REGISTRY_INDEX = "sparse+https://crates.example.invalid/index/"  # of the forks: an address of their own


class Upstream:
    """A registry folder to which releases are added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publish(
        self,
        version: str,
        *,
        versioned: bool = False,
        change: Mapping[str, str | bytes] | None = None,
        **line: Any,  # noqa: ANN401 - any key of the index lines
    ) -> None:
        """Publish a release; ``change`` replaces or adds files by their path in the repository."""
        for item in release(version, versioned=versioned):
            files: dict[str, str | bytes] = {**item.files, "Cargo.toml": self.manifest(item, version)}
            for path, text in (change or {}).items():
                if path.startswith(f"{item.path}/"):
                    files[path.removeprefix(f"{item.path}/")] = text
            data = crates.crate(item.name, version, files, commit=COMMIT, path=item.path)
            entry = crates.index_line(item.name, version, data, item.dependencies, **line)
            entry |= {"features": item.features or {}, "links": item.links}
            crates.place(self.folder, entry, data)

    def withdraw(self, name: str, version: str) -> None:
        """Take one crate of a release out of the index, as if it had never been published."""
        file = self.folder / "index" / name[:2] / name[2:4] / name
        lines = [line for line in file.read_text().splitlines() if json.loads(line)["vers"] != version]
        file.write_text("".join(f"{line}\n" for line in lines))

    @staticmethod
    def manifest(item: Crate, version: str) -> str:
        """Return a normalised manifest of a crate, as cargo writes them."""
        package = f'links = "{item.links}"\n' if item.links else ""
        rest = item.rest
        for dep in item.dependencies:
            kind = "build-dependencies" if dep.get("kind") == "build" else "dependencies"
            if dep.get("kind") == "dev":
                continue
            table = f'target."{dep["target"]}".{kind}' if dep.get("target") else kind
            rest += f'[{table}.{dep["name"]}]\nversion = "{dep["req"].removeprefix("^")}"\n'
            rest += "optional = true\n\n" if dep.get("optional") else "\n"
        if item.features:
            rest += "[features]\n"
            for name, values in item.features.items():
                rest += f"{name} = [{', '.join(repr(v).replace(chr(39), chr(34)) for v in values)}]\n"
            rest += "\n"
        return MANIFEST.format(name=item.name, version=version, package=package + item.package, rest=rest)

    def configure(self, folder: Path, *, pinned: tuple[str, ...] = ()) -> None:
        """Write the settings of a project."""
        pins = ", ".join(f'"{release}"' for release in pinned)
        (folder / "patchbot.toml").write_text(
            f"registry.index = '{REGISTRY_INDEX}'\n[track]\npinned = [{pins}]\n"
        )

    def project(self, folder: Path, *, pinned: tuple[str, ...] = ()) -> None:
        """Make a project folder that follows this upstream, with this repository's policy for what is generated."""
        (folder / ".cargo").mkdir(parents=True)
        (folder / "patches").mkdir()
        self.configure(folder, pinned=pinned)
        policy = tomlkit.parse((Path(__file__).parents[2] / "patches" / "policy.toml").read_text())
        for patch in [p for p in policy["patch"] if p["kind"] == "carried"]:  # of real sources
            policy["patch"].remove(patch)
        (folder / "patches" / "policy.toml").write_text(tomlkit.dumps(policy))
        (folder / ".cargo" / "config.toml").write_text(
            f'[source.crates-io]\nreplace-with = "here"\n\n[source.here]\nlocal-registry = "{self.folder}"\n'
        )
