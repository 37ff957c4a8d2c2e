"""Names that come through build scripts and manifests."""

from __future__ import annotations

from typing import Any

from support.mutations.model import Mutation, Outcome, Part, Use

_NO_COMPILER = "cargo is needed"
_C = "int mutant(void) { return 1; }\n"
_DEFINE = "#define mutant mutant{suffix}"
_IN_C = {"src/mutant.c": _C}
_GENERATED = '#[no_mangle] pub extern \\"C\\" fn mutant() {}'
_INCLUDED = {Part.LIBRARY: 'include!(concat!(env!("OUT_DIR"), "/mutant.rs"));\n'}


def _row(id_: str, text: str, outcome: Outcome, **more: Any) -> Mutation:  # noqa: ANN401 - fields of a row
    return Mutation(
        **{
            "id": f"build: {id_}",
            "part": Part.BUILD,
            "text": text,
            "outcome": outcome,
            "unproved": _NO_COMPILER,
            **more,
        }
    )


def _compiles(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    given = {"at": "src/mutant.c", "spelled": _DEFINE, "files": _IN_C, **more}
    return _row(id_, text, Outcome.SUFFIXED, **given)


def _hides(id_: str, text: str, says: str = "", **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.REPORTED, says=says, **more)


def _looks_alike(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.CLEAN, **more)


_FILES = (
    _compiles("file", 'cc::Build::new().file("src/mutant.c").compile("mutant");\n'),
    _compiles("file by a path", 'cc::Build::new().file(std::path::Path::new("src/mutant.c")).compile("mutant");\n'),
    _compiles("file in a raw string", 'cc::Build::new().file(r"src/mutant.c").compile("mutant");\n'),
    _compiles("file with a roundabout path", 'cc::Build::new().file("src/../src/./mutant.c").compile("mutant");\n'),
    _compiles("files", 'cc::Build::new().files(["src/mutant.c"]).compile("mutant");\n'),
    _compiles("one of two files", 'cc::Build::new().file(if cfg!(windows) { "src/mutant.c" } else { "src/mutant.c" }).compile("mutant");\n'),
    _compiles("file in a branch", 'if cfg!(windows) { let mut b = cc::Build::new(); b.file("src/mutant.c"); b.compile("mutant"); }\n'),
    _compiles("file in a function", "mutate();\n", also={Part.BUILD_ITEMS: 'fn mutate() {\n    cc::Build::new().file("src/mutant.c").compile("mutant");\n}\n'}),
    _compiles("file in a macro", 'macro_rules! compile { ($b:expr) => { $b.file("src/mutant.c") } }\ncompile!(cc::Build::new()).compile("mutant");\n'),
    _compiles("name by a definition", 'cc::Build::new().define("NAME", "mutant").file("src/mutant.c").compile("mutant");\n', files={"src/mutant.c": "int NAME(void) { return 1; }\n"}),
    _compiles("another name by a definition", 'cc::Build::new().define("plain", Some("mutant")).file("src/mutant.c").compile("mutant");\n', files={"src/mutant.c": "int plain(void) { return 1; }\n"}),
    _hides("file of a variable", 'let path = std::env::var("MUTANT").unwrap();\ncc::Build::new().file(&path).compile("mutant");\n', "not written out"),
    _hides("file of a loop", 'let mut b = cc::Build::new();\nfor path in ["src/mutant.c"] { b.file(path); }\nb.compile("mutant");\n', "not written out", files=_IN_C),
    _hides("files of a folder", 'cc::Build::new().files(std::fs::read_dir("src").unwrap().map(|e| e.unwrap().path())).compile("mutant");\n', "", files=_IN_C),
    _hides("file of another folder", 'let out = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap());\ncc::Build::new().file(out.join("src/helpers.c")).compile("mutant");\n', "not written out"),
    _hides("file of a format", 'let name = "mutant";\ncc::Build::new().file(format!("src/{name}.c")).compile("mutant");\n', "", files=_IN_C),
    _hides("file as a function's argument", 'let mut b = cc::Build::new();\nlet path = std::env::var("MUTANT").unwrap();\ncc::Build::file(&mut b, path);\n', "not written out"),
    _hides("file as a value", 'let mut b = cc::Build::new();\nlet add = cc::Build::file::<String>;\nadd(&mut b, std::env::var("MUTANT").unwrap());\n', "not written out"),
    _hides("file with its type", 'cc::Build::new().file::<String>(std::env::var("MUTANT").unwrap()).compile("mutant");\n', "not written out"),
    _hides("file by a raw name", 'cc::Build::new().r#file(std::env::var("MUTANT").unwrap()).compile("mutant");\n', "not written out"),
    _hides("file that is not there", 'cc::Build::new().file("src/mutant_gone.c").compile("mutant");\n', "does not have"),
    _hides("object", 'cc::Build::new().object("src/mutant.o").compile("mutant");\n', "neither C nor", files={"src/mutant.o": b"\x7fELF"}, at="src/mutant.o"),
    _hides("objects", 'cc::Build::new().objects(std::env::split_paths("MUTANT")).compile("mutant");\n', ""),
    _hides("C++ file", 'cc::Build::new().cpp(true).file("src/mutant.cpp").compile("mutant");\n', "", files={"src/mutant.cpp": 'extern "C" int mutant() { return 1; }\n'}, at="src/mutant.cpp"),
    _hides("C file as C++", 'cc::Build::new().cpp(true).file("src/mutant.c").compile("mutant");\n', ".cpp(", files=_IN_C),
    _hides("file of another ending", 'cc::Build::new().file("src/mutant.m").compile("mutant");\n', "neither C nor", files={"src/mutant.m": _C}, at="src/mutant.m"),
)  # fmt: skip

_FLAGS = (
    _hides("definition of a computed name", 'cc::Build::new().define(&std::env::var("M").unwrap(), "mutant").compile("mutant");\n', "not written out"),
    _hides("definition of a computed value", 'cc::Build::new().define("NAME", std::env::var("M").unwrap().as_str()).file("src/mutant.c").compile("mutant");\n', "the value of the macro NAME", files={"src/mutant.c": "int NAME(void) { return 1; }\n"}),
    _hides("definition by a flag", 'cc::Build::new().flag("-Dother=mutant").compile("mutant");\n', "-Dother=mutant"),
    _hides("definition by two flags", 'cc::Build::new().flag("-D").flag("other=mutant").compile("mutant");\n', "-D"),
    _hides("definition for the preprocessor", 'cc::Build::new().flag("-Wp,-Dother=mutant").compile("mutant");\n', "-Wp,"),
    _hides("definition for the assembler", 'cc::Build::new().flag("-Wa,--defsym,mutant=1").compile("mutant");\n', "-Wa,"),
    _hides("definition for the linker", 'cc::Build::new().flag("-Wl,--defsym,mutant=1").compile("mutant");\n', "-Wl,"),
    _hides("included by a flag", 'cc::Build::new().flag("-include").flag("mutant.h").compile("mutant");\n', "-include"),
    _hides("folder of headers", 'cc::Build::new().include("include").compile("mutant");\n', "include"),
    _hides("underscore by a flag", 'cc::Build::new().flag_if_supported("-fleading-underscore").compile("mutant");\n', "-fleading-underscore"),
    _hides("instrumented by a flag", 'cc::Build::new().flag("-finstrument-functions").compile("mutant");\n', "-finstrument-functions"),
    _hides("plugin by a flag", 'cc::Build::new().flag("-fplugin=mutant.so").compile("mutant");\n', "-fplugin"),
    _hides("flags of a list", 'cc::Build::new().flags(["-Wall", "-Dother=mutant"]).compile("mutant");\n', "-Dother=mutant"),
    _hides("flags from the environment", 'cc::Build::new().try_flags_from_environment("MUTANT").unwrap();\n', "try_flags_from_environment"),
    _hides("flags for everybody", 'unsafe { std::env::set_var("CFLAGS", "-Dother=mutant") };\n', "CFLAGS"),
    _hides("another compiler", 'cc::Build::new().compiler("mutant-cc").compile("mutant");\n', "compiler"),
    _hides("another archiver", 'cc::Build::new().archiver("mutant-ar").compile("mutant");\n', "archiver"),
    _hides("the compiler's command", "cc::Build::new().get_compiler().to_command().status().unwrap();\n", "get_compiler"),
)  # fmt: skip

_LINKED = (
    _hides("argument for the linker", 'println!("cargo:rustc-link-arg=mutant.o");\n', "links what is not read"),
    _hides("argument for a cdylib", 'println!("cargo:rustc-cdylib-link-arg=--defsym=mutant=host");\n', "links what is not read"),
    _hides("library", 'println!("cargo:rustc-link-lib=static=mutant");\n', "links what is not read"),
    _hides("library, two colons", 'println!("cargo::rustc-link-lib=mutant");\n', "links what is not read"),
    _hides("library on a second line", 'println!("cargo:rerun-if-changed=build.rs\\ncargo:rustc-link-lib=mutant");\n', "links what is not read"),
    _hides("library behind an empty line", 'print!("\\ncargo:rustc-link-lib=mutant\\n");\n', "links what is not read"),
    _hides("library by concat", 'println!(concat!("cargo:rustc-", "link-lib=mutant"));\n', "tells cargo"),
    _hides("library as an argument", 'println!("{}", format!("{}:{}", "cargo", "rustc-link-lib=mutant"));\n', "links what is not read"),
    _hides("line for cargo that is computed", 'println!("cargo:{}", std::env::var("MUTANT").unwrap());\n', "tells cargo"),
    _hides("flags for rustc", 'println!("cargo:rustc-flags=-l mutant");\n', "links what is not read"),
    _hides("a compiler is run", 'std::process::Command::new("cc").args(["-c", "src/mutant.c"]).status().unwrap();\n', "", files=_IN_C),
    _hides("an assembler is run", 'std::process::Command::new("as").arg(std::env::var("MUTANT").unwrap()).status().unwrap();\n', "runs"),
    _hides("an archiver is run", 'use std::process::Command as Run;\nRun::new("ar").arg("r").status().unwrap();\n', "runs"),
    _hides("a program of a variable is run", 'std::process::Command::new(std::env::var("MUTANT").unwrap()).status().unwrap();\n', "runs"),
    _hides("cmake", 'cmake::build("native");\n', "cmake", also={Part.MANIFEST: '[build-dependencies.cmake]\nversion = "0.1"\n'}, at="Cargo.toml"),
    _hides("bindgen", "bindgen::builder().generate().unwrap();\n", "bindgen", also={Part.MANIFEST: '[build-dependencies.bindgen]\nversion = "0.70"\n'}, at="Cargo.toml"),
    _hides("nasm, renamed", 'assemble::compile_library("mutant", &[]).unwrap();\n', "nasm-rs", also={Part.MANIFEST: '[build-dependencies.assemble]\nversion = "0.3"\npackage = "nasm-rs"\n'}, at="Cargo.toml"),
    _hides("pkg-config on some machines", 'pkg_config::probe_library("mutant").unwrap();\n', "pkg-config", also={Part.MANIFEST: "[target.'cfg(unix)'.build-dependencies.pkg-config]\nversion = \"0.3\"\n"}, at="Cargo.toml"),
)  # fmt: skip

_OUT = 'std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("mutant.rs")'
_GENERATES = (
    _hides("writes Rust", f'std::fs::write({_OUT}, "{_GENERATED}").unwrap();\n', "writes code that makes a link-time name", also=_INCLUDED),
    _hides("writes Rust with imports", f'std::fs::write({_OUT}, "extern \\"C\\" {{ fn mutant(); }}").unwrap();\n', "writes code that makes a link-time name", also=_INCLUDED, use=Use.IMPORT),
    _hides("writes Rust in a raw string", f'std::fs::write({_OUT}, r#"extern "C" {{ fn mutant(); }}"#).unwrap();\n', "writes code that makes a link-time name", also=_INCLUDED, use=Use.IMPORT),
    _hides("writes Rust with assembly", f'std::fs::write({_OUT}, "pub fn host() {{ unsafe {{ core::arch::asm!(\\".globl mutant\\") }} }}").unwrap();\n', "writes code that makes a link-time name", also=_INCLUDED),
    _hides("quotes Rust", f'std::fs::write({_OUT}, quote::quote! {{ #[no_mangle] pub extern "C" fn mutant() {{}} }}.to_string()).unwrap();\n', "writes code that makes a link-time name", also=_INCLUDED),
    _hides("copies Rust", f'std::fs::copy("src/mutant.txt", {_OUT}).unwrap();\n', "copies", also=_INCLUDED, files={"src/mutant.txt": "#[no_mangle] fn mutant() {}\n"}),
    _hides("writes a file", f'std::fs::write({_OUT}, include_str!("src/mutant.txt")).unwrap();\n', "", also=_INCLUDED, files={"src/mutant.txt": "#[no_mangle] fn mutant() {}\n"}),
    _hides("goes on in a module", "mutant::build();\n", "goes on in another file", also={Part.BUILD_ITEMS: "mod mutant;\n"}, files={"mutant.rs": "pub fn build() {}\n"}),
    _hides("goes on in a module by a macro", "mutant::build();\n", "goes on in another file", also={Part.BUILD_ITEMS: "macro_rules! more { ($n:ident) => { mod $n; } }\nmore!(mutant);\n"}, files={"mutant.rs": "pub fn build() {}\n"}),
    _hides("goes on in an included file", 'include!("mutant.inc");\n', "goes on in another file", files={"mutant.inc": "{}"}),
    _hides("goes on in a file that a macro includes", 'macro_rules! more { () => { include!("mutant.inc") } }\nmore!();\n', "goes on in another file", files={"mutant.inc": "{}"}),
    _hides("a crate writes Rust", f"std::fs::write({_OUT}, wasmtime_environ::mutate()).unwrap();\n", "writes code that makes a link-time name", also={Part.ENVIRON: f'pub fn mutate() -> &\'static str {{ "{_GENERATED}" }}\n', Part.MANIFEST: '[build-dependencies.wasmtime-environ]\nversion = "1"\n', **_INCLUDED}, at="{environ}/src/lib.rs"),
)  # fmt: skip

_MANIFEST = (
    _compiles("build script elsewhere", "\n", at="{macros}/src/mutant.c", files={"{macros}/src/mutant.c": _C, "{macros}/native/mutant.rs": 'fn main() { cc::Build::new().file("src/mutant.c").compile("mutant"); }\n', "{macros}/Cargo.toml": '[package]\nname = "wasmtime-mutant-macros"\nversion = "1.0.0"\nbuild = "native/mutant.rs"\n\n[lib]\nproc-macro = true\n'}),
    _row("library elsewhere", '[lib]\npath = "native/mutant.rs"\n', Outcome.SUFFIXED, part=Part.MANIFEST, at="native/mutant.rs", files={"native/mutant.rs": '#[no_mangle]\npub extern "C" fn mutant() {}\n'}),
    _row("library among the tests", '[lib]\npath = "tests/mutant.rs"\n', Outcome.SUFFIXED, part=Part.MANIFEST, at="tests/mutant.rs", files={"tests/mutant.rs": '#[no_mangle]\npub extern "C" fn mutant() {}\n'}),
    _hides("library of another ending", '[lib]\npath = "src/mutant.txt"\n', "the library", part=Part.MANIFEST, files={"src/mutant.txt": '#[no_mangle]\npub extern "C" fn mutant() {}\n'}),
    _row("module of a library at the top", '[lib]\npath = "mutant.rs"\n', Outcome.SUFFIXED, part=Part.MANIFEST, at="examples/mod.rs", files={"mutant.rs": "pub mod examples;\n", "examples/mod.rs": '#[no_mangle]\npub extern "C" fn mutant() {}\n'}),
    _hides("module that is a build script, too", "pub mod mutant;\n", "has or writes code that makes a link-time name", part=Part.ENVIRON, at="{environ}/src/mutant.rs", files={"{environ}/src/mutant.rs": '#[no_mangle]\npub extern "C" fn mutant() {}\npub fn main() {}\n', "{environ}/Cargo.toml": '[package]\nname = "wasmtime-environ"\nversion = "1.0.0"\nbuild = "src/mutant.rs"\n'}),
    _hides("build scripts in a list", '[package]\nbuild = ["build.rs", "mutant.rs"]\n', "build", part=Part.MANIFEST, files={"mutant.rs": "fn main() {}\n"}),
    _hides("build script that is not there", '[package]\nbuild = "mutant_gone.rs"\n', "build", part=Part.MANIFEST),
    _hides("links key", '[package]\nlinks = "mutant"\n', "links", part=Part.MANIFEST),
    _hides("metadata for a build script", '[package]\nmetabuild = ["mutant-build"]\n', "build", part=Part.MANIFEST),
    _hides("macros by their old key", "wasmtime_mutant_macros::mutate!(mutant);\n", "mutate!", part=Part.LIBRARY, files={"{macros}/Cargo.toml": '[package]\nname = "wasmtime-mutant-macros"\nversion = "1.0.0"\n\n[lib]\nproc_macro = true\n', "{macros}/src/lib.rs": "#[proc_macro]\npub fn mutate(item: TokenStream) -> TokenStream {\n    quote::quote! { #[no_mangle] fn #item() {} }.into()\n}\n"}),
    _hides("macros by their type", "wasmtime_mutant_macros::mutate!(mutant);\n", "mutate!", part=Part.LIBRARY, files={"{macros}/Cargo.toml": '[package]\nname = "wasmtime-mutant-macros"\nversion = "1.0.0"\n\n[lib]\ncrate-type = ["proc-macro"]\n', "{macros}/src/lib.rs": "#[proc_macro]\npub fn mutate(item: TokenStream) -> TokenStream {\n    quote::quote! { #[no_mangle] fn #item() {} }.into()\n}\n"}),
)  # fmt: skip

_LOOK_ALIKES = (
    _looks_alike("file that cargo watches", 'println!("cargo:rerun-if-changed=src/mutant.c");\n', files=_IN_C),
    _looks_alike("conditions", 'println!("cargo:rustc-cfg=mutant");\nprintln!("cargo::rustc-check-cfg=cfg(mutant)");\n'),
    _looks_alike("environment", 'println!("cargo:rustc-env=MUTANT={}", 1);\nprintln!("cargo:warning=mutant");\n'),
    _looks_alike("the system's library", 'println!("cargo:rustc-link-lib=m");\n'),
    _looks_alike("git", 'std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().ok();\n'),
    _looks_alike("the compiler's version", 'let rustc = std::env::var("RUSTC").unwrap();\nstd::process::Command::new(rustc).arg("--version").output().ok();\n'),
    _looks_alike("harmless flags", 'cc::Build::new().flag("-Wall").flag_if_supported("-fno-strict-aliasing").std("c11").warnings(true).opt_level(2);\n'),
    _looks_alike("harmless definition", 'cc::Build::new().define("CFG_MUTANT", None);\n'),
    _looks_alike("a comment", '// cc::Build::new().file("src/mutant.c").compile("mutant");\n', files=_IN_C),
    _looks_alike("a C file that nobody compiles", "\n", files=_IN_C),
    _looks_alike("harmless generated code", f'std::fs::write({_OUT}, "pub const MUTANT: u8 = 1;").unwrap();\n', also=_INCLUDED),
    _looks_alike("a crate that writes harmless Rust", f"std::fs::write({_OUT}, wasmtime_environ::mutate()).unwrap();\n", also={Part.ENVIRON: "pub fn mutate() -> &'static str { \"pub const MUTANT: u8 = 1;\" }\n", Part.MANIFEST: '[build-dependencies.wasmtime-environ]\nversion = "1"\n', **_INCLUDED}),
    _looks_alike("a dependency of the tests", '[dev-dependencies.cmake]\nversion = "1"\n', part=Part.MANIFEST),
)  # fmt: skip

ROWS: tuple[Mutation, ...] = (*_FILES, *_FLAGS, *_LINKED, *_GENERATES, *_MANIFEST, *_LOOK_ALIKES)
