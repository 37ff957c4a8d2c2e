from __future__ import annotations

from collections.abc import Mapping

import pytest
from symbols import small

from patchbot.symbols.conditions import ModuleTree


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
        pytest.param(
            {"lib.rs": 'cfg_select! { target_os = "linux" => { mod a; } _ => { mod b; } }', "a.rs": "", "b.rs": ""},
            "a.rs", ('target_os = "linux"',), id="cfg_select",
        ),
        pytest.param(
            {"lib.rs": 'cfg_select! { all(unix, target_arch = "arm") => { mod a; } _ => { mod b; } }', "a.rs": "", "b.rs": ""},
            "b.rs", ('not(all(unix, target_arch = "arm"))',), id="cfg_select, else",
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
