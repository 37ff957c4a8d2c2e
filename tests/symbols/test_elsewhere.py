from __future__ import annotations

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.symbols.scan import scan

INCLUDES = 'include!(concat!(env!("OUT_DIR"), "/x.rs"));'


def told(files: small.Sources) -> list[tuple[str, str]]:
    """Return the blind spots of a crate with these files: (path in the crate, why)."""
    found = scan(*small.one_crate({"src/lib.rs": "", **files}), small.POLICY).inventory.blind_spots
    return [(spot.path.removeprefix("crates/runtime/"), spot.why) for spot in found]


@pytest.mark.parametrize(
    "files",
    [
        {"src/lib.rs": 'include!("x.rs");', "src/x.rs": ""},
        {"src/lib.rs": 'include!(concat!("inner", "/x.rs"));', "src/inner/x.rs": ""},
        {"src/lib.rs": "mod a;", "src/a.rs": 'include!("../generated/x.rs");', "generated/x.rs": ""},
        {"src/lib.rs": 'macro_rules! m { () => { include!("x.rs"); } } m!();', "src/x.rs": ""},
        {"src/lib.rs": INCLUDES, "build.rs": 'fn main() { let d = std::env::var_os("OUT_DIR"); }'},
        {
            "src/lib.rs": 'include!(env!("MADE"));',
            "build.rs": 'fn main() { println!("cargo:rustc-env=MADE={}", path); }',
        },
        {"src/lib.rs": '#[path = "x/y.rs"] mod a;', "src/x/y.rs": ""},
        {"src/lib.rs": 'mod b { #[path = "y.rs"] mod a; }', "src/b/y.rs": ""},
    ],
)
def test_files_that_are_read_are_no_doubt(files: small.Sources) -> None:
    assert told(files) == []


@pytest.mark.parametrize(
    ("lib", "build", "why"),
    [
        ('include!("x.inc");', None, "includes x.inc, which is not read"),
        ('include!("/etc/x.rs");', None, "includes /etc/x.rs, which is not read"),
        (INCLUDES, None, "includes a file that cannot be known"),
        ('include!(env!("OTHER"));', "fn main() {}", "includes a file that cannot be known"),
        (
            INCLUDES,
            'fn main() { Command::new("python3").status(); }',
            'includes a file, and the build script runs "python3"',
        ),
        ('#[path = "x.inc"] mod a;', None, "the module a is in a file that is not read"),
        ('#[path = "../../other/x.rs"] mod a;', None, "the module a is in a file that is not read"),
    ],
)
def test_files_that_are_not_read_are_a_doubt(lib: str, build: str | None, why: str) -> None:
    files = {"src/lib.rs": lib, "src/x.inc": "", **({} if build is None else {"build.rs": build})}
    assert ("src/lib.rs", why) in told(files)


def test_code_that_a_generator_writes_in_strings_is_a_doubt_and_its_documentation_is_not() -> None:
    maker = Crate("maker", "crates/maker", {"src/lib.rs": 'fn f() -> &str { "#[no_mangle] fn x() {}" }'}, [])
    needs = {"name": "maker", "req": "1", "kind": "build"}
    user = Crate("user", "crates/user", {"src/lib.rs": "", "build.rs": "fn main() {}"}, [needs])
    alone = Crate("user", "crates/user", user.files, [])
    spots = scan(*small.release([maker, user]), small.POLICY).inventory.blind_spots
    assert [(s.path, s.why) for s in spots] == [
        ("crates/maker/src/lib.rs", "writes code that makes a link-time name")
    ]
    assert scan(*small.release([maker, alone]), small.POLICY).inventory.blind_spots == ()
    documented = '//! #[no_mangle]\n#![doc = "#[no_mangle]"]\n/// global_asm\nfn f() {}'
    harmless = Crate("maker", "crates/maker", {"src/lib.rs": documented}, [])
    assert scan(*small.release([harmless, user]), small.POLICY).inventory.blind_spots == ()


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ('[lib]\npath = "native.txt"\n', "the library native.txt is not read"),
        ('[build-dependencies]\ncmake = "1"\n', "the build script can use cmake, which is not known"),
        ('[build-dependencies]\ncc = {package = "other-cc"}\n', "the build script can use other-cc, which"),
        ("[target.x.build-dependencies]\nbindgen = {}\n", "the build script can use bindgen, which"),
    ],
)
def test_what_manifests_say_and_nobody_follows_is_a_doubt(rest: str, why: str) -> None:
    crate = Crate("a", "crates/a", {"src/lib.rs": ""}, [], rest=rest)
    (spot,) = scan(*small.release([crate]), small.POLICY).inventory.blind_spots
    assert spot.path == "crates/a/Cargo.toml"
    assert spot.why.startswith(why)


@pytest.mark.parametrize("package", ['build = "gone.rs"\n', 'links = "other"\n', 'build = ["a.rs"]\n'])
def test_a_manifest_that_the_release_contradicts_is_a_doubt(package: str) -> None:
    crate = Crate("a", "crates/a", {"src/lib.rs": ""}, [], package=package)
    (spot,) = scan(*small.release([crate]), small.POLICY).inventory.blind_spots
    assert spot.path == "crates/a/Cargo.toml"
