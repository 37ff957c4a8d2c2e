from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchbot.errors import RepositoryError, UsageError
from patchbot.series import folder

PATCH = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


def filled(place: Path, *names: str, order: str | bytes | None = None) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(PATCH)
    if order is not None:
        (place / "series").write_bytes(order.encode() if isinstance(order, str) else order)
    return place


def names(place: Path) -> list[str]:
    return [patch.name for patch in folder.read(place)]


def refused(place: Path) -> str:
    with pytest.raises(RepositoryError) as caught:
        folder.read(place)
    return str(caught.value).replace(str(place), "")


def test_the_order_file_has_the_say(tmp_path: Path) -> None:
    place = filled(tmp_path, "a.patch", "b.patch", "c.patch", order="c.patch\na.patch\n")
    assert names(place) == ["c", "a"]
    assert folder.unlisted(place) == ("b.patch",)


def test_without_an_order_file_it_is_that_of_the_names(tmp_path: Path) -> None:
    place = filled(tmp_path, "0010-b.patch", "0009-a.patch", "notes.txt", "0001-c.patch.orig")
    assert names(place) == ["0009-a", "0010-b"]
    assert folder.unlisted(place) == ()


def test_an_order_file_may_have_comments_blank_lines_and_what_quilt_writes(tmp_path: Path) -> None:
    order = "# the order\n\n  a.patch   # why\nsub/b.diff -p1\r\n#c.patch\nd"
    assert names(filled(tmp_path, "a.patch", "sub/b.diff", "c.patch", "d", order=order)) == [
        "a",
        "sub/b.diff",
        "d",
    ]


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("a.patch\nmissing.patch\n", "/series:2: names missing.patch, which is not there"),
        ("a.patch\n\na.patch\n", "/series:3: a.patch stands in line 1 already"),
        ("a.patch\n./a.patch\n", "/series:2: a.patch stands in line 1 already"),
        ("sub/a.patch\nsub//a.patch\n", "/series:2: sub/a.patch stands in line 1 already"),
        ("a.patch\na\n", "/series:2: a stands in line 1 already"),  # both would be exported as a.patch
        ("../a.patch\n", "/series:1: ../a.patch is outside the folder"),
        ("sub/../a.patch\n", "/series:1: sub/../a.patch is outside the folder"),
        ("/etc/passwd\n", "/series:1: /etc/passwd is outside the folder"),
        ("a.patch -p0\n", "/series:1: the options -p0 are not known here"),
        ("a.patch -p1 -R\n", "/series:1: the options -p1 -R are not known here"),
        ("sub\n", "/series:1: names sub, which is not there"),
        (b"\xff\xfe\n", "/series:1: names \udcff\udcfe, which is not there"),
        ("a.patch\x0cb\n", "/series:1: the options b are not known here"),
    ],
)
def test_a_wrong_line_of_the_order_is_named(tmp_path: Path, order: str | bytes, told: str) -> None:
    assert refused(filled(tmp_path, "a.patch", "a", "sub/a.patch", order=order)) == told


@pytest.mark.parametrize("order", [None, "", "# nothing\n\n"])
def test_a_folder_without_patches_is_told(tmp_path: Path, order: str | None) -> None:
    with pytest.raises(UsageError, match="has no patches"):
        folder.read(filled(tmp_path, order=order))


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_what_is_no_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text(PATCH)
    with pytest.raises(UsageError, match="no such folder"):
        folder.read(tmp_path / name)


def test_a_patch_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.patch").mkdir()
    assert refused(tmp_path) == "/a.patch: cannot be read: Is a directory"


def test_a_name_comes_of_a_subject() -> None:
    subjects = [
        "Fix: the thing!",
        "fix the thing",
        "FIX THE THING",
        "",
        "字",
        "x" * 90,
        "../../etc",
        "fix-the-thing-2",
    ]
    assert folder.slugs(subjects) == (
        *("Fix-the-thing", "fix-the-thing-2", "FIX-THE-THING-3", "patch", "patch-2", "x" * 52, "etc"),
        "fix-the-thing-2-2",
    )


@given(st.lists(st.text("aB-2 é/", max_size=6), max_size=12))
def test_names_are_as_many_as_subjects_and_no_two_alike(subjects: list[str]) -> None:
    found = folder.slugs(subjects)
    assert len(found) == len(subjects)
    assert len({name.lower() for name in found}) == len(found)
    assert all(name.replace("-", "").isalnum() for name in found)


def test_ten_thousand_patches_of_one_subject_have_names_at_once() -> None:
    assert folder.slugs(["wip"] * 10_000)[-1] == "wip-10000"
