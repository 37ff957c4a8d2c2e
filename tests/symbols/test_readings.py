from __future__ import annotations

import re

import pytest
from symbols import small

from patchbot.symbols.readings import Readings
from patchbot.symbols.scan import scan


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
