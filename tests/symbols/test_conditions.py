from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.symbols.conditions import ModuleTree, either, join, simplify

# -- expressions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], ""),
        ([""], ""),
        (["unix"], "unix"),
        (["unix", "unix"], "unix"),
        (["unix", "", "miri"], "all(unix, miri)"),
        (["all(unix, miri)", "unix"], "all(unix, miri)"),
        (["all(unix, all(miri, not(test)))"], "all(unix, miri, not(test))"),
        (["all(unix)"], "unix"),
        (["any(a, b)", "any(a, b)"], "any(a, b)"),
        (['target_arch = "x86"', 'not(target_arch = "arm")'], 'target_arch = "x86"'),
        (['not(target_os = "macos")', 'target_os = "linux"'], 'target_os = "linux"'),
        (['not(target_os = "macos")', 'target_arch = "arm"'], 'all(not(target_os = "macos"), target_arch = "arm")'),
        (["not(windows)", "unix"], "unix"),
        (["not(windows)"], "not(windows)"),
        (["not(unix)", "windows"], "all(not(unix), windows)"),
        (['not(feature = "a")', 'feature = "b"'], 'all(not(feature = "a"), feature = "b")'),
    ],
)  # fmt: skip
def test_conditions_that_all_hold_are_one_expression(conditions: list[str], expected: str) -> None:
    assert join(conditions) == expected


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "a"], "a"),
        (["a", "b", "a"], "any(a, b)"),
        (["a", ""], ""),
        (["all(a, b)", "c"], "any(all(a, b), c)"),
    ],
)
def test_alternatives_are_one_expression(alternatives: list[str], expected: str) -> None:
    assert either(alternatives) == expected


ATOMS = ["unix", "windows", 'target_arch = "x86"', 'target_arch = "arm"', 'target_os = "linux"', "miri"]
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map("not({})".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"all({', '.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"any({', '.join(parts)})"),
    ),
    max_leaves=5,
)


@given(st.lists(CONDITIONS, max_size=4))
@small.quick
def test_simplifying_twice_changes_nothing(conditions: list[str]) -> None:
    once = simplify(conditions)
    assert simplify(once) == once
    assert simplify([join(conditions)]) == once


@given(st.lists(CONDITIONS, max_size=4))
@small.quick
def test_simplifying_keeps_the_meaning_on_every_target(conditions: list[str]) -> None:
    for arch, system in product(["x86", "arm", "s390x"], ["linux", "windows", "macos"]):
        for miri in (False, True):
            true = {f'target_arch = "{arch}"', f'target_os = "{system}"'}
            true |= {"windows" if system == "windows" else "unix"} | ({"miri"} if miri else set())
            before = all(holds(condition, true) for condition in conditions)
            assert holds(join(conditions) or "all()", true) == before


def holds(condition: str, true: set[str]) -> bool:
    """Evaluate a condition by its text, knowing nothing of the code under test."""
    name, bracket, rest = condition.partition("(")
    if not bracket:
        return condition in true
    parts, depth = [""], 0
    for char in rest[:-1]:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    values = [holds(part.strip(), true) for part in parts if part.strip()]
    return {"not": not all(values), "all": all(values), "any": any(values)}[name]


# -- modules ----------------------------------------------------------------------------------------


def conditions(files: Mapping[str, str], path: str) -> tuple[str, ...] | None:
    corpus = small.corpus({f"src/{name}": text for name, text in files.items()})
    tree = ModuleTree(frozenset(corpus.rust), corpus.facts, corpus.pathed)
    return tree.conditions(f"crates/runtime/src/{path}")


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        pytest.param({"lib.rs": ""}, "lib.rs", (), id="root"),
        pytest.param({"lib.rs": "mod a;", "a.rs": ""}, "a.rs", (), id="module"),
        pytest.param({"lib.rs": "#[cfg(unix)] mod a;", "a.rs": ""}, "a.rs", ("unix",), id="condition"),
        pytest.param({"lib.rs": "#[cfg(unix)] mod a;", "a/mod.rs": ""}, "a/mod.rs", ("unix",), id="mod.rs"),
        pytest.param(
            {"lib.rs": "#[cfg(unix)] mod a;", "a.rs": "#[cfg(miri)] mod b;", "a/b.rs": ""},
            "a/b.rs", ("all(unix, miri)",), id="nested",
        ),
        pytest.param(
            {"lib.rs": "mod a;", "a/mod.rs": "#[cfg(miri)] mod b;", "a/b/mod.rs": ""},
            "a/b/mod.rs", ("miri",), id="mod.rs in mod.rs",
        ),
        pytest.param(
            {"lib.rs": "#[cfg(unix)] mod a { #[cfg(miri)] mod b; }", "a/b.rs": ""},
            "a/b.rs", ("all(unix, miri)",), id="in an inline module",
        ),
        pytest.param(
            {"lib.rs": "mod x;", "x.rs": "mod a { #[cfg(miri)] mod b; }", "x/a/b.rs": ""},
            "x/a/b.rs", ("miri",), id="in an inline module of a file",
        ),
        pytest.param(
            {"lib.rs": '#[cfg(unix)] #[path = "other/place.rs"] mod a;', "other/place.rs": ""},
            "other/place.rs", ("unix",), id="path",
        ),
        pytest.param(
            {"lib.rs": "mod d;", "d/mod.rs": '#[cfg(miri)] #[path = "../e.rs"] mod a;', "e.rs": ""},
            "e.rs", ("miri",), id="path upwards",
        ),
        pytest.param(
            {"lib.rs": '#[cfg_attr(unix, path = "u.rs")] mod a;', "u.rs": ""}, "u.rs", (), id="path by cfg_attr"
        ),
        pytest.param(
            {"lib.rs": '#[cfg(unix)] #[path = "o.rs"] mod a; #[cfg(windows)] #[path = "o.rs"] mod b;', "o.rs": ""},
            "o.rs", ("any(unix, windows)",), id="two ways",
        ),
        pytest.param(
            {"lib.rs": '#[cfg(unix)] #[path = "o.rs"] mod a; #[path = "o.rs"] mod b;', "o.rs": ""},
            "o.rs", (), id="always, by one of two ways",
        ),
        pytest.param({"lib.rs": "", "a.rs": ""}, "a.rs", None, id="no module names it"),
        pytest.param({"lib.rs": "", "a.rs": "mod b;", "a/b.rs": ""}, "a/b.rs", None, id="its parent is no module"),
        pytest.param(
            {"a.rs": '#[path = "b.rs"] mod b;', "b.rs": '#[path = "a.rs"] mod a;'}, "a.rs", None, id="a cycle"
        ),
        pytest.param(
            {"lib.rs": "cfg_if! { if #[cfg(unix)] { mod a; } else if #[cfg(windows)] {} else { mod b; } }", "a.rs": "", "b.rs": ""},
            "b.rs", ("all(not(unix), not(windows))",), id="cfg_if",
        ),
        pytest.param({"lib.rs": "#![cfg(unix)]\nmod a;", "a.rs": ""}, "a.rs", ("unix",), id="inner attribute"),
    ],
)  # fmt: skip
def test_a_file_is_compiled_under_the_conditions_of_its_modules(
    files: dict[str, str], path: str, expected: tuple[str, ...] | None
) -> None:
    assert conditions(files, path) == expected


def test_conditions_inside_of_a_file_are_not_those_of_the_file() -> None:
    assert conditions({"lib.rs": "mod a;", "a.rs": "#![cfg(unix)]"}, "a.rs") == ()


@pytest.mark.parametrize(
    ("files", "astray"),
    [
        ({"lib.rs": '#[path = "a.inc"] mod a;', "a.inc": ""}, ["a"]),
        ({"lib.rs": '#[path = "../tests/a.rs"] mod a;'}, ["a"]),
        ({"lib.rs": '#[path = "../../../a.rs"] mod a;'}, ["a"]),
        ({"lib.rs": '#[path = "b.rs"] mod a;', "b.rs": ""}, []),
        ({"lib.rs": "mod a;"}, []),
        ({"lib.rs": '#[cfg(test)] #[path = "a.inc"] mod a;'}, []),
    ],
)
def test_modules_whose_path_leads_out_of_what_is_read(files: dict[str, str], astray: list[str]) -> None:
    corpus = small.corpus({f"src/{name}": text for name, text in files.items()})
    tree = ModuleTree(frozenset(corpus.rust), corpus.facts, corpus.pathed)
    assert [module.name for module in tree.astray()] == astray
