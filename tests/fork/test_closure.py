from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
from fork import small
from hypothesis import given
from hypothesis import strategies as st

from patchbot.errors import RepositoryError
from patchbot.fork import closure
from patchbot.model import Dependency, DependencyKind, ImportedRelease


def graph(edges: Mapping[str, Sequence[str]]) -> ImportedRelease:
    return small.release(*(small.pin(name, below) for name, below in edges.items()))


def owning(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "has a link-time name")


# wasmtime -> jit -> runtime -> fiber -> asm; wasmtime -> environ -> types; runtime -> environ; cache apart
SHAPE = {
    "wasmtime": ("jit", "environ", "cache", "serde"),
    "jit": ("runtime",),
    "runtime": ("fiber", "environ"),
    "fiber": ("asm", "rustix"),
    "asm": (),
    "environ": ("types",),
    "types": (),
    "cache": (),
    "wasi": ("wasmtime",),
}


def test_owners_and_what_is_between_them_and_the_roots_are_forked() -> None:
    found = closure.minimal(graph(SHAPE), ["wasmtime"], owning("fiber"))
    assert found.forked == ("fiber", "runtime", "jit", "wasmtime")
    assert found.shared == ("asm", "cache", "types", "environ")
    assert found.reasons == {
        "fiber": "has a link-time name",
        "runtime": "depends on fiber",
        "jit": "depends on runtime",
        "wasmtime": "depends on jit",
    }


def test_every_crate_below_that_is_forked_is_named_in_the_reason() -> None:
    found = closure.minimal(graph(SHAPE), ["wasmtime"], owning("fiber", "types"))
    assert found.reasons["runtime"] == "depends on environ and fiber"
    assert found.reasons["wasmtime"] == "depends on environ and jit"
    assert set(found.shared) == {"asm", "cache"}


def test_what_no_root_reaches_is_neither_forked_nor_shared() -> None:
    found = closure.minimal(graph(SHAPE), ["environ"], owning("types", "fiber"))
    assert found.forked == ("types", "environ")
    assert found.shared == ()


def test_a_root_above_another_is_forked_if_it_is_asked_for() -> None:
    found = closure.minimal(graph(SHAPE), ["wasmtime", "wasi"], owning("asm"))
    assert found.forked[-2:] == ("wasmtime", "wasi")


@pytest.mark.parametrize(
    "edge",
    [
        small.dependency("owner", optional=True),
        small.dependency("owner", kind=DependencyKind.BUILD),
        small.dependency("owner", target="cfg(windows)"),
        small.dependency("owner", alias="known-as"),
        small.dependency("owner", default_features=False),
    ],
    ids=["optional", "build", "target", "renamed", "without-features"],
)
def test_every_way_to_need_a_crate_counts(edge: Dependency) -> None:
    release = small.release(small.pin("wasmtime", [edge]), small.pin("owner"))
    assert closure.minimal(release, ["wasmtime"], owning("owner")).forked == ("owner", "wasmtime")


def test_what_only_tests_need_does_not_count() -> None:
    dev = small.dependency("owner", kind=DependencyKind.DEV)
    release = small.release(small.pin("wasmtime", [dev, "asm"]), small.pin("owner"), small.pin("asm"))
    found = closure.minimal(release, ["wasmtime"], owning("owner", "asm"))
    assert found.forked == ("asm", "wasmtime")
    assert found.shared == ()


def test_a_circle_through_tests_is_none() -> None:
    back = small.dependency("wasmtime", kind=DependencyKind.DEV)
    release = small.release(small.pin("wasmtime", ["runtime"]), small.pin("runtime", [back]))
    assert closure.minimal(release, ["wasmtime"], owning("runtime")).forked == ("runtime", "wasmtime")


def test_a_crate_that_needs_itself_is_no_circle() -> None:
    release = small.release(small.pin("wasmtime", ["wasmtime"]))
    assert closure.minimal(release, ["wasmtime"], owning("wasmtime")).forked == ("wasmtime",)


def test_a_circle_is_told() -> None:
    release = graph({"wasmtime": ("a",), "a": ("b",), "b": ("c",), "c": ("a",)})
    with pytest.raises(RepositoryError, match="a depends on itself"):
        closure.minimal(release, ["wasmtime"], owning("c"))


def test_a_circle_that_no_root_reaches_is_no_obstacle() -> None:
    release = graph({"wasmtime": (), "a": ("b",), "b": ("a",)})
    assert closure.minimal(release, ["wasmtime"], owning("wasmtime")).forked == ("wasmtime",)


def test_a_release_without_any_of_the_roots_is_told() -> None:
    with pytest.raises(RepositoryError) as told:
        closure.minimal(graph(SHAPE), ["wasmtime-cli", "wizer"], owning("asm"))
    assert told.value.what == "wasmtime 1.0.0 has none of wasmtime-cli and wizer"


def test_a_root_that_came_with_a_later_release_is_passed_over() -> None:
    found = closure.minimal(graph(SHAPE), ["wasmtime", "wizer"], owning("asm"))
    assert found == closure.minimal(graph(SHAPE), ["wasmtime"], owning("asm"))


def test_without_owners_the_roots_are_forked() -> None:
    found = closure.minimal(graph(SHAPE), ["environ", "cache"], {})
    assert found.forked == ("cache", "environ")
    assert found.shared == ("types",)
    assert set(found.reasons.values()) == {"is asked for"}


def test_without_owners_what_stands_between_two_roots_is_forked_too() -> None:
    found = closure.minimal(graph(SHAPE), ["wasmtime", "fiber"], {})
    assert found.forked == ("fiber", "runtime", "jit", "wasmtime")
    assert found.reasons["runtime"] == "depends on fiber"


def test_owners_that_are_not_in_the_release_do_not_count() -> None:
    found = closure.minimal(graph(SHAPE), ["types"], owning("elsewhere"))
    assert found.forked == ("types",)
    assert found.reasons == {"types": "is asked for"}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], list[str], list[str]]:
    names = [f"c{n}" for n in range(draw(st.integers(1, 9)))]
    edges = {
        name: tuple(draw(st.lists(st.sampled_from(names[:position]), unique=True, max_size=4)))
        if position
        else ()
        for position, name in enumerate(names)
    }
    # the order of the index is not that of the graph
    order = draw(st.permutations(names))
    roots = draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    owners = draw(st.lists(st.sampled_from(names), unique=True))
    return {name: edges[name] for name in order}, roots, owners


def above(edges: Mapping[str, Sequence[str]], start: Sequence[str]) -> set[str]:
    seen = set(start)
    while more := {name for name, below in edges.items() if set(below) & seen} - seen:
        seen |= more
    return seen


def below(edges: Mapping[str, Sequence[str]], start: Sequence[str]) -> set[str]:
    seen = set(start)
    while more := {name for crate in seen for name in edges[crate]} - seen:
        seen |= more
    return seen


@given(cases())
def test_the_forks_are_exactly_the_way_from_the_roots_to_the_owners(
    case: tuple[dict[str, tuple[str, ...]], list[str], list[str]],
) -> None:
    edges, roots, owners = case
    found = closure.minimal(graph(edges), roots, owning(*owners))
    forked, shared = set(found.forked), set(found.shared)
    reached = below(edges, roots)
    apart = [owner for owner in owners if owner in reached] or roots
    assert forked == above(edges, apart) & reached
    assert shared == reached - forked
    assert set(found.reasons) == forked
    # what users rely on, said once more without the oracle
    assert not any(set(edges[crate]) & forked for crate in shared)
    assert all(crate in apart or set(edges[crate]) & forked for crate in forked)
    # dependencies stand before their dependents
    position = {crate: n for n, crate in enumerate(found.forked)}
    assert all(position[d] < position[crate] for crate in forked for d in edges[crate] if d in forked)


@given(cases(), st.randoms())
def test_the_order_of_the_index_does_not_matter(
    case: tuple[dict[str, tuple[str, ...]], list[str], list[str]], random: Random
) -> None:
    edges, roots, owners = case
    shuffled = list(edges)
    random.shuffle(shuffled)
    again = closure.minimal(graph({name: edges[name] for name in shuffled}), roots, owning(*owners))
    assert again == closure.minimal(graph(edges), roots, owning(*owners))
