from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry import parcels

from patchbot.errors import PublishError
from patchbot.model import IndexEntry
from patchbot.registry.remote import agree, plan, yank
from patchbot.registry.remote.plan import Action, Held, Parcel

RELEASE = parcels.release()


def held(*of: Parcel, **line: object) -> Held:
    return {p.entry.name: {p.entry.version: replace(p.entry, **line)} for p in of}  # type: ignore[arg-type]


def test_all_is_new_to_an_empty_registry() -> None:
    made = plan.make(RELEASE, {})
    assert [step.action for step in made.steps] == [Action.UPLOAD] * 5
    assert made.uploads == made.steps


def test_what_is_there_with_the_same_bytes_is_kept() -> None:
    made = plan.make(RELEASE, held(RELEASE[0], RELEASE[3], yanked=True))
    assert {str(step.parcel): step.action for step in made.steps if step.action is Action.KEEP} == {
        "base 1.2.3": Action.KEEP,
        "top 1.2.3": Action.KEEP,
    }
    assert [step.yanked for step in made.steps if step.action is Action.KEEP] == [True, True]


def test_every_other_byte_is_counted() -> None:
    with pytest.raises(PublishError, match=r"base 1\.2\.3 is published as 0.*\(and 1 more are others\)"):
        plan.make(RELEASE, held(RELEASE[0], RELEASE[2], sha256="0" * 64))


def test_the_order_is_found_whatever_order_they_come_in() -> None:
    made = plan.make(RELEASE[::-1], {})
    names = [step.parcel.entry.name for step in made.steps]
    assert names.index("base") < names.index("left") < names.index("top")
    assert {s.parcel.entry.name: [n for n, _ in s.after] for s in made.steps}["top"] == ["left", "right"]


@settings(deadline=None)
@given(st.permutations(RELEASE))
def test_the_digest_names_the_bytes_not_the_order(release: list[Parcel]) -> None:
    assert plan.make(release, {}).digest == plan.make(RELEASE, held(RELEASE[0])).digest
    assert plan.make(release[1:], held(release[0])).digest != plan.make(RELEASE, {}).digest


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sets(st.integers(0, 11)), min_size=12, max_size=12), st.randoms())
def test_any_graph_without_circles_is_ordered(graph: list[set[int]], random: st.DataObject) -> None:
    needs = {f"c{n}": tuple(f"c{m}" for m in sorted(below) if m < n) for n, below in enumerate(graph)}
    release = [parcels.parcel(name, below) for name, below in needs.items()]
    random.shuffle(release)  # type: ignore[attr-defined]
    seen: set[str] = set()
    for step in plan.make(release, {}).steps:
        assert set(needs[step.parcel.entry.name]) <= seen
        seen.add(step.parcel.entry.name)
    entries = [parcel.entry for parcel in release]
    gone: set[str] = set()
    for entry in yank.order(entries, yanked=True):
        users = {name for name, below in needs.items() if entry.name in below}
        assert users <= gone, "whoever needs it was yanked before"
        gone.add(entry.name)
    assert yank.order(entries, yanked=False) == yank.order(entries, yanked=True)[::-1]


def test_crates_that_need_each_other_are_told() -> None:
    with pytest.raises(PublishError, match="need each other"):
        plan.make([parcels.parcel("a", ("b",)), parcels.parcel("b", ("a",))], {})
    entries = [parcels.parcel("a", ("b",)).entry, parcels.parcel("b", ("a",)).entry]
    assert len(yank.order(entries, yanked=True)) == 2


def test_a_crate_that_needs_what_nobody_has_is_told() -> None:
    with pytest.raises(PublishError, match=r"left 1\.2\.3 needs base =1\.2\.3, which is neither"):
        plan.make([RELEASE[1]], {})
    assert plan.make([RELEASE[1]], held(RELEASE[0])).steps[0].after == ()


def test_one_name_with_two_contents_is_told() -> None:
    with pytest.raises(PublishError, match="is to be published as"):
        plan.make([RELEASE[0], parcels.parcel("base", text="other")], {})
    assert len(plan.make([RELEASE[0], RELEASE[0]], {}).steps) == 1


def test_bytes_that_are_not_those_of_the_line_are_told() -> None:
    with pytest.raises(PublishError, match="does not have the sha256"):
        plan.make([replace(RELEASE[0], data=b"")], {})


def test_names_are_all_that_a_registry_must_be_asked_for() -> None:
    assert plan.names([RELEASE[3]]) == ["left", "right", "top"]
    asked = plan.look(["a", "b"], lambda name: {name: RELEASE[0].entry}, jobs=2)
    assert list(asked) == ["a", "b"]


# -- what an index says -------------------------------------------------------------------------------


def changed(**line: object) -> IndexEntry:
    (dependency,) = RELEASE[1].entry.dependencies
    return replace(RELEASE[1].entry, dependencies=(replace(dependency, **line),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        {"alias": "base"},
        {"package": "of-base"},
        {"req": "^1.2.3"},
        {"optional": True},
        {"default_features": False},
        {"features": ("x",)},
        {"target": "cfg(unix)"},
        {"registry": "https://elsewhere"},
    ],
)
def test_every_word_of_a_dependency_counts(line: dict[str, object]) -> None:
    assert agree.wrong_dependencies(RELEASE[1].entry, changed(**line), index="sparse+https://own/")


@pytest.mark.parametrize(
    "line", [{}, {"req": "= 1.2.3"}, {"registry": "sparse+https://own/"}, {"target": ""}]
)
def test_spelling_does_not_count(line: dict[str, object]) -> None:
    assert agree.wrong_dependencies(RELEASE[1].entry, changed(**line), index="sparse+https://own/") == []


def test_what_an_index_loses_is_named_as_in_manifests() -> None:
    ours = replace(RELEASE[0].entry, rust_version="1.70", links="x", features={"a": ()})
    assert agree.lost(ours, RELEASE[0].entry) == ["features", "links key", "rust-version"]
    assert agree.lost(ours, ours) == []
