from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbot.errors import ConfigError
from patchbot.fork import modes
from patchbot.fork.modes import Choice
from patchbot.model import ClosureMode, Release

MINIMAL, RANGE, EXACT = ClosureMode.MINIMAL, ClosureMode.RANGE, ClosureMode.EXACT


def releases(*words: str) -> list[Release]:
    return [Release.parse(word) for word in words]


def chosen(
    *words: str,
    wanted: ClosureMode | None = None,
    published: dict[str, ClosureMode] | None = None,
    originals: tuple[str, ...] = (),
) -> dict[str, Choice]:
    there = {Release.parse(release): mode for release, mode in (published or {}).items()}
    made = modes.choose(releases(*words), wanted, there, {}, releases(*originals))
    return {str(release): choice for release, choice in made.items()}


@pytest.mark.parametrize(
    ("words", "range_of"),
    [
        (["8.0.1", "9.0.4"], []),
        (["36.0.19", "36.0.20"], ["36.0.19", "36.0.20"]),
        (["8.0.1", "36.0.19", "36.0.20"], ["36.0.19", "36.0.20"]),
        (["0.40.0", "0.40.1", "0.39.0"], ["0.40.0", "0.40.1"]),
        (["0.39.0", "0.40.0"], []),
        # cargo holds no pre-release beside its release either
        (["50.0.0-rc.1", "50.0.0"], ["50.0.0", "50.0.0-rc.1"]),
        (["36.0.20", "36.0.20"], []),
    ],
)
def test_releases_of_one_range_get_range_and_all_others_minimal(
    words: list[str], range_of: list[str]
) -> None:
    found = chosen(*words)
    assert sorted(release for release, choice in found.items() if choice.mode is RANGE) == range_of
    assert all(choice.mode is MINIMAL for release, choice in found.items() if release not in range_of)


def test_a_choice_says_why() -> None:
    found = chosen("8.0.1", "36.0.19", "36.0.20")
    assert found["8.0.1"] == Choice(MINIMAL, "no other 8.x is asked for")
    assert found["36.0.20"] == Choice(RANGE, "36.0.19 and 36.0.20 are of one range, 36.x")
    assert chosen("8.0.1", wanted=EXACT)["8.0.1"] == Choice(EXACT, "patchbot.toml says so")


def test_an_original_of_the_range_counts_unless_it_is_of_the_same_release() -> None:
    assert chosen("36.0.20", originals=("36.0.19",))["36.0.20"].mode is RANGE
    assert chosen("36.0.20", originals=("36.0.20",))["36.0.20"].mode is MINIMAL
    assert chosen("36.0.20", originals=("35.0.0",))["36.0.20"].mode is MINIMAL
    assert set(chosen("36.0.20", originals=("36.0.19",))) == {"36.0.20"}


def test_what_is_published_keeps_its_closure() -> None:
    found = chosen("36.0.19", "36.0.20", published={"36.0.19": MINIMAL})
    assert found["36.0.19"] == Choice(MINIMAL, "it was published so", published=True)
    assert found["36.0.20"].mode is RANGE
    # a closure that would be chosen anyway has the same reason before and after
    assert chosen("8.0.1", published={"8.0.1": MINIMAL})["8.0.1"] == Choice(
        MINIMAL, "no other 8.x is asked for", published=True
    )
    assert chosen("8.0.1", published={"8.0.1": EXACT})["8.0.1"].mode is EXACT


def test_another_closure_than_the_published_one_needs_a_revision() -> None:
    with pytest.raises(
        ConfigError, match="published with the closure minimal, and would now get range"
    ) as told:
        chosen("8.0.1", wanted=RANGE, published={"8.0.1": MINIMAL})
    assert told.value.where == "fork.closure"
    assert '[fork.revisions] "8.0.1" = 2' in str(told.value.hint)
    assert chosen("8.0.1", wanted=RANGE, published={"8.0.1": RANGE})["8.0.1"].mode is RANGE


def test_the_next_revision_is_one_more_than_this() -> None:
    release = Release.parse("8.0.1")
    assert modes.new_revision(release, {release: 4}) == '[fork.revisions] "8.0.1" = 5'


some = st.lists(st.builds(Release, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1)


@given(some, some)
def test_the_order_does_not_matter_and_a_release_never_loses_by_company(
    few: list[Release], more: list[Release]
) -> None:
    alone = modes.choose(few, None, {}, {})
    assert modes.choose(reversed(few), None, {}, {}) == alone
    together = modes.choose([*few, *more], None, {}, {})
    for release, choice in alone.items():
        assert list(ClosureMode).index(together[release].mode) >= list(ClosureMode).index(choice.mode)
