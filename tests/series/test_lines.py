from __future__ import annotations

import difflib
import itertools
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from patchbot.series import lines
from patchbot.series.lines import Change, Lines

# few different lines, so that equal ones stand side by side and a change has a choice of place
WORDS = st.sampled_from([b"a\n", b"b\n", b"c\n", b"}\n", b"\n", b"a\r\n"])
TEXTS = st.builds(
    lambda rows, last: (*rows, *last),
    st.lists(WORDS, max_size=14),
    st.sampled_from([(), (), (b"end",)]),
)


def changes(old: Lines, new: Lines) -> tuple[Change, ...]:
    """Compare two texts, with no change touching the next."""
    found = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(Change(i, j, new[k:m]) for kind, i, j, k, m in found if kind != "equal")


@st.composite
def edits(draw: st.DrawFn, base: Lines) -> tuple[Change, ...]:
    """Some changes of a text, in order, none touching the next."""
    new = list(base)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(new)))
        gone = draw(st.integers(0, 2))
        new[at : at + gone] = draw(st.lists(WORDS, max_size=2))
    rows = [row if row.endswith(b"\n") else row + b"\n" for row in new[:-1]] + new[-1:]
    return changes(base, tuple(rows))


@st.composite
def sides(draw: st.DrawFn) -> tuple[Lines, tuple[Change, ...], tuple[Change, ...]]:
    base = draw(TEXTS)
    return base, draw(edits(base)), draw(edits(base))


Sides = tuple[Lines, tuple[Change, ...], tuple[Change, ...]]


@given(st.binary(max_size=60))
def test_splitting_loses_no_byte(data: bytes) -> None:
    rows = lines.split(data)
    assert b"".join(rows) == data
    assert all(row.endswith(b"\n") for row in rows[:-1])
    assert all(rows)


@settings(max_examples=150)
@given(sides())
def test_a_merge_with_no_changes_on_one_side_gives_the_other(sides: Sides) -> None:
    base, ours, theirs = sides
    kept = lines.merge(base, lines.places(ours, ()))
    assert kept is not None
    assert kept.lines == lines.applied(base, ours)
    assert kept.ours == ours
    taken = lines.merge(base, lines.places((), theirs))
    assert taken is not None
    assert taken.lines == lines.applied(base, theirs)
    assert taken.ours == ()


@settings(max_examples=150)
@given(sides())
def test_a_merge_is_the_same_from_both_sides_and_tells_what_turns_theirs_into_it(sides: Sides) -> None:
    base, ours, theirs = sides
    here, there = lines.merge(base, lines.places(ours, theirs)), lines.merge(base, lines.places(theirs, ours))
    assert (here is None) == (there is None)
    if here is None or there is None:
        assert any(p.both and not p.agreed(base) for p in lines.places(ours, theirs))
        return
    assert here.lines == there.lines
    assert lines.applied(lines.applied(base, theirs), here.ours) == here.lines
    assert lines.applied(lines.applied(base, ours), there.ours) == here.lines


@settings(max_examples=150)
@given(sides())
def test_a_merge_loses_and_invents_no_line(sides: Sides) -> None:
    base, ours, theirs = sides
    places = lines.places(ours, theirs)
    merged = lines.merge(base, places)
    if merged is None:
        return
    wanted = Counter(base)
    for place in places:  # what both made of one place counts once
        wanted.subtract(base[place.start : place.end])
        wanted.update(place.of_ours(base) if place.ours else place.of_theirs(base))
    assert Counter(merged.lines) == +wanted
    for place in places:
        made = place.of_ours(base) if place.ours else None
        assert made is None or lines.applied(base, ours)[place.at : place.at + len(made)] == made


@settings(max_examples=100)
@given(sides())
def test_what_is_dropped_is_what_ours_keeps(sides: Sides) -> None:
    base, ours, theirs = sides
    places = lines.places(ours, theirs)
    dropped = frozenset(place for place in places if place.theirs and not place.ours)
    merged = lines.merge(base, places, dropped)
    if merged is None:
        return
    assert merged.lines == lines.applied(base, ours)
    assert lines.applied(lines.applied(base, theirs), merged.ours) == merged.lines


@settings(max_examples=150)
@given(sides())
def test_settled_changes_make_the_same_text_stay_apart_and_settle_once(sides: Sides) -> None:
    base, some, _ = sides
    settled = lines.settled(base, some)
    assert lines.applied(base, settled) == lines.applied(base, some)
    assert lines.settled(base, settled) == settled
    assert all(one.end < other.start for one, other in itertools.pairwise(settled))


@given(TEXTS, TEXTS)
def test_what_is_evident_is_one_change_as_far_down_as_it_goes(old: Lines, new: Lines) -> None:
    seen = lines.evident(old, new)
    if seen is None:
        assert set(old) & set(new)
        return
    assert lines.applied(old, seen) == new
    assert len(seen) == (old != new)
    assert lines.settled(old, seen) == seen


@given(sides())
@example(
    (
        (b"a\n", b"a\n", b"b\n", b"b\n", b"b\n"),
        (Change(0, 0, (b"a\n", b"a\n", b"b\n")), Change(4, 5, ())),
        (),
    )
)
def test_what_is_evident_is_the_least_that_any_diff_says(sides: Sides) -> None:
    old, edited, _ = sides
    new = lines.applied(old, edited)
    seen = lines.evident(old, new)
    if seen:
        gone, come = old[seen[0].start : seen[0].end], seen[0].lines
        found = lines.settled(old, changes(old, new))
        # none of these stands on both sides, so that no diff takes fewer lines away; difflib's may take more
        assert sum(c.end - c.start for c in found) >= len(gone)
        assert sum(len(c.lines) for c in found) >= len(come)


@given(sides())
def test_a_merge_tells_what_turns_ours_into_it(sides: Sides) -> None:
    base, ours, theirs = sides
    merged = lines.merge(base, lines.places(ours, theirs))
    if merged is not None:
        assert lines.applied(lines.applied(base, ours), merged.theirs) == merged.lines


def test_an_insertion_among_equal_lines_goes_down_as_in_git(tmp_path: Path) -> None:
    base = (b"{\n", b"}\n", b"\n", b"{\n", b"}\n", b"\n", b"x\n")
    new = (*base[:3], b"{\n", b"}\n", b"\n", *base[3:])
    assert lines.settled(base, [Change(3, 3, new[3:6])]) == (Change(6, 6, (b"{\n", b"}\n", b"\n")),)
    for name, text in (("old", base), ("new", new)):
        (tmp_path / name).write_bytes(b"".join(text))
    done = subprocess.run(
        ["git", "diff", "--no-index", "--unified=0", "--no-indent-heuristic", "old", "new"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert b"\n@@ -6,0 +7,3 @@" in done.stdout


@settings(max_examples=100)
@given(sides())
def test_changes_that_touch_become_one(sides: Sides) -> None:
    base, some, _ = sides
    cut = [part for c in some for part in (Change(c.start, c.start, c.lines), Change(c.start, c.end, ()))]
    joined = lines.joined(cut)
    assert joined == some
    assert lines.applied(base, joined) == lines.applied(base, some)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(sides=sides())
def test_a_clean_merge_is_that_of_git(tmp_path: Path, sides: Sides) -> None:
    base, ours, theirs = sides
    # git compares by itself: among equal lines it may see other changes than these
    base = tuple(b"%d %b" % (number, row) for number, row in enumerate(base))
    places = lines.places(ours, theirs)
    apart = all(not place.both for place in places)
    merged = lines.merge(base, places)
    if not apart or merged is None:
        return
    for name, text in (
        ("base", base),
        ("ours", lines.applied(base, ours)),
        ("theirs", lines.applied(base, theirs)),
    ):
        (tmp_path / name).write_bytes(b"".join(text))
    done = subprocess.run(
        ["git", "merge-file", "-p", "--diff3", "ours", "base", "theirs"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    if done.returncode:  # changes of lines that are neighbours are one place to git
        return
    assert done.stdout == b"".join(merged.lines)


@settings(max_examples=150)
@given(sides())
def test_markers_stand_round_what_does_not_merge_and_nowhere_else(sides: Sides) -> None:
    base, ours, theirs = sides
    places = lines.places(ours, theirs)
    text = lines.marked(base, places, ours="ours", theirs="theirs")
    torn = sum(place.both and not place.agreed(base) for place in places)
    for word in (b"<<<<<<< ours\n", b"||||||| base\n", b"=======\n", b">>>>>>> theirs\n"):
        assert lines.split(text).count(word) == torn
    merged = lines.merge(base, places)
    assert (merged is None) == bool(torn)
    assert merged is None or text == b"".join(merged.lines)


@pytest.mark.parametrize(
    ("ours", "theirs", "merges"),
    [
        (Change(1, 2, (b"X\n",)), Change(2, 3, (b"Y\n",)), False),  # side by side is one place
        (Change(1, 2, (b"X\n",)), Change(3, 4, (b"Y\n",)), True),
        (Change(1, 1, (b"X\n",)), Change(1, 1, (b"Y\n",)), False),
        (Change(1, 1, (b"X\n",)), Change(1, 1, (b"X\n",)), True),
        (Change(0, 4, ()), Change(2, 2, (b"X\n",)), False),
    ],
)
def test_changes_with_no_line_between_are_one_place(ours: Change, theirs: Change, merges: bool) -> None:  # noqa: FBT001
    base = (b"1\n", b"2\n", b"3\n", b"4\n")
    assert (lines.merge(base, lines.places([ours], [theirs])) is not None) == merges
