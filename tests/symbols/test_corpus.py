from __future__ import annotations

import re

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.symbols.corpus import Corpus
from patchbot.symbols.crates import MAX_SIZE, Unread
from patchbot.symbols.readings import Readings
from patchbot.symbols.rust.tokens import Span

LIB = "crates/runtime/src/lib.rs"


def two_crates(first: dict[str, str], second: dict[str, str], *, proc_macro: bool = False) -> Corpus:
    """Return a corpus of the crates ``a`` and ``b``, in ``crates/a`` and ``crates/a/b``."""
    rest = "[lib]\nproc-macro = true\n" if proc_macro else ""
    crates = [Crate("a", "crates/a", first, []), Crate("b", "crates/a/b", second, [], rest=rest)]
    return Corpus(*small.release(crates))


# -- whose is a file --------------------------------------------------------------------------------


def test_files_belong_to_the_deepest_crate_that_holds_them() -> None:
    corpus = two_crates({"src/lib.rs": "", "bin/x.rs": ""}, {"src/lib.rs": ""})
    assert corpus.by_crate == {
        "a": ["crates/a/Cargo.toml", "crates/a/bin/x.rs", "crates/a/src/lib.rs"],
        "b": ["crates/a/b/Cargo.toml", "crates/a/b/src/lib.rs"],
    }
    assert corpus.crate_of["crates/a/b/src/lib.rs"] == "b"


@pytest.mark.parametrize("folder", ["tests", "benches", "examples", "fuzz"])
def test_what_cargo_builds_only_for_tests_belongs_to_no_crate(folder: str) -> None:
    corpus = small.corpus({f"{folder}/a.rs": "", f"src/{folder}/b.rs": "", f"{folder}.rs": ""})
    assert set(corpus.crate_of) == {
        "crates/runtime/Cargo.toml", f"crates/runtime/src/{folder}/b.rs", f"crates/runtime/{folder}.rs",
    }  # fmt: skip


def test_files_outside_of_all_crates_belong_to_none() -> None:
    imported, files = small.one_crate({"src/lib.rs": ""})
    corpus = Corpus(imported, {**files, "crates/other/src/lib.rs": b"", "crates/runtime-more/lib.rs": b""})
    assert set(corpus.crate_of) == {"crates/runtime/Cargo.toml", LIB}


def test_rust_files_are_those_that_are_compiled_into_crates() -> None:
    files = {"src/lib.rs": "", "build.rs": "", "src/build.rs": "", "src/a.c": "", "tests/x.rs": ""}
    corpus = two_crates(files, {"src/lib.rs": ""}, proc_macro=True)
    assert corpus.rust == ("crates/a/src/build.rs", "crates/a/src/lib.rs")
    assert [pin.name for pin in corpus.proc_macro_crates] == ["b"]


@pytest.mark.parametrize(
    ("package", "files", "expected"),
    [
        ("", {"build.rs": ""}, "crates/a/build.rs"),
        ("", {}, None),
        ('build = "make.rs"\n', {"build.rs": "", "make.rs": ""}, "crates/a/make.rs"),
        ('build = "./native/make.rs"\n', {"native/make.rs": ""}, "crates/a/native/make.rs"),
        ("build = false\n", {"build.rs": ""}, None),
        ("build = true\n", {"build.rs": ""}, "crates/a/build.rs"),
        ('build = "gone.rs"\n', {"build.rs": ""}, None),
    ],
)
def test_the_manifest_says_where_the_build_script_is(
    package: str, files: dict[str, str], expected: str | None
) -> None:
    corpus = Corpus(*small.release([Crate("a", "crates/a", files, [], package=package)]))
    assert corpus.build_script(corpus.release.crates[0]) == expected
    assert set(corpus.rust) == {f"crates/a/{path}" for path in files} - {expected}


def test_the_manifest_says_where_the_library_is() -> None:
    plain = Corpus(*small.release([Crate("a", "crates/a", {}, [])]))
    moved = Corpus(*small.release([Crate("a", "crates/a", {}, [], rest='[lib]\npath = "../a/x.rs"\n')]))
    assert plain.library(plain.release.crates[0]) == "crates/a/src/lib.rs"
    assert moved.library(moved.release.crates[0]) == "crates/a/x.rs"


def test_modules_beside_the_library_are_built_whatever_their_folder_is_called() -> None:
    lib = '[lib]\npath = "examples/lib.rs"\n'
    files = {"examples/lib.rs": "", "examples/a.rs": "", "tests/b.rs": ""}
    corpus = Corpus(*small.release([Crate("a", "crates/a", files, [], rest=lib)]))
    assert corpus.rust == ("crates/a/examples/a.rs", "crates/a/examples/lib.rs")


def test_generators_are_proc_macros_and_build_dependencies_and_what_those_use() -> None:
    def needs(name: str, kind: str = "normal") -> list[dict[str, str]]:
        return [{"name": name, "req": "1", "kind": kind}]

    crates = [
        Crate("user", "crates/user", {"src/lib.rs": "", "build.rs": ""}, needs("maker", "build")),
        Crate("maker", "crates/maker", {"src/lib.rs": ""}, needs("deep")),
        Crate("deep", "crates/deep", {"src/lib.rs": ""}, needs("third-party")),
        Crate("other", "crates/other", {"src/lib.rs": ""}, []),
        Crate("macros", "crates/macros", {"src/lib.rs": ""}, [], rest="[lib]\nproc-macro = true\n"),
    ]
    corpus = Corpus(*small.release(crates))
    assert corpus.generators == {"maker", "deep", "macros"}
    assert corpus.elsewhere("deep") == {"third_party"}
    assert corpus.elsewhere("maker") == frozenset()


# -- what cannot be read ----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"[package\n", b'name = "\xff"\n', None])
def test_a_manifest_that_cannot_be_read_is_reported_once(data: bytes | None) -> None:
    imported, files = small.one_crate({"src/lib.rs": ""})
    files.pop("crates/runtime/Cargo.toml")
    corpus = Corpus(imported, files if data is None else {**files, "crates/runtime/Cargo.toml": data})
    assert corpus.proc_macro_crates == ()
    assert corpus.build_script(imported.crates[0]) is None
    (unread,) = corpus.unread
    assert (unread.path, unread.offset) == ("crates/runtime/Cargo.toml", 0)
    assert unread.why.startswith("the manifest cannot be read: ")
    assert corpus.line("crates/runtime/Cargo.toml", 0) == 1


def test_a_file_with_brackets_that_do_not_match_has_no_tokens_and_is_reported_once() -> None:
    corpus = small.corpus({"src/lib.rs": "fn f( {"})
    assert corpus.trees(LIB) == corpus.trees(LIB) == ()
    assert corpus.facts(LIB).items == []
    assert corpus.unread == [Unread(LIB, 6, "brackets, a string or a comment do not end, or nest too deep")]


@pytest.mark.parametrize("path", ["src/lib.rs", "src/other.rs", "build.rs"])
def test_rust_that_no_compiler_takes_is_reported_once(path: str) -> None:
    corpus = small.corpus({"src/lib.rs": "", path: b"// \xff\n"})
    corpus.check_rust()
    corpus.check_rust()
    assert corpus.unread == [Unread(f"crates/runtime/{path}", 3, "is not UTF-8, so no compiler takes it")]


@pytest.mark.parametrize("path", ["src/lib.rs", "src/other.rs", "build.rs", "src/a.c", "Cargo.toml"])
def test_a_huge_file_is_empty_to_all_and_reported_where_it_matters(path: str) -> None:
    corpus = small.corpus({path: b" " * (MAX_SIZE + 1), "notes.txt": b" " * (MAX_SIZE + 1)})
    full = f"crates/runtime/{path}"
    assert corpus.files[full] == b""
    assert corpus.text(full) == ""
    corpus.check_rust()
    corpus.manifest(corpus.release.crates[0])
    assert {unread.path for unread in corpus.unread} == {full}
    assert all("larger than 4 MB, and not read" in unread.why for unread in corpus.unread)


def test_a_file_as_large_as_can_be_is_read() -> None:
    corpus = small.corpus({"src/a.c": b" " * MAX_SIZE})
    assert len(corpus.text("crates/runtime/src/a.c") or "") == MAX_SIZE
    assert corpus.unread == []


def test_a_file_that_is_not_there_has_no_text() -> None:
    corpus = small.corpus({})
    assert corpus.text("crates/runtime/src/gone.rs") is None
    assert corpus.trees("crates/runtime/src/gone.rs") == ()


def test_text_has_one_character_per_byte() -> None:
    assert small.corpus({"src/lib.rs": b"\xff\xc3\xa9"}).text(LIB) == "\xff\xc3\xa9"


# -- places and words -------------------------------------------------------------------------------


def test_lines_count_from_one_by_line_feeds() -> None:
    corpus = small.corpus({"src/lib.rs": "a\r\nb\n\nc\x0cd\x85e"})
    assert [corpus.line(LIB, offset) for offset in (0, 2, 3, 4, 5, 6, 10)] == [1, 1, 2, 2, 3, 4, 4]
    assert corpus.line_of(Span(LIB, 3, 4)) == 2


def test_files_are_found_by_word() -> None:
    corpus = small.corpus(
        {"src/a.rs": "foo", "src/b.rs": "foo_bar xbar", "src/c.rs": "bar!(x)", "src/d.c": "foo"}
    )
    assert [path.rpartition("/")[2] for path in corpus.with_word({"foo", "bar"})] == ["a.rs", "c.rs"]
    assert list(corpus.with_word(set())) == []
    assert [path.rpartition("/")[2] for path in corpus.with_word({"r#foo"})] == ["a.rs"]
    assert [path.rpartition("/")[2] for path in corpus.with_word({"!(x"})] == ["c.rs"]
    assert [path.rpartition("/")[2] for path in corpus.matching(re.compile(rb"o_b"), [b"_"])] == ["b.rs"]


# -- macros -----------------------------------------------------------------------------------------

DEFINITION = "macro_rules! m {{ () => {{ {} }} }}"


def defined_in(corpus: Corpus, near: str) -> list[str]:
    return [macro.place.path for macro in corpus.macros("m", near)]


def test_a_macro_of_the_same_file_hides_the_others() -> None:
    here, there = DEFINITION.format("1"), DEFINITION.format("2")
    corpus = two_crates(
        {"src/lib.rs": here, "src/x.rs": there, "src/y.rs": ""}, {"src/lib.rs": there, "src/z.rs": ""}
    )
    assert defined_in(corpus, "crates/a/src/lib.rs") == ["crates/a/src/lib.rs"]
    assert defined_in(corpus, "crates/a/src/y.rs") == ["crates/a/src/lib.rs", "crates/a/src/x.rs"]
    assert defined_in(corpus, "crates/a/b/src/z.rs") == ["crates/a/b/src/lib.rs"]


def test_a_macro_of_another_crate_is_found() -> None:
    corpus = two_crates({"src/lib.rs": DEFINITION.format("1")}, {"src/lib.rs": ""})
    assert defined_in(corpus, "crates/a/b/src/lib.rs") == ["crates/a/src/lib.rs"]
    assert corpus.macros("unknown", "crates/a/b/src/lib.rs") == []


def test_a_path_or_an_import_says_that_a_nearer_macro_is_not_meant() -> None:
    here, there = DEFINITION.format("1"), DEFINITION.format("2")
    corpus = two_crates(
        {"src/lib.rs": here, "src/x.rs": "", "src/y.rs": f"use b::m; {here}"}, {"src/lib.rs": there}
    )
    first, second = ["crates/a/src/lib.rs", "crates/a/src/y.rs"], ["crates/a/b/src/lib.rs"]

    def found(near: str, *path: str) -> set[str]:
        return {macro.place.path for macro in corpus.macros("m", near, path)}

    assert found("crates/a/src/x.rs") == {*first}
    assert found("crates/a/src/y.rs") == found("crates/a/src/x.rs", "b") == {*first, *second}
    assert found("crates/a/src/x.rs", "crate") == found("crates/a/src/x.rs", "$crate") == {*first}
    assert found("crates/a/src/x.rs", "std") == set()


def test_every_definition_in_a_file_counts() -> None:
    corpus = small.corpus(
        {"src/lib.rs": f"#[cfg(a)] {DEFINITION.format(1)} #[cfg(b)] {DEFINITION.format(2)}"}
    )
    assert [macro.cfgs for macro in corpus.macros("m", LIB)] == [("a",), ("b",)]


# -- reading twice ----------------------------------------------------------------------------------


def test_what_did_not_change_is_not_read_again() -> None:
    before = small.corpus({"src/lib.rs": "fn f() {}", "src/a.rs": "fn g() {}"})
    after = Corpus(before.release, {**before.files, LIB: b"fn h() {}"}, before.readings)
    same = "crates/runtime/src/a.rs"
    assert after.trees(same) is before.trees(same)
    assert after.facts(same) is before.facts(same)
    assert after.trees(LIB) != before.trees(LIB)


def test_the_same_text_in_two_places_is_read_for_each() -> None:
    text = "#[no_mangle] fn f() {}"
    corpus = small.corpus({"src/lib.rs": text, "src/a.rs": text})
    paths = [LIB, "crates/runtime/src/a.rs"]
    assert [corpus.facts(path).items[0].head.path for path in paths] == paths
    assert [corpus.quoted(path) for path in paths] == [frozenset(), frozenset()]


def test_a_build_script_is_read_for_the_features_of_its_crate() -> None:
    script = (
        'fn main() { if env::var("CARGO_FEATURE_ON").is_ok() { cc::Build::new().file("a.c").compile("a"); } }'
    )
    read = []
    readings = Readings()
    for features in ("", "[features]\non = []\n"):
        crate = Crate("a", "crates/a", {"src/lib.rs": "", "build.rs": script}, [], rest=features)
        release, files = small.release([crate])
        corpus = Corpus(release, files, readings)
        read.append(corpus.build_facts(release.crates[0], "crates/a/build.rs"))
    assert read[0] != read[1]


def test_a_file_too_large_to_be_read_is_no_empty_one() -> None:
    empty = small.corpus({"src/lib.rs": "", "src/a.rs": ""})
    huge = small.corpus({"src/lib.rs": "", "src/a.rs": " " * (MAX_SIZE + 1)})
    assert huge.files == empty.files
    assert huge.identity != empty.identity


def test_a_view_has_fewer_macros_and_knows_which_were_asked_for() -> None:
    source = "macro_rules! a { () => {} } macro_rules! b { () => {} }"
    whole = small.corpus({"src/lib.rs": source})
    view = whole.only(lambda macro: macro.name == "b")
    assert [macro.name for macro in view.macros("b", "crates/runtime/src/lib.rs")] == ["b"]
    assert view.macros("a", "crates/runtime/src/lib.rs") == []
    assert [macro.name for macro in view.used.values()] == ["b"]
    assert [macro.name for macro in whole.macros("a", "crates/runtime/src/lib.rs")] == ["a"]
    assert [macro.name for macro in whole.used.values()] == ["a"]


def test_a_c_file_is_preprocessed_again_when_what_it_includes_has_changed() -> None:
    c, h = "crates/runtime/src/a.c", "crates/runtime/src/a.h"
    before = small.corpus({"src/a.c": '#include "a.h"\nint x;', "src/a.h": "int y;"})
    same = Corpus(before.release, before.files, before.readings)
    after = Corpus(before.release, {**before.files, h: b"int z;"}, before.readings)
    assert same.preprocessed(c, {}) is before.preprocessed(c, {})
    assert [text.text for text in after.preprocessed(c, {}).variants] == ["int z;int x;"]
    assert [text.text for text in after.preprocessed(c, {"z": "w"}).variants] == ["int w;int x;"]
