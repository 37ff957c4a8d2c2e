"""Sources that nobody should have written: each ends in a finding with its place, soon, and in no rewrite."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Mapping

import pytest
from symbols import small

from patchbot.errors import RewriteError
from patchbot.model import Inventory
from patchbot.symbols.crates import MAX_SIZE
from patchbot.symbols.readings import Readings
from patchbot.symbols.rewrite import rewrite
from patchbot.symbols.scan import scan

BUILD = 'fn main() { cc::Build::new().file("src/a.c").file("src/a.S").compile("x"); }\n'
GOOD = {"build.rs": BUILD, "src/a.c": "int in_c(void) { return 1; }\n", "src/a.S": ".globl in_s\nin_s: ret\n"}
EXPORT = '#[no_mangle] pub extern "C" fn f() {}\n'

Files = Mapping[str, str | bytes]


def found(files: Files) -> Inventory:
    """Return what a scan of one crate finds, with these files in place of good ones.

    What one release remembers must not keep the next one with the same files from being told.
    """
    readings = Readings()
    release = small.one_crate({"src/lib.rs": EXPORT, **GOOD, **files})
    first = scan(*release, small.POLICY, readings).inventory
    readings.turn()
    assert scan(*release, small.POLICY, readings).inventory == first
    return first


def told(inventory: Inventory, path: str) -> list[str]:
    return [spot.why for spot in inventory.blind_spots if spot.path == f"crates/runtime/{path}"]


def test_the_good_ones_are_no_finding() -> None:
    inventory = found({})
    assert inventory.blind_spots == ()
    assert small.own(inventory) == {"f", "in_c", "in_s"}


# -- what does not parse ----------------------------------------------------------------------------

JUNK = bytes(range(256)) * 40
DOES_NOT_END = "brackets, a string or a comment do not end, or nest too deep"


NOT_UTF_8 = "is not UTF-8, so no compiler takes it"
NO_C = "the C parser cannot read this"
NO_MANIFEST = "the manifest cannot be read: "

# file, what is in it, what is said
BROKEN: dict[str, tuple[str, str | bytes, str]] = {
    "open bracket": ("src/lib.rs", EXPORT + "fn g( {", DOES_NOT_END),
    "bracket too many": ("src/lib.rs", EXPORT + "}", DOES_NOT_END),
    "crossed brackets": ("src/lib.rs", EXPORT + "fn g() { (] }", DOES_NOT_END),
    "open string": ("src/lib.rs", EXPORT + 'const S: &str = "no end;\n', DOES_NOT_END),
    "open raw string": ("src/lib.rs", EXPORT + 'const S: &str = r##"no end"#;\n', DOES_NOT_END),
    "open comment": ("src/lib.rs", EXPORT + "/* no /* end */\n", DOES_NOT_END),
    "junk in Rust": ("src/lib.rs", EXPORT.encode() + JUNK, NOT_UTF_8),
    "another encoding in a comment": ("src/lib.rs", b"// \xff\n" + EXPORT.encode(), NOT_UTF_8),
    "UTF-16": ("src/lib.rs", EXPORT.encode("utf-16"), NOT_UTF_8),
    "another encoding in a file of no interest": ("src/other.rs", b"// \xff\n", NOT_UTF_8),
    "open bracket in a build script": ("build.rs", "fn main() { (", DOES_NOT_END),
    "junk as a build script": ("build.rs", JUNK, NOT_UTF_8),
    "open bracket in C": ("src/a.c", "int x(void) {\n", NO_C),
    "open string in C": ("src/a.c", 'char *x = "no end;\nint y;\n', NO_C),
    "open comment in C": ("src/a.c", "int x; /* no end\nint y;\n", "a comment that does not end"),
    "junk as C": ("src/a.c", JUNK, NO_C),
    "another encoding in C": ("src/a.c", b"int x\xff = 1;\n", NO_C),
    "open string in assembler": ("src/a.S", '.ascii "no end\nx: .globl x\n', "a string that does not end on its line"),
    "open comment in assembler": ("src/a.S", "x: /* no end\n.globl x\n", "a comment that does not end"),
    "open bracket in a manifest": ("Cargo.toml", "[package\n", NO_MANIFEST),
    "another encoding in a manifest": ("Cargo.toml", b'[package]\nname = "\xff"\n', NO_MANIFEST),
    "junk as a manifest": ("Cargo.toml", JUNK, NO_MANIFEST),
    "library that is a number": ("Cargo.toml", "lib = 5\n", NO_MANIFEST + "lib is no table"),
    "target that is a number": ("Cargo.toml", "[target]\nx = 5\n", NO_MANIFEST + "x is no table"),
    "package that is a list": ("Cargo.toml", "package = [{}]\n", NO_MANIFEST + "package is no table"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "data", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_parse_is_told_with_its_file(path: str, data: str | bytes, why: str) -> None:
    assert any(one.startswith(why) for one in told(found({path: data}), path))


def test_bytes_that_are_no_utf_8_do_no_harm_in_a_comment_of_c() -> None:
    """C has been written in every encoding; the bytes stay as they are."""
    source = b"/* \xe9t\xe9 */ int x(void) { return 1; } // \xff\n"
    scanned = scan(*small.one_crate({"src/lib.rs": "", **GOOD, "src/a.c": source}), small.POLICY)
    assert scanned.inventory.blind_spots == ()
    assert small.rewritten(scanned)["crates/runtime/src/a.c"].encode("latin-1").endswith(source)


@pytest.mark.parametrize("path", ["src/lib.rs", "src/a.c", "src/a.S", "Cargo.toml", "build.rs"])
@pytest.mark.parametrize("data", ["", "\n", "\0", "\ufeff", "\\", "'", '"', "/*", "#", "[[", "$"], ids=repr)
def test_a_few_strange_characters_break_nothing(path: str, data: str) -> None:
    found({path: data})


# -- what is too much -------------------------------------------------------------------------------

DEEP = 20_000
NEST = "([{"
CLOSE = "}])"


NESTED = {
    "brackets": ("src/lib.rs", EXPORT + NEST * DEEP + CLOSE * DEEP, DOES_NOT_END),
    "open brackets": ("src/lib.rs", EXPORT + NEST * DEEP, DOES_NOT_END),
    "comments": ("src/lib.rs", EXPORT + "/*" * DEEP, DOES_NOT_END),
    "C": ("src/a.c", f"int x = {'(' * DEEP}1;\n", NO_C),
    "attributes of C": ("src/a.c", f"__attribute__({'(' * DEEP}a\n", "a bracket that does not end"),
    "macro calls of C": ("src/a.c", "#define F(a) a\n" + "F(" * 1_000 + ")" * 1_000, "macros expand without end"),
    "macros of a text": ("src/lib.rs", "macro_rules! t { () => { concat!(t!(), t!()) } } global_asm!(t!());\n",
                         "in global_asm!: the macros of this text call each other without end"),
    "manifest": ("Cargo.toml", f"a = {'[' * DEEP}{']' * DEEP}\n", NO_MANIFEST),
    "build script": ("build.rs", "fn main() { " + "{" * DEEP + "}" * DEEP + " }", DOES_NOT_END),
}  # fmt: skip


@pytest.mark.parametrize(("path", "data", "why"), NESTED.values(), ids=NESTED.keys())
def test_what_nests_too_deep_is_told(path: str, data: str, why: str) -> None:
    assert any(one.startswith(why) for one in told(found({path: data}), path))


def test_conditions_may_nest_and_follow_each_other_as_they_like() -> None:
    deep = "#if A\n" * 3_000 + "int x;\n" + "#endif\n" * 3_000
    long = "#if A\nint y0;\n" + "".join(f"#elif A{n}\nint y{n};\n" for n in range(1, 3_000)) + "#endif\n"
    inventory = found({"src/a.c": deep + long})
    assert inventory.blind_spots == ()
    assert len(small.own(inventory)) == 3_003


def test_headers_that_include_each_other_too_deep_are_told() -> None:
    headers = {f"src/h{n}.h": f'#include "h{n + 1}.h"\n' for n in range(300)}
    inventory = found({"src/a.c": '#include "h0.h"\n', **headers, "src/h300.h": "int x;\n"})
    assert any("files that include each other too deep" in spot.why for spot in inventory.blind_spots)


LARGE = 50_000_000
LINES = {
    "src/lib.rs": EXPORT,
    "src/data.rs": "pub const X: [u8; 4] = [1, 2, 3, 4]; // a table\n",
    "src/a.c": "int x(void) { return 1; }\n",
    "src/a.S": ".globl x\nx: ret\n",
    "build.rs": "fn main() {}\n",
    "Cargo.toml": "# a comment\n",
}


@pytest.mark.parametrize("path", LINES)
def test_fifty_megabytes_of_generated_source_are_told_and_not_read(path: str) -> None:
    data = LINES[path].encode()
    data *= LARGE // len(data)
    tracemalloc.start()
    started = time.monotonic()
    inventory = found({path: data})
    seconds, (_, most) = time.monotonic() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (why,) = [why for why in told(inventory, path) if "MB" in why]
    assert f"larger than {MAX_SIZE // 1_000_000} MB" in why
    assert seconds < 5
    assert most < 2 * LARGE


def many(count: int) -> dict[str, dict[str, str]]:
    """Return this many names in each of the ways that have one reader each; the script compiles what is there."""
    numbers = range(count)
    exports = "".join(f'#[no_mangle] pub extern "C" fn name_{n}() {{}}\n' for n in numbers)
    labels = "".join(f".globl name_{n}\nname_{n}: ret\n" for n in numbers)
    imports = "".join(f"fn name_{n}();\n" for n in numbers)
    return {
        "exports": {"src/lib.rs": exports},
        "imports": {"src/lib.rs": f'extern "C" {{\n{imports}}}\n', "src/exports.rs": exports},
        "assembler text": {"src/lib.rs": f'core::arch::global_asm!(r#"\n{labels}"#);\n'},
        "C": {"build.rs": BUILD, "src/a.c": "".join(f"int name_{n}(void) {{ return {n}; }}\n" for n in numbers), "src/a.S": ""},
        "assembler": {"build.rs": BUILD, "src/a.S": labels, "src/a.c": ""},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "seconds"),
    [
        pytest.param(300, 10, id="300"),
        pytest.param(10_000, 120, id="10000", marks=[pytest.mark.integration, pytest.mark.timeout(600)]),
    ],
)
@pytest.mark.parametrize("way", many(0))
def test_a_great_many_names_all_get_the_suffix(way: str, count: int, seconds: float) -> None:
    started = time.process_time()
    scanned = scan(*small.one_crate({"src/lib.rs": "", **many(count)[way]}), small.POLICY)
    assert small.own(scanned.inventory) == {f"name_{number}" for number in range(count)}
    after = "".join(small.rewritten(scanned).values())
    assert all(f"name_{number}{small.SUFFIX}" in after for number in (0, 1, count // 2, count - 1))
    assert after.count(str(small.SUFFIX)) >= count
    assert time.process_time() - started < seconds


SLOW = {
    "one line of calls": "!(" * 20_000,
    "one line of comments": "//!(" * 20_000,
    "slashes": "/" * 100_000,
    "spaces": "#" + " " * 100_000,
    "line feeds": "\n" * 100_000 + "!(",
    "attributes without an end": "#[derive(" * 2_000,
    "definitions without a name": "macro_rules /* " * 5_000,
    "imports without an end": "use a " * 10_000,
    "externs": 'extern "' * 10_001,
    "a long string": f'"{"x" * 100_000}{chr(92)}n"',
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_no_text_takes_time_by_its_square(text: str) -> None:
    """Ten times as much may take some twenty times as long, and not a hundred times."""
    times = []
    for size in (1, 10):
        started = time.process_time()
        found({"src/lib.rs": EXPORT + text[: len(text) * size // 10]})
        times.append(time.process_time() - started)
    assert times[1] < 0.5 or times[1] < times[0] * 40


# -- names that are there already -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("src/lib.rs", '#[no_mangle] pub extern "C" fn f_8_0_1_pb() {}\n'),
        ("src/lib.rs", "// f_8_0_1_pb\n"),
        ("src/lib.rs", '#[export_name = "f_8_0_1_pb"] pub extern "C" fn f() {}\n'),
        ("src/a.c", "int in_c_8_0_1_pb(void) { return 1; }\n"),
        ("src/a.c", "#define in_c in_c_8_0_1_pb\nint in_c(void) { return 1; }\n"),
        ("src/a.S", ".globl in_s_8_0_1_pb\nin_s_8_0_1_pb: ret\n"),
        ("README.md", "see f_8_0_1_pb\n"),
        ("data.bin", b"\xff\x00f_8_0_1_pb"),
    ],
)
def test_a_name_that_is_suffixed_already_is_refused_with_its_line(path: str, data: str | bytes) -> None:
    scanned = scan(*small.one_crate({"src/lib.rs": EXPORT, **GOOD, path: data}), small.POLICY)
    with pytest.raises(RewriteError, match="stands here already") as caught:
        rewrite(scanned, small.POLICY, small.NAMES)
    assert caught.value.where == f"crates/runtime/{path}:1"
    assert "another mark" in str(caught.value.hint)


# -- what is left empty ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('core::arch::global_asm!(concat!("a:",,"b:"));', "in global_asm!: an argument is missing"),
        ('#[export_name = concat!("a",,"b")] fn f() {}', "#[export_name]: an argument is missing"),
        ("#[export_name = ] fn f() {}", "#[export_name] has no value"),
        ("#[export_name] fn f() {}", "#[export_name] has no value"),
        ('extern "C" { #[link_name = ] fn f(); }', "#[link_name] has no value"),
        ("#[export_name = ()] fn f() {}", "#[export_name]: this is no string that can be read here"),
        (
            "macro_rules! n { () => {} } #[export_name = n!()] fn f() {}",
            "#[export_name]: n! cannot be followed",
        ),
        (
            "macro_rules! n { () => {} } core::arch::global_asm!(n!());",
            "in global_asm!: n! cannot be followed",
        ),
    ],
)
def test_a_place_that_is_left_empty_is_told(source: str, why: str) -> None:
    assert why in told(found({"src/lib.rs": source}), "src/lib.rs")
