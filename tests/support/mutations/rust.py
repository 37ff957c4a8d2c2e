"""Rust items and attributes, the files that they stand in, and what only looks like them."""

from __future__ import annotations

from typing import Any

from support.mutations.model import Mutation, Outcome, Part, Use

_FN = 'pub extern "C" fn mutant() {}\n'
_EXPORTED = f"#[no_mangle]\n{_FN}"
_CONCAT = 'concat!({}, "{{suffix}}")'


def _row(id_: str, text: str, outcome: Outcome, **more: Any) -> Mutation:  # noqa: ANN401 - fields of a row
    return Mutation(id=f"rust: {id_}", part=Part.LIBRARY, text=text, outcome=outcome, **more)


def defines(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.SUFFIXED, **more)


def imports(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.SUFFIXED, use=Use.IMPORT, **more)


def mentions(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.SUFFIXED, use=Use.MENTION, **more)


def hides(id_: str, text: str, says: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.REPORTED, says=says, **more)


def looks_alike(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.CLEAN, **more)


_ATTRIBUTES = (
    defines("no_mangle", _EXPORTED),
    defines("unsafe no_mangle", f"#[unsafe(no_mangle)]\n{_FN}"),
    defines("spaces in the attribute", f"# [ no_mangle ]\n{_FN}"),
    defines("comments in the attribute", f"#[/* a */ unsafe /* ] */ ( // )\n no_mangle)]\n{_FN}"),
    hides("raw attribute name", f"#[r#no_mangle]\n{_FN}", "is not written out"),
    defines("raw function name", '#[no_mangle]\npub extern "C" fn r#mutant() {}\n'),
    defines("cfg_attr", f"#[cfg_attr(all(), no_mangle)]\n{_FN}"),
    defines("cfg_attr in cfg_attr", f"#[cfg_attr(all(), cfg_attr(not(any()), unsafe(no_mangle)))]\n{_FN}"),
    defines("cfg_attr with several attributes", f"#[cfg_attr(all(), inline(never), no_mangle,)]\n{_FN}"),
    defines("behind a doc comment", f"#[no_mangle]\n/// Documented.\n#[inline(never)]\n{_FN}"),
    defines("all on one line", f"pub struct Before; #[no_mangle] {_FN}"),
    defines(
        "two names for one item", '#[no_mangle]\n#[cfg_attr(any(), export_name = "other_mutant")]\n' + _FN
    ),
    defines(
        "export_name",
        '#[export_name = "mutant"]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('"mutant"'),
    ),
    defines(
        "unsafe export_name",
        '#[unsafe(export_name = "mutant")]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('"mutant"'),
    ),
    defines(
        "export_name, raw string",
        '#[export_name = r#"mutant"#]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('r#"mutant"#'),
    ),
    defines(
        "export_name with escapes",
        '#[export_name = "m\\x75t\\u{61}nt"]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('"m\\x75t\\u{{61}}nt"'),
    ),
    defines(
        "export_name over two lines",
        '#[export_name = "mu\\\n    tant"]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('"mu\\\n    tant"'),
    ),
    defines(
        "export_name of concat",
        '#[export_name = concat!("mu", "tant")]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('concat!("mu", "tant")'),
    ),
    defines(
        "export_name of stringify",
        '#[export_name = stringify!(mutant)]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format("stringify!(mutant)"),
    ),
    defines(
        "export_name of a macro",
        'macro_rules! mutant_part { () => { "tant" } }\n'
        '#[export_name = concat!("mu", mutant_part!())]\npub extern "C" fn other() {}\n',
        spelled=_CONCAT.format('concat!("mu", mutant_part!())'),
    ),
    hides(
        "export_name of an environment variable",
        '#[export_name = env!("MUTANT")]\npub extern "C" fn other() {}\n',
        "env! cannot be followed",
    ),
    hides(
        "export_name of a file",
        '#[export_name = include_str!("mutant.txt")]\npub extern "C" fn other() {}\n',
        "include_str! cannot be followed",
        files={"src/mutant.txt": "mutant"},
    ),
    hides(
        "export_name that no suffix fits",
        '#[export_name = "?mutant@@YAXXZ"]\npub extern "C" fn other() {}\n',
        "is no name that a suffix can be put behind",
        name="?mutant@@YAXXZ",
    ),
    hides(
        "export_name beyond ASCII",
        '#[export_name = "mütant"]\npub extern "C" fn other() {}\n',
        "is no name that a suffix can be put behind",
        name="mütant",
    ),
    hides(
        "attribute inside of the function",
        'pub extern "C" fn mutant() {\n    #![no_mangle]\n}\n',
        "stands on no item that can be read",
    ),
)

_ITEMS = (
    defines("static", "#[no_mangle]\npub static mutant: u8 = 1;\n"),
    defines("mutable static", "#[no_mangle]\npub(crate) static mut mutant: u8 = 1;\n"),
    defines(
        "table of function pointers",
        'extern "C" fn one() {}\n#[no_mangle]\npub static mutant: [extern "C" fn(); 2] = [one, one];\n',
    ),
    defines("extern system", '#[no_mangle]\npub unsafe extern "system" fn mutant() {}\n'),
    defines("extern C-unwind", '#[no_mangle]\npub extern "C-unwind" fn mutant() {}\n'),
    defines("Rust's own ABI", "#[no_mangle]\npub fn mutant() {}\n"),
    defines("private function", '#[no_mangle]\nextern "C" fn mutant() {}\n'),
    defines(
        "naked function",
        '#[unsafe(naked)]\n#[no_mangle]\npub extern "C" fn mutant() {\n    core::arch::naked_asm!("ret")\n}\n',
    ),
    defines("in a module", f"pub mod mutants {{ pub mod inner {{ {_EXPORTED} }} }}\n"),
    defines("in a function", f"pub fn host() {{ {_EXPORTED} }}\n"),
    defines("in a closure", f"pub fn host() {{ let _ = || {{ {_EXPORTED} }}; }}\n"),
    defines("in a constant", f"const _: () = {{ {_EXPORTED} }};\n"),
    defines("in a static's value", f"pub static HOST: u8 = {{ {_EXPORTED} 1 }};\n"),
    defines("in an array's length", f"pub static HOST: [u8; {{ {_EXPORTED} 1 }}] = [0];\n"),
    defines("in a parameter's type", f"pub fn host(_: [u8; {{ {_EXPORTED} 1 }}]) {{}}\n"),
    defines("in a result's type", f"pub fn host() -> [u8; {{ {_EXPORTED} 1 }}] {{ [1] }}\n"),
    defines("in a discriminant", f"pub enum Host {{ A = {{ {_EXPORTED} 1 }} }}\n"),
    defines("in a default argument", f"pub struct Host<const N: usize = {{ {_EXPORTED} 1 }}>;\n"),
    defines("in a field's type", f"pub struct Host {{ pub field: [u8; {{ {_EXPORTED} 1 }}] }}\n"),
    defines("in a match arm", f"pub fn host(x: u8) -> u8 {{ match x {{ 1 => {{ {_EXPORTED} 2 }} _ => 3 }} }}\n"),
    defines("method", f"pub struct Host;\nimpl Host {{ {_EXPORTED} }}\n"),
    defines("method of a trait", "pub struct Host;\ntrait T { fn mutant(); }\nimpl T for Host { #[no_mangle] fn mutant() {} }\n"),
    hides("section", '#[link_section = "mutant"]\npub static HOST: u8 = 1;\n', "#[link_section] on HOST", unproved="the linker makes names of sections"),
    hides("section by cfg_attr", '#[cfg_attr(all(), unsafe(link_section = "mutant"))]\n#[used]\npub static HOST: u8 = 1;\n', "#[link_section] on HOST", unproved="the linker makes names of sections"),
    hides("linkage", '#[linkage = "weak"]\n#[no_mangle]\npub extern "C" fn mutant() {}\n', "#[linkage] on mutant", crate="#![feature(linkage)]"),
    hides("allocator", "#[global_allocator]\nstatic HOST: std::alloc::System = std::alloc::System;\n", "#[global_allocator] on HOST", unproved="the name depends on the compiler"),
    hides("panic handler", "#[panic_handler]\nfn host(_: &core::panic::PanicInfo) -> ! { loop {} }\n", "#[panic_handler] on host", name="rust_begin_unwind", crate="#![no_std]", unproved="the name depends on the compiler"),
    hides("language item", '#[lang = "eh_personality"]\npub extern "C" fn host() {}\n', "#[lang] on host", unproved="std has this one"),
    hides("name inside of std", "#[rustc_std_internal_symbol]\npub fn mutant() {}\n", "#[rustc_std_internal_symbol] on mutant", unproved="the name depends on the compiler"),
)  # fmt: skip

_IMPORTS = (
    imports("extern block", 'extern "C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n'),
    imports("unsafe extern, safe fn", 'unsafe extern "C" { pub safe fn mutant(); }\npub fn host() { mutant() }\n'),
    imports("extern block without an ABI", "extern { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n"),
    imports("ABI in a raw string", 'extern r"C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n'),
    imports("extern system block", 'extern "system" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n'),
    imports("comments in the extern", 'extern /* { */ "C" /* } */ { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n'),
    imports("foreign static", 'extern "C" { static mutant: u8; }\npub fn host() -> u8 { unsafe { mutant } }\n'),
    imports("foreign mutable static", 'extern "C" { static mut mutant: u8; }\npub fn host() -> u8 { unsafe { mutant } }\n'),
    imports("extern block in a function", 'pub fn host() { extern "C" { fn mutant(); } unsafe { mutant() } }\n'),
    imports(
        "link_name", 'extern "C" { #[link_name = "mutant"] fn other(); }\npub fn host() { unsafe { other() } }\n',
        spelled=_CONCAT.format('"mutant"'),
    ),
    imports(
        "link_name of a static", 'extern "C" { #[link_name = "mutant"] static OTHER: u8; }\npub fn host() -> u8 { unsafe { OTHER } }\n',
        spelled=_CONCAT.format('"mutant"'),
    ),
    imports(
        "link_name with LLVM's mark", 'extern "C" { #[link_name = "\\x01mutant"] fn other(); }\npub fn host() { unsafe { other() } }\n',
        spelled=_CONCAT.format('"\\x01mutant"'),
    ),
    imports(
        "link_name of concat", 'extern "C" { #[link_name = concat!("mu", "tant")] fn other(); }\npub fn host() { unsafe { other() } }\n',
        spelled=_CONCAT.format('concat!("mu", "tant")'),
    ),
    hides(
        "link_name in some builds",
        'extern "C" { #[cfg_attr(all(), link_name = "mutant")] fn other(); }\npub fn host() { unsafe { other() } }\n',
        "in some builds only", use=Use.IMPORT,
    ),
    imports(
        "weak import",
        'extern "C" { #[linkage = "extern_weak"] static mutant: Option<unsafe extern "C" fn()>; }\npub fn host() -> bool { unsafe { mutant.is_some() } }\n',
        crate="#![feature(linkage)]",
    ),
    imports(
        "raw-dylib", '#[link(name = "host", kind = "raw-dylib")]\nextern "C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n',
        unproved="Windows only",
    ),
    hides(
        "static library", '#[link(name = "host", kind = "static")]\nextern "C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n',
        "brings in a static library", use=Use.IMPORT, unproved="a library is needed",
    ),
    hides(
        "static library by cfg_attr", '#[cfg_attr(all(), link(kind = "static", name = "host"))]\nextern "C" {}\n',
        "brings in a static library", use=Use.IMPORT, unproved="a library is needed",
    ),
)  # fmt: skip

_HIDDEN = f"{_EXPORTED}"
_FILES = (
    defines("module outside of src", '#[path = "../native/mutant.rs"]\npub mod mutant_file;\n', at="native/mutant.rs", files={"native/mutant.rs": _HIDDEN}),
    defines("module called examples", "pub mod examples;\n", at="src/examples.rs", files={"src/examples.rs": _HIDDEN}),
    defines("module called tests", "pub mod tests;\n", at="src/tests/mod.rs", files={"src/tests/mod.rs": _HIDDEN}),
    hides("module in tests", '#[path = "../tests/mutant.rs"]\npub mod mutant_file;\n', "in a file that is not read", files={"tests/mutant.rs": _HIDDEN}),
    hides("module in tests by cfg_attr", '#[cfg_attr(all(), path = "../tests/mutant.rs")]\npub mod mutant_file;\n', "in a file that is not read", files={"tests/mutant.rs": _HIDDEN}),
    hides(
        "module in one of two files", '#[cfg_attr(any(), path = "../native/mutant.rs")]\n#[cfg_attr(all(), path = "../tests/mutant.rs")]\npub mod mutant_file;\n',
        "in a file that is not read", files={"tests/mutant.rs": _HIDDEN, "native/mutant.rs": ""},
    ),
    hides("comment in the path", '#[/* c */ path /* d */ = "../tests/mutant.rs"]\npub mod mutant_file;\n', "in a file that is not read", files={"tests/mutant.rs": _HIDDEN}),
    hides("module of another ending", '#[path = "mutant.txt"]\npub mod mutant_file;\n', "in a file that is not read", files={"src/mutant.txt": _HIDDEN}),
    hides("path made by a macro", 'macro_rules! mods { ($p:literal) => { #[path = $p] pub mod mutant_file; } }\nmods!("../tests/mutant.rs");\n', "in a file that is not read", files={"tests/mutant.rs": _HIDDEN}),
    defines("included file", 'include!("mutant_included.rs");\n', at="src/mutant_included.rs", files={"src/mutant_included.rs": _HIDDEN}),
    hides("included file of another ending", 'include!("mutant.inc");\n', "includes mutant.inc, which is not read", files={"src/mutant.inc": _HIDDEN}),
    hides("comment in the include", 'include /* c */ ! /* d */ ("mutant.inc");\n', "includes mutant.inc, which is not read", files={"src/mutant.inc": _HIDDEN}),
    hides("included by a macro", 'macro_rules! inc { ($f:literal) => { include!($f); } }\ninc!("mutant.inc");\n', "includes mutant.inc, which is not read", files={"src/mutant.inc": _HIDDEN}),
    hides("include under another name", 'use core::include as inc;\ninc!("mutant.inc");\n', "include is given another name", files={"src/mutant.inc": _HIDDEN}),
    hides("include of a raw name", 'core::r#include!("mutant.inc");\n', "includes mutant.inc, which is not read", files={"src/mutant.inc": _HIDDEN}),
    hides("included from an unknown place", 'include!(concat!(env!("MUTANT"), ".rs"));\n', "includes a file that cannot be known", files={"mutant.rs": _HIDDEN}, unproved="the place is not known"),
    defines("byte order mark", 'extern "C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n', use=Use.IMPORT, files={"src/bom.rs": '\ufeffextern "C" { fn mutant(); }\n'}, at="src/bom.rs", unproved="the file is the point"),
    defines("spaces that are not ASCII", 'extern\u2028"C"\u200e{\u0085fn\u200fmutant(); }\npub fn host() { unsafe { mutant() } }\n', use=Use.IMPORT),
    defines("script line", 'extern "C" { fn mutant(); }\npub fn host() { unsafe { mutant() } }\n', use=Use.IMPORT, files={"src/script.rs": '#!/usr/bin/env "rustx (\nextern "C" { fn mutant(); }\n'}, at="src/script.rs", unproved="the file is the point"),
)  # fmt: skip

_LOOK_ALIKES = (
    looks_alike("no attribute", _FN, name="mutant"),
    looks_alike("attribute in a comment", f"// #[no_mangle]\n{_FN}/* #[no_mangle] /* nested */ */\n"),
    looks_alike("attribute in documentation", f'/// ```\n/// #[no_mangle]\n/// extern "C" fn mutant() {{}}\n/// ```\n{_FN}'),
    looks_alike("attribute in a doc attribute", f'#[doc = "#[no_mangle] fn mutant"]\n#[doc(alias = "no_mangle")]\n{_FN}'),
    looks_alike("attribute in a string", f'pub const HELP: &str = "use #[no_mangle] or export_name";\n{_FN}'),
    looks_alike("attribute in a raw string", f'pub const HELP: &str = r##"#[no_mangle] extern "C" fn mutant() {{}} "#"##;\n{_FN}'),
    looks_alike("attribute in stringify", f'pub const HELP: &str = stringify!(#[no_mangle] pub extern "C" fn mutant() {{}});\n{_FN}'),
    looks_alike("lint of that name", f"#[allow(no_mangle_generic_items)]\n{_FN}"),
    looks_alike("condition of that name", f"#[cfg_attr(no_mangle, inline)]\n#[cfg(not(export_name))]\n{_FN}"),
    looks_alike("function of that name", "pub fn no_mangle() -> u8 { let export_name = 1; export_name }\npub fn mutant() {}\n"),
    looks_alike("used static", "#[used]\nstatic mutant: u8 = 1;\n"),
    looks_alike("pointer to a foreign function", 'pub type Mutant = extern "C" fn();\npub fn mutant(_: extern "C" fn()) {}\n'),
    looks_alike("extern crate", "extern crate core as mutant_core;\npub fn mutant() {}\n"),
    looks_alike("test module", f'#[cfg(test)]\nmod mutants {{ {_EXPORTED} extern "C" {{ fn mutant_other(); }} }}\n'),
    looks_alike("test function", "#[test]\n#[no_mangle]\nfn mutant() {}\n"),
    looks_alike("attribute in tests only", f"#[cfg_attr(test, no_mangle)]\n{_FN}"),
    looks_alike("attribute in tests on unix only", f'#[cfg_attr(all(unix, test), export_name = env!("X"))]\n{_FN}'),
    looks_alike("test module in a file", "#[cfg(test)]\nmod mutant_tests;\n", files={"src/mutant_tests.rs": f"{_EXPORTED}unknown! {{ #[no_mangle] fn x() {{}} }}\n"}),
    looks_alike("file of cargo's tests", "\n", files={"tests/mutant.rs": _EXPORTED, "benches/mutant.rs": _EXPORTED, "examples/mutant.rs": _EXPORTED}),
    looks_alike("included data", 'pub const DATA: &[u8] = include_bytes!("mutant.rs.txt");\npub const TEXT: &str = include_str!("mutant.rs.txt");\n', files={"src/mutant.rs.txt": _EXPORTED}),
    looks_alike("harmless include of a file that is read", 'include!("mutant_included.rs");\n', files={"src/mutant_included.rs": "pub fn mutant() {}\n"}),
)  # fmt: skip

ROWS = (*_ATTRIBUTES, *_ITEMS, *_IMPORTS, *_FILES, *_LOOK_ALIKES)
