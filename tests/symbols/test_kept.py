from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.symbols import kept
from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import Span, Token, TokenKind, read_trees

parts = st.recursive(
    st.text(max_size=3) | st.binary(max_size=3) | st.integers(0, 2) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
keys = st.lists(parts, max_size=3).map(tuple)


@small.quick
@given(one=keys, other=keys)
def test_keys_share_a_digest_only_if_they_are_spelled_alike(one: kept.Key, other: kept.Key) -> None:
    assert (kept.digest(one) == kept.digest(other)) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("ab",)),
        (("a", "b"), (("a", "b"),)),
        (("a", ("b",)), (("a",), "b")),
        (("1",), (1,)),
        ((1,), (True,)),
        (("None",), (None,)),
        (("a",), (b"a",)),
        ((b"ab", b""), (b"a", b"b")),
        (("s1:a",), ("a", "")),
    ],
)
def test_what_only_looks_alike_has_another_digest(one: kept.Key, other: kept.Key) -> None:
    assert kept.digest(one) != kept.digest(other)


@pytest.mark.parametrize("part", [["a"], {"a"}, 1.5, Span("a", 0, 1), TokenKind.IDENT])
def test_a_key_of_other_things_is_refused(part: object) -> None:
    with pytest.raises(TypeError, match="in a key"):
        kept.digest(("what", part))  # type: ignore[arg-type]


SOURCE = '#[cfg_attr(unix, no_mangle)] fn f() { asm!("a"); m!(#[x] y) } macro_rules! m { ($a:tt) => { $a } }'


@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        3,
        "a",
        b"\xff",
        frozenset({b"a", b"b"}),
        [1, (2, "x")],
        {"a": {1}},
        read_trees(SOURCE, "a.rs"),
    ],
)
def test_a_value_comes_back(value: object) -> None:
    found = kept.decode(kept.encode(value, b"name"), b"name")
    assert found is not None
    assert (found.value, type(found.value)) == (value, type(value))


def test_a_reading_comes_back_with_what_is_one_object_in_it() -> None:
    facts = read(read_trees(SOURCE, "a.rs"))
    found = kept.decode(kept.encode([facts, facts.items], b"name"), b"name")
    assert found is not None
    again, items = found.value
    assert isinstance(again, Facts)
    assert again == facts
    assert again.items is items


def test_a_value_under_another_name_is_none() -> None:
    assert kept.decode(kept.encode(1, b"name"), b"other") is None


def test_a_value_of_which_a_byte_changed_is_none() -> None:
    whole = kept.encode(("value", 7), b"name")
    for at in range(len(whole)):
        changed = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
        assert kept.decode(changed, b"name") is None
        assert kept.decode(whole[:at], b"name") is None


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 + 1",)


@pytest.mark.parametrize("value", [Evil(), print, kept.decode, pickle.loads, Path("a")])
def test_nothing_that_runs_comes_from_a_shelf(value: object) -> None:
    assert kept.decode(kept.encode(value, b"name"), b"name") is None


def test_a_token_keeps_its_kind() -> None:
    token = Token(TokenKind.STRING, '"a"', Span("a.rs", 1, 4))
    found = kept.decode(kept.encode(token, b""), b"")
    assert found is not None
    assert found.value.kind is TokenKind.STRING
