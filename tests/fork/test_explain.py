from __future__ import annotations

from fork import small

from patchbot.fork import closure
from patchbot.fork.explain import Explanation, explain
from patchbot.model import ClosureMode, DependencyKind

RELEASE = small.release(
    small.pin(
        "wasmtime",
        [
            small.dependency("jit", "=36.0.19"),
            small.dependency("environ", "=36.0.19"),
            small.dependency("cache", "=36.0.19", optional=True),
        ],
        version="36.0.19",
    ),
    small.pin("jit", [small.dependency("runtime", "=36.0.19")], version="36.0.19"),
    small.pin("runtime", [small.dependency("fiber", "=36.0.19", target="cfg(unix)")], version="36.0.19"),
    small.pin("fiber", version="36.0.19"),
    small.pin("environ", [small.dependency("entity", "^0.123.19")], version="36.0.19"),
    small.pin("cache", [small.dependency("fiber", "=36.0.19", kind=DependencyKind.DEV)], version="36.0.19"),
    small.pin("entity", version="0.123.19"),
    small.pin("wasi", [small.dependency("wasmtime", "=36.0.19")], version="36.0.19"),
    version="36.0.19",
)


def said(crate: str, mode: ClosureMode = ClosureMode.MINIMAL) -> Explanation:
    closed = closure.close(RELEASE, ["wasmtime"], {"fiber": "has 3 link-time names"}, mode)
    return explain(RELEASE, closed, crate)


def test_a_fork_is_explained_up_to_the_roots_and_down_to_a_name() -> None:
    found = said("runtime")
    assert (found.state, found.version, found.reason) == ("forked", "36.0.19", "depends on fiber")
    assert found.from_root == ("wasmtime", "jit", "runtime")
    assert found.to_apart == ("runtime", "fiber")
    assert found.apart == "has 3 link-time names"
    assert [(crate, d.req) for crate, d in found.wanted_by] == [("jit", "=36.0.19")]


def test_what_must_differ_by_itself_is_its_own_reason() -> None:
    found = said("fiber")
    assert (found.to_apart, found.apart) == (("fiber",), "has 3 link-time names")
    # what only tests want is not wanted
    assert [(crate, d.target) for crate, d in found.wanted_by] == [("runtime", "cfg(unix)")]


def test_a_pinned_crate_is_explained_by_those_who_pin_it() -> None:
    found = said("environ", ClosureMode.RANGE)
    assert found.state == "forked"
    assert found.reason == "is pinned exactly by wasmtime: two releases of 36.x need two of it"
    assert found.to_apart == ("environ",)


def test_a_shared_crate_says_which_version_cargo_takes() -> None:
    nothing = "nothing in it, nor in what it depends on, has to be kept apart; "
    assert said("environ").reason == (
        f"{nothing}it is pinned =36.0.19, so no other release of its range fits beside it"
    )
    found = said("entity", ClosureMode.RANGE)
    assert (found.state, found.to_apart) == ("shared", ())
    assert found.reason == f"{nothing}cargo takes the newest that fits ^0.123.19"
    assert found.from_root == ("wasmtime", "environ", "entity")


def test_what_no_root_needs_and_what_is_not_there_is_told() -> None:
    assert said("wasi").state == "unused"
    assert "[fork] roots" in said("wasi").reason
    absent = said("wasmtime-cli")
    assert (absent.state, absent.version) == ("absent", None)
    assert absent.reason == "wasmtime 36.0.19 has no such crate"


def test_an_explanation_becomes_json() -> None:
    assert said("cache").to_json() == {
        "crate": "cache",
        "version": "36.0.19",
        "state": "shared",
        "reason": said("cache").reason,
        "from_root": ["wasmtime", "cache"],
        "to_apart": [],
        "apart": "",
        "wanted_by": [
            {"crate": "wasmtime", "req": "=36.0.19", "kind": "normal", "optional": True, "target": None}
        ],
    }
