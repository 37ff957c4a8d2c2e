from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.upstream import Crate
from symbols import small

from patchbot.errors import RewriteError
from patchbot.model import AllowedBlindSpot, ImportedRelease, NamePolicy, Names
from patchbot.symbols import kept, rules
from patchbot.symbols import rewrite as rewrites
from patchbot.symbols.edits import Edit
from patchbot.symbols.readings import Readings
from patchbot.symbols.scan import Scan, scan, scan_suffixed


class Counting:
    def __init__(self, *results: object) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self) -> object:
        self.calls += 1
        result = self.results[min(self.calls, len(self.results)) - 1]
        if isinstance(result, Exception):
            raise result
        return result


def test_a_result_is_made_once() -> None:
    readings, make = Readings(), Counting("first", "second")
    assert [readings.recall(("a", b"x"), make) for _ in range(3)] == ["first"] * 3
    assert readings.recall(("a", b"y"), make) == "second"
    assert make.calls == 2


def test_none_is_a_result_too() -> None:
    readings, make = Readings(), Counting(None)
    assert [readings.recall("key", make) for _ in range(2)] == [None, None]
    assert make.calls == 1


def test_a_failure_is_not_remembered() -> None:
    readings, make = Readings(), Counting(ValueError("once"), "then")
    with pytest.raises(ValueError, match="once"):
        readings.recall("key", make)
    assert readings.recall("key", make) == "then"


@pytest.mark.parametrize(("turns", "calls"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_what_two_releases_in_a_row_did_not_need_is_forgotten(turns: int, calls: int) -> None:
    readings, make = Readings(), Counting("x")
    readings.recall("key", make)
    for _ in range(turns):
        readings.turn()
    readings.recall("key", make)
    assert make.calls == calls


def test_what_every_release_needs_stays() -> None:
    readings, make = Readings(), Counting("x")
    for _ in range(5):
        readings.recall("key", make)
        readings.turn()
    assert make.calls == 1


def test_parts_are_told_by_identity_and_kept() -> None:
    readings, make = Readings(), Counting("a", "b")
    assert readings.recall_of("size", ((1, 2, 3),), make) == "a"
    # were the first parts not kept, equal ones could be made where they stood
    assert readings.recall_of("size", (tuple([1, 2, 3]),), make) == "b"  # noqa: C409 - another object
    same = (4, 5)
    assert readings.recall_of("size", (same,), make) == readings.recall_of("size", (same,), make)
    assert readings.recall_of("size", (same,), make, "more") == "b"
    assert make.calls == 4


def test_a_pattern_is_looked_for_only_where_a_needle_is() -> None:
    readings = Readings()
    assert readings.found(re.compile(rb"a+"), [b"a"], b"xaa")
    assert not readings.found(re.compile(rb"a+b"), [b"a"], b"xaa")
    assert not readings.found(re.compile(rb"a+"), [b"b"], b"caa")


class Drawer:
    """A shelf in memory."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.new: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.new.get(key, self.kept.get(key))

    def put(self, key: bytes, value: bytes) -> None:
        self.new[key] = value

    def save(self) -> None:
        self.kept |= self.new
        self.new.clear()


def test_what_is_kept_is_made_once_for_all_processes() -> None:
    drawer, make = Drawer(), Counting(None, "again")
    assert [Readings(drawer).keep(("a", b"x"), make) for _ in range(3)] == [None] * 3
    assert Readings(drawer).keep(("a", b"y"), make) == "again"
    assert Readings().keep(("a", b"x"), make) == "again"
    assert make.calls == 3


def test_a_failure_is_not_kept() -> None:
    drawer, make = Drawer(), Counting(ValueError("once"), "then")
    with pytest.raises(ValueError, match="once"):
        Readings(drawer).keep(("key",), make)
    assert Readings(drawer).keep(("key",), make) == "then"


def test_what_is_damaged_on_the_shelf_is_made_again() -> None:
    drawer, make = Drawer(), Counting("first", "second")
    Readings(drawer).keep(("key",), make)
    drawer.new = {key: value[:-1] for key, value in drawer.new.items()}
    assert [Readings(drawer).keep(("key",), make) for _ in range(2)] == ["second"] * 2


def test_saving_hands_on_what_was_kept() -> None:
    drawer = Drawer()
    readings = Readings(drawer)
    readings.keep(("key",), Counting("value"))
    assert drawer.kept == {}
    readings.save()
    assert len(drawer.kept) == 1
    Readings().save()


def test_releases_that_share_readings_scan_as_each_does_alone() -> None:
    readings = Readings()
    sources = {
        "8.0.0": {"crates/runtime/src/lib.rs": "#[no_mangle] fn f() {} mod a;"},
        "8.0.1": {"crates/runtime/src/lib.rs": "#[no_mangle] fn f() {} mod a; #[no_mangle] fn g() {}"},
        "9.0.0": {},
    }
    for version, change in sources.items():
        imported, files = small.upstream(version, change=change)
        readings.turn()
        shared = scan(imported, files, small.POLICY, readings)
        alone = scan(imported, files, small.POLICY)
        assert shared.inventory == alone.inventory
        assert small.rewritten(shared) == small.rewritten(alone)


def test_a_release_that_was_read_before_is_scanned_as_the_first_time() -> None:
    drawer = Drawer()
    imported, files = small.upstream()
    first = outcome(imported, files, Readings(drawer))
    collected = {key for key, value in drawer.new.items() if isinstance(kept.decode(value, key), kept.Found)}
    assert collected == drawer.new.keys()
    # only what is kept of the two whole releases is left: upstream's, and the rewritten one
    whole = {key: value for key, value in drawer.new.items() if b"Collected" in zlib.decompress(value[16:])}
    assert len(whole) == 2
    drawer.new = whole
    assert outcome(imported, files, Readings(drawer)) == first


def test_the_same_files_in_fewer_crates_are_another_release() -> None:
    source = {"src/lib.rs": "#[no_mangle] fn %s() {}"}
    crates = [
        Crate(name, f"crates/{name}", {path: text % name for path, text in source.items()}, [])
        for name in ("one", "two")
    ]
    imported, files = small.release(crates)
    alone = replace(imported, crates=imported.crates[:1])
    readings = Readings()
    names = [small.own(scan(of, files, small.POLICY, readings).inventory) for of in (imported, alone)]
    assert names == [{"one", "two"}, {"one"}]


def test_the_same_files_with_another_suffix_have_other_names() -> None:
    imported, files = small.one_crate({"src/lib.rs": f"#[no_mangle] fn f{small.SUFFIX}() {{}}"})
    readings = Readings()
    found = [
        scan(imported, files, small.POLICY, readings),
        scan_suffixed(imported, files, small.POLICY, small.SUFFIX, readings),
    ]
    assert [small.own(one.inventory) for one in found] == [{f"f{small.SUFFIX}"}, {"f"}]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The rewrites that were checked, one after the other."""
    done: list[object] = []
    check = rewrites._check

    def counted(scanned: Scan, after: Mapping[str, bytes], policy: NamePolicy, names: Names) -> None:
        done.append(after)
        check(scanned, after, policy, names)

    monkeypatch.setattr(rewrites, "_check", counted)
    return done


def again(drawer: Drawer, policy: NamePolicy = small.POLICY, **change: str) -> None:
    """Rewrite the small upstream's release in a process of its own."""
    imported, files = small.upstream(change={f"crates/runtime/src/{k}.rs": v for k, v in change.items()})
    rewrites.rewrite(scan(imported, files, policy, Readings(drawer)), policy, small.NAMES)


def test_a_rewrite_is_checked_once_for_all_processes(checks: list[object]) -> None:
    drawer = Drawer()
    again(drawer)
    again(drawer)
    assert len(checks) == 1


def test_a_rewrite_is_checked_again_beside_another_file_and_under_another_policy(
    checks: list[object],
) -> None:
    drawer = Drawer()
    again(drawer)
    again(drawer, other="fn unused() {}")
    again(drawer, replace(small.POLICY, allowed=(AllowedBlindSpot("a.rs", "nothing", "a reason"),)))
    assert len(checks) == 3
    assert checks == [checks[0]] * 3


def test_what_was_checked_vouches_for_no_other_rewrite(monkeypatch: pytest.MonkeyPatch) -> None:
    drawer = Drawer()
    again(drawer)
    right = rules.edits

    def wrong(scanned: Scan, names: Names) -> dict[str, list[Edit]]:
        return {name: edits[:-1] for name, edits in right(scanned, names).items()}

    monkeypatch.setattr(rules, "edits", wrong)
    with pytest.raises(RewriteError):
        again(drawer)
    with pytest.raises(RewriteError):
        again(drawer)


def test_a_changed_macro_changes_what_another_file_makes_of_it() -> None:
    readings = Readings()
    names = []
    for name in ("one", "two"):
        macros = f'macro_rules! named {{ () => {{ "{name}" }} }}'
        code = 'global_asm!(concat!(named!(), ": .globl ", named!()));'
        imported, files = small.one_crate(
            {"src/lib.rs": "mod a; mod b;", "src/a.rs": macros, "src/b.rs": code}
        )
        readings.turn()
        names.append(small.own(scan(imported, files, small.POLICY, readings).inventory))
    assert names == [{"one"}, {"two"}]


# What the files of two releases can be: each has the same place, and says something else to those beside it.
LIB = 'mod a; mod b; {} extern "C" {{ fn wasmtime_made(); fn free(); }}'
CHOICES: dict[str, tuple[str | bytes, ...]] = {
    "crates/runtime/src/lib.rs": (
        LIB.format(""),
        LIB.format("#[no_mangle] fn f() {}"),
        LIB.format('#[cfg(unix)] #[path = "c.rs"] mod c; // one more line\n'),
        LIB.format("use crate::named as other;"),
        "mod a; fn broken( {",
    ),
    "crates/runtime/src/a.rs": (
        'macro_rules! named { () => { "one" } }',
        'macro_rules! named { () => { "two" } }\nmacro_rules! named { ($x:tt) => { "three" } }',
        "macro_rules! made { ($n:ident) => { #[no_mangle] pub extern fn $n() {} } } made!(g);",
        b'macro_rules! named { () => { "\xff" } }',
        "",
    ),
    "crates/runtime/src/b.rs": (
        'global_asm!(concat!(named!(), ": .globl ", named!()));',
        'made!(g); made!(h); const S: &str = "wasmtime_made";',
        "#[cfg(test)] mod tests { #[no_mangle] fn t() {} } #[unknown] fn u() {}",
        'elsewhere!(#[no_mangle] fn z() {}); const P: &str = "f";',
    ),
    "crates/runtime/src/c.rs": ("#[no_mangle] fn c() {}", '#[export_name = "d"] fn c() {}'),
    "crates/runtime/build.rs": (
        'fn main() { cc::Build::new().file("src/x.c").compile("x"); }',
        'fn main() { cc::Build::new().define("NAME", "other").file("src/x.c").compile("x"); }',
        'fn main() { if cfg!(feature = "on") { cc::Build::new().file("src/x.c").compile("x"); } }',
        "fn main() { }}",
    ),
    "crates/runtime/src/x.c": (
        "void wasmtime_made(void) {}",
        '#include "x.h"\n#define NAME made\nvoid wasmtime_made(void) {}\nvoid NAME(void) {}',
    ),
    "crates/runtime/src/x.h": ("#define EXTRA", "void declared(void);"),
    "crates/macros/src/lib.rs": (
        "#[proc_macro] pub fn nothing(x: TokenStream) -> TokenStream { x }",
        "#[proc_macro] pub fn made(x: TokenStream) -> TokenStream { quote!(#[no_mangle] fn m() {}) }",
        "#[proc_macro] pub fn prints(x: TokenStream) -> TokenStream { quote!(wasmtime_runtime::f()) }",
        "mod helper; #[proc_macro_attribute] pub fn unknown(a: T, x: T) -> T { helper::no_mangle(x) }",
    ),
}  # fmt: skip


def chosen(version: str, picks: tuple[int, ...]) -> tuple[ImportedRelease, dict[str, bytes]]:
    """Return a release of two crates whose files are those of ``CHOICES`` that were picked."""
    crates = [
        Crate("wasmtime-runtime", "crates/runtime", {}, []),
        Crate("macros", "crates/macros", {}, [], rest="[lib]\nproc-macro = true\n"),
    ]
    files = {
        path: texts[pick % len(texts)] for (path, texts), pick in zip(CHOICES.items(), picks, strict=True)
    }
    return small.release(crates, version, files)


def outcome(imported: ImportedRelease, files: dict[str, bytes], readings: Readings | None) -> object:
    """Return everything that a scan and a rewrite say."""
    found = scan(imported, files, small.POLICY, readings)
    try:
        return found.inventory, small.rewritten(found)
    except RewriteError as error:
        return found.inventory, str(error)


picks = st.tuples(*(st.integers(0, len(texts) - 1) for texts in CHOICES.values()))
releases = st.lists(
    st.tuples(st.sampled_from(["8.0.0", "8.0.1", "9.0.0"]), picks, st.booleans()), min_size=2, max_size=4
)


@settings(small.quick, max_examples=25)
@given(releases=releases)
def test_whatever_changes_between_releases_and_processes_each_is_read_as_it_is_alone(
    releases: list[tuple[str, tuple[int, ...], bool]],
) -> None:
    drawer = Drawer()
    readings = Readings(drawer)
    for version, picked, new_process in releases:
        if new_process:
            readings.save()
            readings = Readings(drawer)
        readings.turn()
        shared = outcome(*chosen(version, picked), readings)
        assert shared == outcome(*chosen(version, picked), None)


@pytest.mark.parametrize("path", CHOICES)
def test_each_file_has_a_say_in_what_is_found(path: str) -> None:
    """Were it otherwise, the test above would not see that a key forgets it."""
    at = list(CHOICES).index(path)
    found = []
    for context in ((0,) * len(CHOICES), (2, 2, 0, 0, 0, 1, 0, 0), (0, 0, 1, 0, 0, 1, 1, 2)):
        for pick in range(len(CHOICES[path])):
            changed = (*context[:at], pick, *context[at + 1 :])
            found.append(repr(outcome(*chosen("8.0.1", changed), None)))
    assert len(set(found)) > 1
