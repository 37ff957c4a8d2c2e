from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbot.series.lines import Change
from patchbot.series.merge.recognise import Seen, count, found, seen

BLOCK = (
    b"fn resolve_the_name(of: &str) -> Option<Name> {\n",
    b"    self.table.get(of).cloned().map(Name::from_the_table)\n",
    b"}\n",
)
BASE = (b"use std::fmt;\n", b"\n", b"struct A;\n", b"struct B;\n")
ADDED = Change(2, 2, BLOCK)


def test_added_lines_that_are_elsewhere_are_there() -> None:
    assert seen(BASE, (*BASE, *BLOCK), ADDED) is Seen.YES
    assert seen(BASE, (*BLOCK, *BASE), ADDED) is Seen.YES


def test_added_lines_that_are_not_there_are_not() -> None:
    assert seen(BASE, BASE, ADDED) is Seen.NO
    assert seen(BASE, (*BASE, *BLOCK[:2]), ADDED) is Seen.NO


def test_what_was_there_before_is_not_upstreams() -> None:
    assert seen((*BASE, *BLOCK), (*BASE, *BLOCK), ADDED) is Seen.NO
    assert seen((*BASE, *BLOCK), (*BASE, *BLOCK, *BLOCK), ADDED) is Seen.YES


def test_a_few_words_may_be_there_by_chance() -> None:
    short = Change(2, 2, (b"use std::fmt::Debug;\n",))
    assert seen(BASE, (*short.lines, *BASE), short) is Seen.MAYBE


@pytest.mark.parametrize("lines", [(b"}\n",), (b"\n", b"\n"), (b"else {\n",), (b"*/\n",)])
def test_lines_that_say_nothing_are_never_recognised(lines: tuple[bytes, ...]) -> None:
    assert seen(BASE, (*lines, *BASE, *lines), Change(2, 2, lines)) is Seen.NO


def test_what_is_replaced_is_left_to_the_merge() -> None:
    assert seen(BASE, (*BASE, *BLOCK), Change(2, 3, BLOCK)) is Seen.NO


def test_fewer_copies_than_the_patch_adds_are_a_doubt() -> None:
    assert seen(BASE, (*BASE, *BLOCK), ADDED, wanted=2) is Seen.MAYBE
    assert seen(BASE, (*BLOCK, *BASE, *BLOCK), ADDED, wanted=2) is Seen.YES


def test_copies_that_are_the_patchs_own_do_not_count() -> None:
    assert seen(BASE, (*BASE, *BLOCK), ADDED, known=1) is Seen.NO


LINES = st.lists(st.sampled_from([b"a\n", b"bb\n", b"ccc\n"]), max_size=12).map(tuple)


@given(LINES, LINES.filter(bool))
def test_a_block_is_found_wherever_it_stands(text: tuple[bytes, ...], block: tuple[bytes, ...]) -> None:
    wanted = [n for n in range(len(text)) if text[n : n + len(block)] == block]
    assert found(text, block) == wanted
    assert count(text, block) == len(wanted)
