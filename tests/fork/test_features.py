from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbot.fork import features


@pytest.mark.parametrize(
    ("word", "dependency"),
    [
        ("std", None),
        ("dep:libc", "libc"),
        ("libc/std", "libc"),
        ("libc?/std", "libc"),
        ("lib_c-x/a-b", "lib_c-x"),
    ],
)
def test_a_word_is_about_a_dependency_or_a_feature(word: str, dependency: str | None) -> None:
    assert features.dependency_of(word) == dependency


def test_words_about_what_is_gone_go_too() -> None:
    words = ("std", "criterion", "criterion/html", "proptest?/std", "libc/std", "dep:criterion")
    assert features.without(words, {"criterion", "proptest"}) == ("std", "criterion", "libc/std")


names = st.sampled_from(["a", "b", "c-d"])
words = st.one_of(
    names,
    names.map("dep:{}".format),
    st.builds("{}/{}".format, names, names),
    st.builds("{}?/{}".format, names, names),
)


@given(st.lists(words), st.sets(names))
def test_features_themselves_never_go(drawn: list[str], gone: set[str]) -> None:
    kept = features.without(drawn, gone)
    assert [w for w in kept if w.isidentifier()] == [w for w in drawn if w.isidentifier()]
    assert not {features.dependency_of(word) for word in kept} & gone
    assert features.without(kept, gone) == kept
    assert features.without(drawn, set()) == tuple(drawn)
