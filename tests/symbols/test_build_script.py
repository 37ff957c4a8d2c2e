from __future__ import annotations

import pytest

from patchbot.symbols import cfg
from patchbot.symbols.build.build_script import BuildFacts, DefineFamily, read
from patchbot.symbols.rust.tokens import read_trees, render


def facts(source: str) -> BuildFacts:
    return read(read_trees(source, "build.rs"))


def compiled(source: str) -> list[tuple[str, str]]:
    return [(file.path, cfg.render(file.cfg)) for file in facts(source).files]


def defines(source: str) -> dict[str, str]:
    return {name: render(define.value) for name, define in facts(source).defines.items()}


def doubts(source: str) -> list[str]:
    return [why for _, why in facts(source).doubts]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("fn main() {}", id="nothing"),
        pytest.param('fn main() { println!("cargo:rerun-if-changed=src/a.c"); }', id="rerun"),
        pytest.param('fn main() { println!("cargo::rustc-env=A=b"); }', id="env"),
        pytest.param('fn main() { let x = file!(); fs::File::open("a.rs"); }', id="other files"),
        pytest.param('fn main() { env::var("CARGO_CFG_TARGET_OS"); env::var("NOT_DEP_X"); }', id="variables"),
        pytest.param('// build.file("a.c") DEP_X_Y\nfn main() {}', id="comment"),
        pytest.param('fn file(x: &str) {} fn main() { file("a"); }', id="a function of that name"),
    ],
)
def test_nothing_of_interest(source: str) -> None:
    assert facts(source) == BuildFacts()


@pytest.mark.parametrize(
    "source",
    [
        'build.file("src/a.c");',
        'cc::Build::new().warnings(false).file("src/a.c").compile("x");',
        'build.file(r"src/a.c");',
        'build.files(["src/a.c"]);',
        'build.files(&["src/a.c"]);',
        'build.files(vec!["src/a.c"].iter());',
        'build.file(Path::new("src/a.c"));',
        'build.object("src/a.c");',
        'cc::Build::file(&mut build, "src/a.c");',
        'build.file::<&str>("src/a.c");',
        'build.file("src/../src/./a.c");',
        'build.file(PathBuf::from("src/a.c").as_ref());',
        'let x = || { { build.file("src/a.c") } };',
        'if build.file("src/a.c").ok() { x(); }',
    ],
)
def test_a_compiled_file_is_found(source: str) -> None:
    assert compiled(f"fn main() {{ {source} }}") == [("src/a.c", "")]
    assert doubts(f"fn main() {{ {source} }}") == []


def test_each_file_that_an_expression_can_be_is_found() -> None:
    source = 'fn main() { b.file(if x { "a.c" } else if y { "b.c" } else { "c.c" }); }'
    assert [file.path for file in facts(source).files] == ["a.c", "b.c", "c.c"]
    assert doubts('fn main() { b.file(if x { "a.c" } else { path() }); }')


def test_several_files_of_one_call_each_have_their_place() -> None:
    source = 'fn main() { build.files(["a.c", "b.S"]); }'
    assert [source[f.place.start : f.place.end] for f in facts(source).files] == ['"a.c"', '"b.S"']


OS = 'let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap();'


@pytest.mark.parametrize(
    ("source", "when"),
    [
        (f'{OS} if os == "windows" {{ b.file("f.c"); }}', 'target_os = "windows"'),
        ('if a { x(); } else { b.file("f.c"); }', "not(opaque(a))"),
        ('if a { x(); } else if c { b.file("f.c"); }', "all(not(opaque(a)), opaque(c))"),
        ('if a { x(); } else if c { y(); } else { b.file("f.c"); }', "all(not(opaque(a)), not(opaque(c)))"),
        ('if a { if b { b.file("f.c"); } }', "all(opaque(a), opaque(b))"),
        ('if a { x(); } if c { b.file("f.c"); }', "opaque(c)"),
        ('#[cfg(unix)] if a { b.file("f.c"); }', "all(unix, opaque(a))"),
        ('#[cfg(unix)] b.file("f.c");', "unix"),
        ('#[cfg(unix)] x(); b.file("f.c");', ""),
        ('if let Ok(x) = var("A") { b.file("f.c"); }', 'opaque(let Ok(x) = var("A"))'),
        ('match a { "x" => { b.file("f.c"); } _ => {} }', "opaque(match a)"),
        ('match a { Ok(s) if s == "x" => { b.file("f.c"); } _ => {} }', "opaque(match a)"),
        ('match a { "x" => { return; } _ => {} } b.file("f.c");', ""),
        ('if !(b.file("f.c").ok()) { x(); }', ""),
        # a branch that returns leaves the rest to the other cases
        ('if a { return; } b.file("f.c");', "not(opaque(a))"),
        ('if a { x(); } else { return; } b.file("f.c");', "opaque(a)"),
        ('if a { b.file("f.c"); } else if c { y(); } else { return; } z();', "opaque(a)"),
        ('if a { if b { return; } } b.file("f.c");', ""),
        ('if a { x(); } else if c { return; } b.file("f.c");', "any(opaque(a), not(opaque(c)))"),
        ('if a { let f = || { return; }; f(); } b.file("f.c");', ""),
    ],
)  # fmt: skip
def test_a_file_is_compiled_under_the_conditions_around_it(source: str, when: str) -> None:
    assert compiled(f"fn main() {{ {source} }}") == [("f.c", when)]


def test_a_helper_function_is_under_the_conditions_of_its_call() -> None:
    source = """
        fn main() { if cfg!(windows) { native(); } }
        #[cfg(feature = "gdb")]
        fn native() { cc::Build::new().file("f.c").compile("x"); }
    """
    assert compiled(source) == [("f.c", 'all(feature = "gdb", windows)')]


def test_a_helper_function_is_not_called_once_its_caller_has_returned() -> None:
    source = """
        fn main() { if !cfg!(feature = "gdb") { return; } native(); }
        fn native() { cc::Build::new().file("f.c").compile("x"); }
    """
    assert compiled(source) == [("f.c", 'feature = "gdb"')]


def test_macros_are_defined_under_the_conditions_around_them() -> None:
    source = """
        fn main() {
            if std::env::var("CARGO_FEATURE_GDB_JIT").is_ok() { b.define("JIT", None); }
            b.define("ALWAYS", "1");
        }
    """
    found = read(read_trees(source, "build.rs"), ["gdb-jit"]).defines
    assert {name: cfg.render(define.cfg) for name, define in found.items()} == {
        "JIT": 'feature = "gdb-jit"',
        "ALWAYS": "",
    }


def test_a_macro_can_be_given_in_several_branches() -> None:
    source = """
        fn main() {
            if cfg!(windows) { b.define("SUFFIX", Some(suffix!())); }
            else if cfg!(target_arch = "s390x") { b.define("SUFFIX", Some(suffix!())); }
        }
    """
    found = facts(source)
    assert cfg.render(found.defines["SUFFIX"].cfg) == 'any(windows, target_arch = "s390x")'
    assert found.doubts == []


@pytest.mark.parametrize(
    "name",
    [
        '&format!("CFG_TARGET_OS_{}", os)',
        '&format!("CFG_TARGET_OS_{os}")',
        'format!("CFG_TARGET_OS_{}", os.as_str())',
    ],
)
def test_a_macro_for_each_value_of_a_variable(name: str) -> None:
    found = facts(f"fn main() {{ {OS} b.define({name}, None); }}")
    assert found.families == [DefineFamily("CFG_TARGET_OS_", "CARGO_CFG_TARGET_OS")]
    assert found.defines == {}
    assert found.doubts == []


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ('println!("cargo:rustc-cfg=x");', {"x": ""}),
        ('if cfg!(unix) { println!("cargo::rustc-cfg=x"); }', {"x": "unix"}),
        (
            'if cfg!(unix) { println!("cargo::rustc-cfg=x"); } if cfg!(miri) { println!("cargo:rustc-cfg=x"); }',
            {"x": "any(unix, miri)"},
        ),
        ('println!("cargo:rustc-check-cfg=cfg(x)");', {}),
        ('custom("y", cfg!(unix));', {"y": "unix"}),
        ('custom(name, cfg!(unix)); other("z", cfg!(unix));', {}),
    ],
)
def test_options_that_the_script_sets_for_its_crate(source: str, options: dict[str, str]) -> None:
    helper = 'fn custom(key: &str, on: bool) { if on { println!("cargo:rustc-cfg={key}"); } }'
    other = "fn other(key: &str, on: bool) {}"
    found = facts(f"fn main() {{ {source} }} {helper} {other}").options
    assert {name: cfg.render(when) for name, when in found.items()} == options


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('b.define("A", None);', {"A": ""}),
        ('b.define("A", "x");', {"A": '"x"'}),
        ('b.define("A", Some("x"));', {"A": '"x"'}),
        ('b.define("A", Some(versioned_suffix!()));', {"A": "versioned_suffix!()"}),
        ('b.define("A", &*x); b.define("B", None);', {"A": "&*x", "B": ""}),
        ('b.define("A",\n Some("x"),\n);', {"A": '"x"'}),
        ('b.define(&format!("OS_{}", os), None);', {}),
        ("b.define();", {}),
    ],
)
def test_macros_for_the_c_compiler(source: str, expected: dict[str, str]) -> None:
    assert defines(f"fn main() {{ {source} }}") == expected


def test_variables_of_links_keys_are_found_with_their_place() -> None:
    source = 'fn main() { let wasi = env::var("DEP_WASI_COMMON_19_WASI").unwrap(); env!("DEP_X"); }'
    found = facts(source).variables
    assert [(v.variable, source[v.place.start : v.place.end]) for v in found] == [
        ("DEP_WASI_COMMON_19_WASI", '"DEP_WASI_COMMON_19_WASI"'),
        ("DEP_X", '"DEP_X"'),
    ]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("b.file(name);", "the build script compiles a file whose name is not written out"),
        ("b.files(sources());", "the build script compiles a file whose name is not written out"),
        ('b.define(&name, "x");', "the build script defines a macro whose name is not written out"),
        (
            'b.define("A", "x"); b.define("A", "y");',
            "the build script gives the macro A another value than before",
        ),
        (
            'b.define("A", "x"); b.define("A", None);',
            "the build script gives the macro A another value than before",
        ),
        ('b.flag("-DA=b");', 'the build script gives the compiler "-DA=b", which is not followed'),
        ('b.flag("-include");', 'the build script gives the compiler "-include", which is not followed'),
        (
            'b.flag("-finclude-x");',
            'the build script gives the compiler "-finclude-x", which is not followed',
        ),
        ("b.flag(x);", "the build script gives the compiler x, which is not followed"),
        (
            'b.flag("-Wall").flag_if_supported(y);',
            "the build script gives the compiler y, which is not followed",
        ),
        ('b.include("include");', 'the build script gives the compiler "include", which is not followed'),
        (
            'let a = "src/a.c"; use_it(a);',
            "the build script names src/a.c, and not in a .file(…) that is read",
        ),
        ('run("cc").arg("a.S");', "the build script names a.S, and not in a .file(…) that is read"),
        (
            "cc::Build::file(&mut b, path());",
            "the build script compiles a file whose name is not written out",
        ),
        (
            "let f = cc::Build::file::<&str>;",
            "the build script compiles a file whose name is not written out",
        ),
        ("b.file::<Vec<u8>>(path());", "the build script compiles a file whose name is not written out"),
        ("b.r#file(path());", "the build script compiles a file whose name is not written out"),
        ("b.objects([a, b]);", "the build script compiles a file whose name is not written out"),
        (
            'b.flag("-Wa,--defsym,x=1");',
            'the build script gives the compiler "-Wa,--defsym,x=1", which is not followed',
        ),
        ('b.flag("-Wp,-Dx=y");', 'the build script gives the compiler "-Wp,-Dx=y", which is not followed'),
        (
            'b.flag("-fleading-underscore");',
            'the build script gives the compiler "-fleading-underscore", which is not followed',
        ),
        ("b.compiler(x);", "the build script calls .compiler(…), which is not followed"),
        ("b.cpp(true);", "the build script calls .cpp(…), which is not followed"),
        ("b.get_compiler();", "the build script calls .get_compiler(…), which is not followed"),
        ('set_var("CFLAGS", x);', 'the build script sets "CFLAGS", x for the programs that it runs'),
        ('println!("\\ncargo:rustc-link-lib=x");', "the build script links what is not read here"),
        (
            'print!("cargo:rerun-if-changed=x\\ncargo:rustc-link-arg=x");',
            "the build script links what is not read here",
        ),
        ('println!("cargo:{}", x);', "the build script tells cargo what cannot be read here"),
        ('f("cargo:rustc-");', "the build script tells cargo what cannot be read here"),
        ('println!("{x}");', "the build script tells cargo what cannot be read here"),
        ("println!(x);", "the build script tells cargo what cannot be read here"),
        ("std::io::stdout().write_all(x);", "the build script tells cargo what cannot be read here"),
        ("f(quote! { #[no_mangle] });", "the build script has or writes code that makes a link-time name"),
        ('extern "C" { fn x(); }', "the build script has or writes code that imports a link-time name"),
        (
            'fs::copy("x", var("OUT_DIR"));',
            "the build script copies or reads a file (copy), and writes others",
        ),
        (
            'write(var("OUT_DIR"), include_str!("x"));',
            "the build script copies or reads a file (include_str), and writes others",
        ),
        ("macro_rules! m { ($n:ident) => { mod $n; } }", "the build script goes on in another file (mod)"),
        ('macro_rules! m { () => { include!("x") } }', "the build script goes on in another file (include!)"),
        ('println!("cargo:rustc-link-lib=static=x");', "the build script links what is not read here"),
        ('println!("cargo:rustc-link-lib=static=m");', "the build script links what is not read here"),
        ('println!("cargo::rustc-link-lib=mine");', "the build script links what is not read here"),
        (
            'println!("cargo::rustc-link-search=native={}", out);',
            "the build script links what is not read here",
        ),
        ('println!("cargo:rustc-cdylib-link-arg=x.o");', "the build script links what is not read here"),
        ('println!("cargo:rustc-flags=-l x");', "the build script links what is not read here"),
        ('include!("more.rs");', "the build script goes on in another file (include!)"),
        ("mod more;", "the build script goes on in another file (mod more)"),
    ],
)
def test_what_is_not_followed_is_a_doubt_at_its_place(source: str, why: str) -> None:
    before = "fn main() { first(); "
    ((place, found),) = facts(f"{before}{source} }}").doubts
    assert found == why
    assert len(before) <= place.start < len(before) + len(source)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('Command::new("cc");', 'the build script runs "cc"'),
        ("Command::new(cc);", "the build script runs cc"),
        ('let cc = var("CC"); Command::new(cc);', "the build script runs cc"),
        ("use std::process::Command as C;", "the build script runs programs by a name that is not followed"),
    ],
)
def test_programs_are_a_doubt_where_something_is_compiled(source: str, why: str) -> None:
    alone = facts(f"fn main() {{ {source} }}")
    assert [found for _, found in alone.programs] == [why]
    assert alone.doubts == []
    assert doubts(f"fn main() {{ {source} cc::Build::new(); }}") == [why]


@pytest.mark.parametrize(
    "source",
    [
        'b.flag("-std=c11").flag("-Wall").flag_if_supported("-O2").flag("-g").flag("-mno-sse").flag("-pedantic");',
        'b.define("A", None).warnings(true).opt_level(2).compile("x");',
        'println!("cargo:rustc-link-lib=m"); println!("cargo::rustc-link-lib=dylib=pthread");',
        'mod inline { fn f() {} } x.to_str("a.cfg"); let s = "abc";',
        'b.cpp(false).flag("-fno-strict-aliasing"); x.stdout; child.stdout(pipe()); y.copy(z);',
        'Command::new("git").arg("x"); let rustc = var("RUSTC").unwrap(); Command::new(rustc); Command::new(var("RUSTC"));',
        'println!("cargo:rustc-cfg=x"); println!("cargo::rustc-check-cfg=cfg(x)"); println!(); eprintln!("{}", x);',
        'println!("cargo:rustc-env=X={}", y); println!("cargo:warning={y}"); println!("cargo:root={}", z);',
        'fs::read_to_string("x"); include_str!("y");',
        'fs::write(var("OUT_DIR"), "fn f() {}"); child.read_to_string(&mut x);',
    ],
)
def test_no_doubt(source: str) -> None:
    assert doubts(f"fn main() {{ {source} }}") == []
