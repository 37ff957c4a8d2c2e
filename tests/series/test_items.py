from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.series.lines import Change, applied, split
from patchbot.series.merge import items
from patchbot.series.merge.items import Items
from patchbot.series.merge.outline import outline_of

RUST = b"""\
use std::fmt;

mod inner {
    impl Table {
        fn first(&self) -> u32 {
            1
        }

        fn second(&self) -> u32 {
            2
        }
    }

    impl Other {
        fn first(&self) -> u32 {
            3
        }
    }
}
"""
C = b"""\
#include <x.h>

struct point {
  int x;
};

int first(int a) {
  return a;
}

static int second(void)
{
  return 2;
}
"""


def read(name: str, data: bytes) -> Items:
    outline = outline_of(name)
    assert outline is not None
    return outline.read(data)


def at(found: Items, line: int) -> str:
    """Name the item of a line (from 1)."""
    return items.spoken(found.round(line - 1, line))


def test_a_line_of_rust_is_in_its_function_impl_and_module() -> None:
    found = read("src/lib.rs", RUST)
    assert at(found, 1) == "no item"
    assert at(found, 6).startswith("inner > ")
    assert at(found, 6).endswith("> first")
    assert at(found, 10).endswith("> second")
    assert at(found, 8).count(">") == 1
    assert items.labels(found.round(5, 6)) != items.labels(found.round(15, 16))
    assert found.count(found.round(5, 6)) == 1


def test_a_line_of_c_is_in_its_function() -> None:
    found = read("x.c", C)
    assert at(found, 4) == "point"
    assert at(found, 8).startswith("first")
    assert at(found, 13).startswith("second")
    assert at(read("x.h", C), 1) == "no item"


@pytest.mark.parametrize("name", ["README", "x.js", "x.rs.orig", "rs", ".toml"])
def test_other_files_have_no_items(name: str) -> None:
    assert outline_of(name) is None


TOML = b"""\
[package]
name = "x"

[dependencies]
a = "1"

[[bin]]
name = "b"
"""
YAML = b"""\
on: push
jobs:
  test:
    runs-on: x
    steps:
      - run: one

      - run: two
  lint:
    runs-on: y
"""
PYTHON = b"""\
import x


class A:
    def one(self):
        return 1

    def two(self):
        return 2


def one():
    return 3
"""


@pytest.mark.parametrize(
    ("name", "data", "line", "item"),
    [
        ("Cargo.toml", TOML, 2, "[package]"),
        ("Cargo.toml", TOML, 5, "[dependencies]"),
        ("Cargo.toml", TOML, 8, '[[bin]] name = "b"'),
        ("README.md", b"text\n# one\na\n## two\nb\n", 5, "# one > ## two"),
        ("README.md", b"text\n# one\na\n## two\nb\n", 1, "no item"),
        ("ci.yml", YAML, 1, "no item"),
        ("ci.yml", YAML, 4, "jobs: > test:"),
        ("ci.yml", YAML, 6, "jobs: > test: > steps: > - run: one"),
        ("ci.yml", YAML, 10, "jobs: > lint:"),
        ("x.py", PYTHON, 1, "no item"),
        ("x.py", PYTHON, 6, "class A: > def one(self):"),
        ("x.py", PYTHON, 9, "class A: > def two(self):"),
        ("x.py", PYTHON, 13, "def one():"),
    ],
)
def test_lines_of_other_files_are_in_tables_sections_and_blocks(
    name: str, data: bytes, line: int, item: str
) -> None:
    assert at(read(name, data), line) == item


def test_what_is_put_behind_the_last_line_of_a_table_is_in_it() -> None:
    assert items.spoken(read("Cargo.toml", TOML).round(8, 8)) == '[[bin]] name = "b"'
    assert items.spoken(read("x.rs", RUST).round(20, 20)) == "no item"


def test_attributes_and_comments_before_an_item_are_its_own() -> None:
    data = b"// of nobody\n\n/// Words.\n#[inline]\n// more\nfn one() {}\n\n#[test]\nfn two() {}\n"
    found = read("x.rs", data)
    assert [at(found, line) for line in (1, 3, 4, 5, 6, 8)] == ["no item", "one", "one", "one", "one", "two"]
    assert at(read("x.c", b"int x;\n/* of one */\nint one(void) { return 1; }\n"), 2).startswith("one")


def test_an_insertion_between_two_functions_is_in_neither() -> None:
    found = read("x.rs", RUST)
    assert items.spoken(found.round(7, 7)).count(">") == 1
    assert items.spoken(found.round(5, 5)).endswith("first")


def test_lines_that_only_moved_are_in_their_item() -> None:
    upstream = (Change(0, 0, (b"// a\n", b"// b\n")),)
    ours = b"".join(applied(split(RUST), upstream))
    change = Change(5, 6, (b"            9\n",))
    assert items.moved(read("x.rs", RUST), read("x.rs", ours), change, 7, upstream) is None


def test_lines_that_land_in_a_look_alike_are_told() -> None:
    base = read("x.rs", RUST)
    assert items.moved(base, base, Change(5, 6, ()), 5, ()) is None
    why = items.moved(base, base, Change(5, 6, ()), 15, ())
    assert why is not None
    assert why.startswith("was in inner > ")
    assert "would land in inner > " in why
    outside = items.moved(base, base, Change(5, 6, ()), 0, ())
    assert outside is not None
    assert outside.endswith("would land in no item")


def test_a_renamed_function_is_the_same_one() -> None:
    upstream = (Change(4, 5, (b"        fn primary(&self) -> u32 {\n",)),)
    ours = b"".join(applied(split(RUST), upstream))
    change = Change(5, 6, (b"            9\n",))
    assert items.moved(read("x.rs", RUST), read("x.rs", ours), change, 5, upstream) is None


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 9), st.sampled_from(["x.rs", "x.c", "x.h"]))
def test_any_bytes_have_items_or_none(noise: bytes, line: int, name: str) -> None:
    data = RUST[:60] + noise + C[:60]
    found = read(name, data)
    path = found.round(line, line + 1)
    assert all(item.first <= item.last for item in path)
    assert found.count(path) >= bool(path)


def test_deep_nesting_is_no_bug() -> None:
    assert at(read("x.rs", b"mod a {\n" * 3000 + b"fn x() {}\n" + b"}\n" * 3000), 3001).endswith("x")
