from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.errors import RewriteError
from patchbot.symbols.edits import Edit, apply, place

FILES = {"a": b"0123456789", "b": b"abc\n"}


def test_a_file_without_edits_is_not_among_the_results() -> None:
    assert apply(FILES, []) == {}
    assert apply(FILES, [Edit("a", 0, 0, b"x")]).keys() == {"a"}


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(0, 0, b"x")], b"x0123456789"),
        ([(10, 10, b"x")], b"0123456789x"),
        ([(2, 4, b"")], b"01456789"),
        ([(0, 10, b"x")], b"x"),
        ([(2, 4, b"x"), (6, 6, b"y")], b"01x45y6789"),
        ([(2, 4, b"x"), (4, 6, b"y")], b"01xy6789"),
        ([(2, 4, b"x"), (4, 4, b"y")], b"01xy456789"),
        ([(2, 2, b"y"), (2, 4, b"x")], b"01yx456789"),
        ([(2, 4, b"x"), (2, 4, b"x")], b"01x456789"),
    ],
)
def test_edits_replace_and_insert(edits: list[tuple[int, int, bytes]], expected: bytes) -> None:
    wanted = [Edit("a", start, end, text) for start, end, text in edits]
    assert apply(FILES, wanted) == {"a": expected}
    assert apply(FILES, reversed(wanted)) == {"a": expected}


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([(2, 5, b"x"), (4, 6, b"y")], id="overlap"),
        pytest.param([(2, 9, b"x"), (4, 5, b"y")], id="one in the other"),
        pytest.param([(2, 9, b"x"), (4, 4, b"y")], id="an insertion in a replacement"),
        pytest.param([(2, 2, b"x"), (2, 2, b"y")], id="two insertions at one place"),
        pytest.param([(2, 4, b"x"), (2, 4, b"y")], id="two texts for one range"),
    ],
)
def test_edits_that_meet_are_refused(edits: list[tuple[int, int, bytes]]) -> None:
    wanted = [Edit("a", start, end, text) for start, end, text in edits]
    with pytest.raises(RewriteError, match="two edits meet: 'x' and 'y'"):
        apply(FILES, wanted)


def test_the_refusal_names_the_line() -> None:
    with pytest.raises(RewriteError) as caught:
        apply({"f.c": b"a\nb\nc\n"}, [Edit("f.c", 4, 5, b"x"), Edit("f.c", 4, 5, b"\xff")])
    assert caught.value.where == "f.c:3"
    assert caught.value.hint is not None


def test_places_count_lines_from_one() -> None:
    data = b"a\nb\r\nc"
    assert [place(data, "f", offset) for offset in (0, 1, 2, 4, 5, 6)] == [
        "f:1",
        "f:1",
        "f:2",
        "f:2",
        "f:3",
        "f:3",
    ]


@st.composite
def disjoint(draw: st.DrawFn) -> tuple[bytes, list[Edit]]:
    data = draw(st.binary(max_size=30))
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=8)))
    ranges = list(zip(cuts[::2], cuts[1::2], strict=False))
    return data, [Edit("a", start, end, draw(st.binary(max_size=3))) for start, end in ranges]


@given(case=disjoint(), order=st.randoms(use_true_random=False))
@small.quick
def test_the_order_of_edits_does_not_matter_and_what_is_between_them_stays(
    case: tuple[bytes, list[Edit]], order: Random
) -> None:
    data, edits = case
    shuffled = [*edits, *edits]
    order.shuffle(shuffled)
    expected, at = b"", 0
    for edit in edits:
        expected += data[at : edit.start] + edit.text
        at = edit.end
    expected += data[at:]
    assert apply({"a": data}, shuffled) == ({"a": expected} if edits else {})


@given(case=disjoint(), cut=st.integers(0, 8))
@small.quick
def test_edits_can_be_applied_in_two_steps_from_the_end(case: tuple[bytes, list[Edit]], cut: int) -> None:
    data, edits = case
    first, last = edits[:cut], edits[cut:]
    halfway = apply({"a": data}, last).get("a", data)
    assert apply({"a": halfway}, first).get("a", halfway) == apply({"a": data}, edits).get("a", data)
