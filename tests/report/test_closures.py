from __future__ import annotations

from typing import Any

from patchbot.report import closures

FORKED: dict[str, Any] = {
    "release": "36.0.20",
    "suffix": "_36_0_20_pb",
    "closure": "range",
    "closure_reason": "36.0.19 and 36.0.20 are of one range, 36.x",
    "crates": [{"name": "wasmtime-v36-0-20", "sha256": "0123456789abcdef", "reason": "depends on fiber"}],
    "shared": ["cranelift-entity", "cranelift-bforest"],
}


def test_a_release_is_shown_with_its_closure_and_every_reason() -> None:
    assert closures.forks([FORKED, {**FORKED, "release": "8.0.1", "shared": []}]) == (
        "wasmtime 36.0.20, suffix _36_0_20_pb\n"
        "  closure range: 36.0.19 and 36.0.20 are of one range, 36.x\n"
        "  wasmtime-v36-0-20  0123456789ab  depends on fiber\n"
        "\n"
        "  as upstream has them: cranelift-entity, cranelift-bforest\n"
        "\n"
        "wasmtime 8.0.1, suffix _36_0_20_pb\n"
        "  closure range: 36.0.19 and 36.0.20 are of one range, 36.x\n"
        "  wasmtime-v36-0-20  0123456789ab  depends on fiber\n"
    )


ROW: dict[str, Any] = {
    "release": "8.0.1",
    "closure": "minimal",
    "closure_reason": "no other 8.x is asked for",
    "fork": "runtime-v8-0-1",
    "crate": "runtime",
    "version": "8.0.1",
    "state": "forked",
    "reason": "depends on fiber",
    "from_root": ["wasmtime", "jit", "runtime"],
    "to_apart": ["runtime", "fiber"],
    "apart": "has 3 link-time names",
    "wanted_by": [
        {"crate": "jit", "req": "=8.0.1", "kind": "normal", "optional": False, "target": None},
        {"crate": "other", "req": "^8.0.1", "kind": "build", "optional": True, "target": "cfg(unix)"},
    ],
}


def test_a_fork_is_shown_with_the_ways_up_and_down() -> None:
    assert closures.explained([ROW]) == (
        "wasmtime 8.0.1: runtime 8.0.1 is forked as runtime-v8-0-1\n"
        "  why      depends on fiber\n"
        "  closure  minimal: no other 8.x is asked for\n"
        "  needed   wasmtime → jit → runtime\n"
        "  down to  runtime → fiber, which has 3 link-time names\n"
        "  wanted   =8.0.1 by jit\n"
        "  wanted   ^8.0.1 by other (build, cfg(unix), optional)\n"
    )


def test_what_is_not_there_takes_two_lines_and_the_closure() -> None:
    row = {
        **ROW,
        "fork": None,
        "version": None,
        "state": "absent",
        "reason": "wasmtime 8.0.1 has no such crate",
    }
    row |= {"from_root": [], "to_apart": [], "wanted_by": []}
    assert closures.explained([row, row]).count("\n\n") == 1
    assert closures.explained([row]) == (
        "wasmtime 8.0.1: runtime is absent\n"
        "  why      wasmtime 8.0.1 has no such crate\n"
        "  closure  minimal: no other 8.x is asked for\n"
    )
