from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest
from fork import small
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.errors import RepositoryError
from patchbot.fork import closure
from patchbot.model import ClosureMode, Dependency, DependencyKind, ImportedRelease


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
    found = closure.close(graph(SHAPE), ["wasmtime"], owning("fiber"))
    assert found.forked == ("fiber", "runtime", "jit", "wasmtime")
    assert found.shared == ("asm", "cache", "types", "environ")
    assert found.reasons == {
        "fiber": "has a link-time name",
        "runtime": "depends on fiber",
        "jit": "depends on runtime",
        "wasmtime": "depends on jit",
    }


def test_every_crate_below_that_is_forked_is_named_in_the_reason() -> None:
    found = closure.close(graph(SHAPE), ["wasmtime"], owning("fiber", "types"))
    assert found.reasons["runtime"] == "depends on environ and fiber"
    assert found.reasons["wasmtime"] == "depends on environ and jit"
    assert set(found.shared) == {"asm", "cache"}


def test_what_no_root_reaches_is_neither_forked_nor_shared() -> None:
    found = closure.close(graph(SHAPE), ["environ"], owning("types", "fiber"))
    assert found.forked == ("types", "environ")
    assert found.shared == ()


def test_a_root_above_another_is_forked_if_it_is_asked_for() -> None:
    found = closure.close(graph(SHAPE), ["wasmtime", "wasi"], owning("asm"))
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
    assert closure.close(release, ["wasmtime"], owning("owner")).forked == ("owner", "wasmtime")


def test_what_only_tests_need_does_not_count() -> None:
    dev = small.dependency("owner", kind=DependencyKind.DEV)
    release = small.release(small.pin("wasmtime", [dev, "asm"]), small.pin("owner"), small.pin("asm"))
    found = closure.close(release, ["wasmtime"], owning("owner", "asm"))
    assert found.forked == ("asm", "wasmtime")
    assert found.shared == ()


def test_a_circle_through_tests_is_none() -> None:
    back = small.dependency("wasmtime", kind=DependencyKind.DEV)
    release = small.release(small.pin("wasmtime", ["runtime"]), small.pin("runtime", [back]))
    assert closure.close(release, ["wasmtime"], owning("runtime")).forked == ("runtime", "wasmtime")


def test_a_crate_that_needs_itself_is_no_circle() -> None:
    release = small.release(small.pin("wasmtime", ["wasmtime"]))
    assert closure.close(release, ["wasmtime"], owning("wasmtime")).forked == ("wasmtime",)


def test_a_circle_is_told() -> None:
    release = graph({"wasmtime": ("a",), "a": ("b",), "b": ("c",), "c": ("a",)})
    with pytest.raises(RepositoryError, match="a depends on itself"):
        closure.close(release, ["wasmtime"], owning("c"))


def test_a_circle_that_no_root_reaches_is_no_obstacle() -> None:
    release = graph({"wasmtime": (), "a": ("b",), "b": ("a",)})
    assert closure.close(release, ["wasmtime"], owning("wasmtime")).forked == ("wasmtime",)


def test_a_release_without_any_of_the_roots_is_told() -> None:
    with pytest.raises(RepositoryError) as told:
        closure.close(graph(SHAPE), ["wasmtime-cli", "wizer"], owning("asm"))
    assert told.value.what == "wasmtime 1.0.0 has none of wasmtime-cli and wizer"


def test_a_root_that_came_with_a_later_release_is_passed_over() -> None:
    found = closure.close(graph(SHAPE), ["wasmtime", "wizer"], owning("asm"))
    assert (found.roots, found.absent) == (("wasmtime",), ("wizer",))
    assert replace(found, absent=()) == closure.close(graph(SHAPE), ["wasmtime"], owning("asm"))


def test_without_owners_the_roots_are_forked() -> None:
    found = closure.close(graph(SHAPE), ["environ", "cache"], {})
    assert found.forked == ("cache", "environ")
    assert found.shared == ("types",)
    assert set(found.reasons.values()) == {"is asked for"}


def test_without_owners_what_stands_between_two_roots_is_forked_too() -> None:
    found = closure.close(graph(SHAPE), ["wasmtime", "fiber"], {})
    assert found.forked == ("fiber", "runtime", "jit", "wasmtime")
    assert found.reasons["runtime"] == "depends on fiber"


def test_owners_that_are_not_in_the_release_do_not_count() -> None:
    found = closure.close(graph(SHAPE), ["types"], owning("elsewhere"))
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
    found = closure.close(graph(edges), roots, owning(*owners))
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
    again = closure.close(graph({name: edges[name] for name in shuffled}), roots, owning(*owners))
    assert again == closure.close(graph(edges), roots, owning(*owners))


# -- range and exact ---------------------------------------------------------------------------------

MINIMAL, RANGE, EXACT = ClosureMode.MINIMAL, ClosureMode.RANGE, ClosureMode.EXACT


def pinning(edges: Mapping[str, Sequence[str]], version: str = "36.0.19") -> ImportedRelease:
    """A release; what is written with ``=`` is pinned, all else floats."""
    pins = []
    for name, below in edges.items():
        wanted = [
            small.dependency(d.removeprefix("="), f"={version}" if d.startswith("=") else f"^{version}")
            for d in below
        ]
        pins.append(small.pin(name, wanted, version=version))
    return small.release(*pins, version=version)


# cranelift floats for its users, and pins math itself; entity floats for everybody
PINNED = {
    "wasmtime": ("=environ", "=fiber", "=cranelift"),
    "fiber": ("=asm",),
    "asm": (),
    "environ": ("entity", "=types"),
    "types": (),
    "cranelift": ("codegen", "=environ"),
    "codegen": ("entity", "bforest", "=math", "=isle"),
    "isle": (),
    "math": (),
    "bforest": ("entity",),
    "entity": (),
}


def test_a_range_forks_what_forks_pin_exactly_and_what_depends_on_that() -> None:
    release = pinning(PINNED)
    assert closure.close(release, ["wasmtime"], owning("fiber")).forked == ("fiber", "wasmtime")
    found = closure.close(release, ["wasmtime"], owning("fiber"), RANGE)
    assert set(found.forked) == {"fiber", "wasmtime", "asm", "environ", "types", "cranelift"}
    # nothing that is forked pins codegen: it floats, and so does what it pins
    assert set(found.shared) == {"codegen", "bforest", "entity", "isle", "math"}
    assert found.apart == {"fiber", "asm", "environ", "types", "cranelift"}


def test_a_range_is_a_fixpoint_over_pins() -> None:
    release = pinning({**PINNED, "cranelift": ("=codegen",)})
    found = closure.close(release, ["wasmtime"], owning("fiber"), RANGE)
    assert set(found.shared) == {"bforest", "entity"}
    assert found.reasons["math"] == "is pinned exactly by codegen: two releases of 36.x need two of it"
    assert found.reasons["environ"] == "is pinned exactly by wasmtime: two releases of 36.x need two of it"
    assert found.reasons["wasmtime"] == "depends on cranelift, environ and fiber"


def test_a_pin_of_many_names_two_of_them() -> None:
    edges = {
        "wasmtime": ("a", "b", "c", "=deep"),
        "a": ("=deep",),
        "b": ("=deep",),
        "c": ("=deep",),
        "deep": (),
    }
    found = closure.close(pinning(edges), ["wasmtime"], owning("a", "b", "c"), RANGE)
    assert found.reasons["deep"].startswith("is pinned exactly by a, b and 2 more: ")


def test_what_only_tests_pin_is_not_pinned() -> None:
    dev = small.dependency("asm", "=1.0.0", kind=DependencyKind.DEV)
    release = small.release(small.pin("wasmtime", [dev, small.dependency("asm", "^1")]), small.pin("asm"))
    assert closure.close(release, ["wasmtime"], owning("wasmtime"), RANGE).shared == ("asm",)


@pytest.mark.parametrize(
    "edge",
    [
        small.dependency("asm", "=1.0.0", optional=True),
        small.dependency("asm", "=1.0.0", kind=DependencyKind.BUILD),
        small.dependency("asm", "=1.0.0", target="cfg(windows)"),
        small.dependency("asm", "=1.0.0", alias="known-as"),
    ],
    ids=["optional", "build", "target", "renamed"],
)
def test_every_way_to_pin_a_crate_counts(edge: Dependency) -> None:
    release = small.release(small.pin("wasmtime", [edge]), small.pin("asm"))
    assert closure.close(release, ["wasmtime"], owning("wasmtime"), RANGE).forked == ("asm", "wasmtime")


def test_exact_forks_every_crate_that_the_roots_reach() -> None:
    found = closure.close(pinning(PINNED), ["wasmtime"], owning("fiber"), EXACT)
    assert set(found.forked) == set(PINNED)
    assert found.shared == ()
    assert found.reasons["fiber"] == "has a link-time name"
    assert found.reasons["environ"].startswith("is pinned exactly by ")
    assert found.reasons["entity"] == "is upstream's: exact forks every crate"
    assert found.apart == {"fiber", "asm", "environ", "types", "cranelift", *SHARED_IN_RANGE}


SHARED_IN_RANGE = {"codegen", "bforest", "entity", "isle", "math"}


@st.composite
def pinned_cases(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], list[str], list[str]]:
    edges, roots, owners = draw(cases())
    marked = {
        name: tuple(draw(st.sampled_from(["", "="])) + d for d in below) for name, below in edges.items()
    }
    return marked, roots, owners


def plain(edges: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(d.removeprefix("=") for d in below) for name, below in edges.items()}


@settings(deadline=None, max_examples=60)
@given(pinned_cases())
def test_no_fork_of_a_range_pins_what_is_shared_and_none_is_forked_without_need(
    case: tuple[dict[str, tuple[str, ...]], list[str], list[str]],
) -> None:
    edges, roots, owners = case
    release = pinning(edges)
    found = closure.close(release, roots, owning(*owners), RANGE)
    forked, shared = set(found.forked), set(found.shared)
    names = plain(edges)
    # two of one range fit into one graph, and a shared crate depends on no fork
    assert not any(f"={d}" in edges[crate] for crate in forked for d in shared)
    assert not any(set(names[crate]) & forked for crate in shared)
    # every fork is one of minimal's, or pinned by a fork, or depends on a fork
    apart = owners if set(owners) & below(names, roots) else [*owners, *roots]
    everywhere = set(closure.close(release, list(edges), owning(*apart), RANGE).forked)
    least = set(closure.close(release, roots, owning(*owners)).forked)
    for crate in forked - least:
        pinned = any(f"={crate}" in edges[other] for other in everywhere)
        assert pinned or set(names[crate]) & forked


@settings(deadline=None, max_examples=60)
@given(pinned_cases())
def test_each_closure_holds_the_smaller_ones(
    case: tuple[dict[str, tuple[str, ...]], list[str], list[str]],
) -> None:
    edges, roots, owners = case
    release = pinning(edges)
    sets = [set(closure.close(release, roots, owning(*owners), mode).forked) for mode in ClosureMode]
    assert sets[0] <= sets[1] <= sets[2] == below(plain(edges), roots)


@settings(deadline=None, max_examples=60)
@given(pinned_cases(), st.sampled_from(ClosureMode))
def test_more_roots_add_forks_and_leave_the_others_as_they_are(
    case: tuple[dict[str, tuple[str, ...]], list[str], list[str]], mode: ClosureMode
) -> None:
    edges, roots, owners = case
    if not set(owners) & below(plain(edges), roots[:1]):
        return  # with nothing to keep apart the roots decide
    release = pinning(edges)
    few = closure.close(release, roots[:1], owning(*owners), mode)
    many = closure.close(release, roots, owning(*owners), mode)
    assert set(few.forked) <= set(many.forked)
    assert set(few.shared) <= set(many.shared)
