from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.series.merge.trees import FOLDER, SYMLINK, Entry, Tree

FILE = Entry("100644", "f" * 40)
OTHER = Entry("100755", "e" * 40)
LINK = Entry(SYMLINK, "d" * 40)

Nested = dict[str, object]


def tree(*paths: str, **kinds: Entry) -> Tree:
    """Return a tree with files at these paths; its objects have the path of their folder for an id."""
    folders: dict[str, dict[str, Entry]] = {"": {}}
    for path in (*paths, *kinds):
        at = ""
        *parents, name = path.split("/")
        for part in parents:
            below = f"{at}/{part}"
            folders.setdefault(below, {})
            folders[at][part] = Entry(FOLDER, below)
            at = below
        folders[at][name] = kinds.get(path, FILE)
    return Tree("", lambda oid: folders[oid])


def test_a_path_is_looked_up_folder_by_folder() -> None:
    asked = []

    def read(oid: str) -> Mapping[str, Entry]:
        asked.append(oid)
        return {
            "root": {"d": Entry(FOLDER, "d-oid"), "e": Entry(FOLDER, "e-oid"), "x": FILE},
            "d-oid": {"y": FILE},
        }[oid]

    seen = Tree("root", read)
    assert seen.get("d/y") == FILE
    assert seen.get("d/nothing") is None
    assert seen.get("x/below") is None
    assert seen.get("d") == Entry(FOLDER, "d-oid")
    assert "e-oid" not in asked


def test_a_tree_of_nothing_takes_files() -> None:
    empty = Tree(None, lambda _: {})
    assert empty.get("a/b") is None
    empty.put("a/b", FILE)
    assert empty.get("a/b") == FILE
    assert empty.names("") == {"a"}
    assert empty.changes() == {"a/b": FILE}


def test_the_original_stays_to_be_seen() -> None:
    seen = tree("a")
    seen.put("a", None)
    assert seen.get("a") is None
    assert seen.original("a") == FILE


def test_a_file_may_become_a_folder_and_a_folder_a_file() -> None:
    seen = tree("a", "d/x")
    seen.put("a", None)
    assert seen.blocked("a/b") is None
    seen.put("a/b", FILE)
    assert seen.get("a") == Entry(FOLDER, "")
    assert seen.names("") == {"a", "d"}
    assert seen.blocked("a") == "a is a folder"
    assert seen.blocked("a/b/c") == "a/b is a file, no folder"
    seen.put("d/x", None)
    assert seen.blocked("d") is None
    seen.put("d", FILE)
    assert seen.blocked("d/x") == "d is a file, no folder"


def test_a_folder_is_gone_with_its_last_file() -> None:
    seen = tree("d/e/x", "d/e/y")
    seen.put("d/e/x", None)
    assert seen.names("") == {"d"}
    seen.put("d/e/y", None)
    assert seen.names("") == set()
    assert not seen.holds("d")
    seen.put("d/z", FILE)
    assert seen.names("d") == {"z"}


def test_no_file_goes_below_a_link() -> None:
    assert tree(link=LINK).blocked("link/x") == "link is a symlink, no folder"


@pytest.mark.parametrize(
    ("there", "new", "twin"),
    [
        ("README", "readme", "README"),
        ("src/x", "SRC/y", "src"),
        ("d/Straße", "d/strasse", "d/Straße"),
        ("d/\u00e9", "d/e\u0301", "d/\u00e9"),
        ("d/x", "d/y", None),
        ("d/x", "d/x", None),
        ("d/x", "d/X/y", "d/x"),
        ("a/x", "b/X", None),
    ],
)
def test_a_twin_is_another_name_for_the_same_file_somewhere(there: str, new: str, twin: str | None) -> None:
    seen = tree(there)
    assert seen.twin(new) == twin
    seen.put(there, None)
    assert seen.twin(new) is None
    seen.put(there, OTHER)
    assert seen.twin(new) == twin


def test_a_tree_without_some_files_is_for_looking_only() -> None:
    seen = tree("a", "d/x")
    less = seen.without(["a", "d/x"])
    assert (less.get("a"), less.holds("d"), less.blocked("a/b"), less.blocked("d")) == (
        None,
        False,
        None,
        None,
    )
    assert (seen.get("a"), seen.holds("d"), seen.changes()) == (FILE, True, {})


PATHS = ["a", "A", "a/b", "a/b/c", "d/x", "d/y", "d"]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(PATHS), max_size=4),
    st.lists(st.tuples(st.sampled_from(PATHS), st.booleans()), max_size=8),
)
def test_a_tree_is_what_a_list_of_its_files_says(start: list[str], moves: list[tuple[str, bool]]) -> None:
    files: set[str] = set()
    for path in start:
        if not any(path == f or path.startswith(f"{f}/") or f.startswith(f"{path}/") for f in files):
            files.add(path)
    seen = tree(*sorted(files))
    for path, put in moves:
        blocked = any(path.startswith(f"{f}/") or f.startswith(f"{path}/") for f in files)
        assert (seen.blocked(path) is not None) == blocked
        if put and not blocked:
            files.add(path)
            seen.put(path, OTHER)
        elif not put and path in files:
            files.remove(path)
            seen.put(path, None)
        for name in PATHS:
            entry = seen.get(name)
            assert (entry is not None and entry.mode != FOLDER) == (name in files)
            assert seen.holds(name) == any(f == name or f.startswith(f"{name}/") for f in files)
        assert seen.names("") == {f.split("/")[0] for f in files}
