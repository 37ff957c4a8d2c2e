from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.errors import RepositoryError
from patchbot.model.paths import escapes, not_portable
from patchbot.series.lines import Change
from patchbot.series.mails import diffs
from patchbot.series.mails.diffs import FileDiff

ZERO, OLD, NEW = "0" * 40, "1" * 40, "2" * 40
HUNK = "@@ -1 +1 @@\n-a\n+b\n"


def parse(text: str | bytes, *, strict: bool = True) -> tuple[FileDiff, ...]:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return diffs.parse(data.split(b"\n")[:-1], "p.patch", first_line=11, strict=strict)


def refused(text: str | bytes, *, strict: bool = True) -> tuple[int, str]:
    """Return the line (from 1, of these lines) and what is wrong with it."""
    with pytest.raises(RepositoryError) as caught:
        parse(text, strict=strict)
    file, _, line = (caught.value.where or "").rpartition(":")
    assert file == "p.patch"
    return int(line) - 10, caught.value.what


def change(path: str, hunk: str = HUNK) -> str:
    return f"diff --git a/{path} b/{path}\nindex {OLD}..{NEW} 100644\n--- a/{path}\n+++ b/{path}\n{hunk}"


def creation(path: str, *, mode: str = "100644") -> str:
    head = f"diff --git a/{path} b/{path}\nnew file mode {mode}\nindex {ZERO}..{NEW}\n"
    return f"{head}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+b\n"


def deletion(path: str, *, mode: str = "100644") -> str:
    head = f"diff --git a/{path} b/{path}\ndeleted file mode {mode}\nindex {OLD}..{ZERO}\n"
    return f"{head}--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"


def rename(old: str, new: str, *, rest: str = "", word: str = "rename") -> str:
    head = f"diff --git a/{old} b/{new}\nsimilarity index 100%\n"
    return f"{head}{word} from {old}\n{word} to {new}\n{rest}"


# -- what is read -------------------------------------------------------------------------------------


def test_a_file_comes_changes_moves_and_goes() -> None:
    text = creation("new", mode="100755") + change("kept") + rename("from", "to") + deletion("gone")
    new, kept, moved, gone = parse(text)
    assert (new.old_path, new.new_path, new.new_mode, new.new_oid) == (None, "new", "100755", NEW)
    assert (kept.old_path, kept.new_path, kept.old_oid, kept.new_oid) == ("kept", "kept", OLD, NEW)
    assert (moved.old_path, moved.new_path, moved.hunks, moved.copied) == ("from", "to", (), False)
    assert (gone.old_path, gone.new_path, gone.old_mode, gone.old_oid) == ("gone", None, "100644", OLD)
    assert [file.line for file in (new, kept, moved, gone)] == [11, 18, 25, 29]
    assert [file.path for file in (new, kept, moved, gone)] == ["new", "kept", "to", "gone"]


def test_a_copy_leaves_its_source_and_may_be_made_twice() -> None:
    one, two, source = parse(rename("a", "b", word="copy") + rename("a", "c", word="copy") + change("a"))
    assert (one.copied, two.copied, source.copied) == (True, True, False)


def test_a_mode_alone_is_a_change() -> None:
    (file,) = parse("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n")
    assert (file.old_mode, file.new_mode, file.hunks) == ("100644", "100755", ())


def test_an_empty_file_has_no_hunk() -> None:
    (file,) = parse(f"diff --git a/x b/x\nnew file mode 100644\nindex {ZERO}..{NEW}\n")
    assert (file.old_path, file.new_path, file.hunks) == (None, "x", ())


def test_a_file_that_becomes_a_symlink_is_one_change() -> None:
    (file,) = parse(deletion("x") + creation("x", mode="120000"))
    assert (file.old_path, file.new_path, file.old_mode, file.new_mode) == ("x", "x", "100644", "120000")
    assert (file.old_oid, file.new_oid) == (OLD, NEW)
    assert file.hunks[0].changes == (Change(0, 1, (b"b\n",)),)


def test_lines_keep_their_bytes_and_changes_their_places() -> None:
    (file,) = parse(
        b"--- a/x\n+++ b/x\n@@ -3,6 +3,6 @@ fn f() {\n one\r\n-two\xff\n+2\n+2\n \n\n-last\n-x\n+y\n"
        b"\\ No newline at end of file\n"
    )
    (hunk,) = file.hunks
    assert hunk.start == 2
    assert hunk.old == (b"one\r\n", b"two\xff\n", b"\n", b"\n", b"last\n", b"x\n")
    assert hunk.new == (b"one\r\n", b"2\n", b"2\n", b"\n", b"\n", b"y")
    assert hunk.changes == (Change(3, 4, (b"2\n", b"2\n")), Change(6, 8, (b"y",)))


def test_lines_of_a_hunk_may_look_like_anything() -> None:
    (file,) = parse(
        change("x", "@@ -1,4 +1,4 @@\n--- a/y\n-- \n-diff --git\n @@ -1 +1 @@\n+++ b/y\n+From x\n+-- \n")
    )
    assert file.hunks[0].old[:2] == (b"-- a/y\n", b"- \n")
    assert file.hunks[0].new[-1] == b"-- \n"


@pytest.mark.parametrize("prefixes", [("a/", "b/"), ("i/", "w/"), ("linux.orig/", "linux/"), ("x/", "x/")])
def test_the_first_part_of_a_path_is_any_prefix(prefixes: tuple[str, str]) -> None:
    (file,) = parse(f"--- {prefixes[0]}d/x\t2024-01-01\n+++ {prefixes[1]}d/x\t2024-01-02\n{HUNK}")
    assert (file.old_path, file.new_path) == ("d/x", "d/x")


@pytest.mark.parametrize(
    ("quoted", "path"),
    [
        ("a/d/b b/d/b", "d/b"),
        ("a/x b/x b/x b/x", "x b/x"),
        ('"a/q\\"uote" "b/q\\"uote"', 'q"uote'),
        ('"a/\\303\\274" "b/\\303\\274"', "ü"),
        ('"a/\\351" "b/\\351"', "\udce9"),
        ('"a/\\a\\b\\t\\n\\v\\f\\r\\\\" "b/\\a\\b\\t\\n\\v\\f\\r\\\\"', "\a\b\t\n\v\f\r\\"),
    ],
)
def test_a_path_is_read_where_only_the_first_line_names_it(quoted: str, path: str) -> None:
    (file,) = parse(f"diff --git {quoted}\nold mode 100644\nnew mode 100755\n", strict=False)
    assert file.path == path


def test_a_signature_ends_a_patch() -> None:
    assert len(parse(change("x") + "-- \n2.39.5\n\n")) == 1
    assert len(parse(change("x") + "\n\n-- \nsome list\nhttps://list.invalid/--- \n")) == 1


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../x",
            "d/../x",
            "./x",
            "d//x",
            "d/.",
            "/x",
            "/etc/passwd",
            ".git/config",
            "d/.GIT/hooks/x",
            ".git",
        ),
        *("git~1/x", ".git /x", ".git./x", ".git:s/x", "C:/x", "c:x", ".g\u200cit/x", "d/"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_path_that_leaves_the_tree_is_refused_always(path: str, strict: bool) -> None:  # noqa: FBT001
    assert escapes(path)
    for text in (change(path), creation(path), deletion(path), rename("x", path), rename(path, "x")):
        line, what = refused(text, strict=strict)
        assert line == 1
        assert what.startswith(f"the path {path!r}")


@pytest.mark.parametrize(
    "path",
    ["nul", "d/CON.txt", "aux .c", "com1", "x/lpt9.rs", "a\\b", "a\tb", "a\u200bb", "x.", "x /y", "con:x"],
)
def test_a_path_that_some_systems_read_otherwise_is_refused_if_it_is_asked_for(path: str) -> None:
    assert not_portable(path)
    text = f'diff --git "a/{path}" "b/{path}"\nold mode 100644\nnew mode 100755\n'.replace(
        "\\", "\\\\"
    ).replace("\t", "\\t")
    assert refused(text)[0] == 1
    assert parse(text, strict=False)[0].path == path


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (change("x") + change("x"), 8, "twice"),
        (change("x") + rename("x", "y"), 8, "twice"),
        (rename("x", "y") + creation("x"), 5, "twice"),
        (creation("x") + deletion("x"), 8, "twice"),
        (deletion("x") + creation("x"), 8, "twice"),  # the same kind: git writes this as one
        ("diff --cc x\nindex 1..2\n", 1, "merge"),
        ("diff --combined x\nindex 1..2\n", 1, "merge"),
        (change("x") + "words\n" + change("y"), 8, "no diff"),
        (change("x") + "Index: y\n===\n" + change("y"), 8, "no diff"),
        (change("x", "@@ -1,2 +1,2 @@\n-a\n+b\n"), 5, "ends early"),
        (change("x", "@@ -1,2 +1,2 @@\n-a\n+b\n") + change("y"), 5, "ends early"),
        (change("x", "@@ -1,1 +1,2 @@\n-a\n+b\n x\n"), 5, "not what its header says"),
        (change("x", HUNK + " more\n"), 8, "no diff"),
        (change("x", HUNK + "+more\n"), 8, "no diff"),
        (change("x", "@@ -5,2 +5,2 @@\n x\n-a\n+b\n@@ -6 +6 @@\n-a\n+b\n"), 9, "before the end"),
        (change("x", "@@ -5 +5 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n"), 8, "before the end"),
        (change("x", "@@ -0 +0 @@\n-a\n+b\n"), 5, "before the end"),
        (change("x", "@@ -x +1 @@\n-a\n+b\n"), 5, "header cannot be read"),
        (change("x", "@@@ -1 -1 +1 @@@\n--a\n++b\n"), 5, "without a hunk"),
        (change("x", ""), 4, "without a hunk"),
        (change("x", "@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n"), 5, "without its end"),
        ("diff --git a/x b/x\n", 1, "changes nothing"),
        (f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\n", 1, "changes nothing"),
        ("diff --git a/x b/y\n", 1, "cannot be read"),
        ("diff --git x x\nold mode 100644\nnew mode 100755\n", 1, "no a/ or b/"),
        ("diff --git\n", 1, "no diff"),
        ("diff --git \n", 1, "cannot be read"),
        ("--- a/x\n", 1, "no a/ or b/"),
        ("--- x\n+++ x\n" + HUNK, 1, "no a/ or b/"),
        ("--- a/x\n+++ b/y\n" + HUNK, 1, "names two files"),
        ("--- /dev/null\n+++ /dev/null\n" + HUNK, 1, "comes and goes"),
        (change("x").replace("--- a/x\n+++ b/x", "--- a/y\n+++ b/y"), 1, "another file"),
        (rename("x", "y", rest="--- a/z\n+++ b/y\n" + HUNK), 1, "another file"),
        ("diff --git a/x b/y\nrename from x\n", 1, "one side"),
        ("diff --git a/x b/y\nrename from x\nrename from x\n", 3, "stands twice"),
        ("diff --git a/x b/x\nindex 12..34\n" + HUNK, 1, "index line"),
        (f"diff --git a/x b/x\nold mode 100600\nnew mode 100755\nindex {OLD}..{NEW}\n", 1, "no mode"),
        ("diff --git a/x b/x\nnew file mode 100644\ndeleted file mode 100644\n", 1, "comes and goes"),
        ("diff --git a/x b/y\ndeleted file mode 100644\ncopy from x\ncopy to y\n", 1, "comes or goes"),
        ('diff --git "a/x\\q" "b/x\\q"\nold mode 100644\nnew mode 100755\n', 3, "escape"),
        ('diff --git "a/x\\777" "b/x\\777"\nold mode 100644\nnew mode 100755\n', 3, "escape"),
        (f'diff --git a/x b/x\nindex {OLD}..{NEW} 100644\n--- "a/x\n+++ b/x\n{HUNK}', 7, "without its end"),
        ("diff --git a/x b/x\nBinary files a/x and b/x differ\n", 2, "without its bytes"),
        (
            f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\nGIT binary patch\nliteral 3\nA~~~~~\n\n",
            4,
            "damaged",
        ),
        (
            f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\nGIT binary patch\nliteral 0\nHcmV?d00001\n",
            4,
            "ends early",
        ),
        (
            f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\nGIT binary patch\nliteral 9999999999\nHcmV?d00001\n\n",
            4,
            "damaged",
        ),
        (
            f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\nGIT binary patch\nwords\n\n",
            4,
            "without a literal",
        ),
        (f"diff --git a/x b/x\nindex {OLD}..{NEW} 100644\nGIT binary patch\n", 3, "without a literal"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n", 1, "whole ids"),
        (
            "diff --git a/x b/x\nindex 1234567..89abcde\nGIT binary patch\nliteral 0\nHcmV?d00001\n\n",
            1,
            "whole ids",
        ),
        (change("x") + "-- \n2.39\ndiff --git a/y b/y\n", 10, "second patch"),
        (change("x") + "-- \n2.39\n--- a/y\n+++ b/y\n" + HUNK, 12, "second patch"),
    ],
)
def test_what_is_not_plainly_a_diff_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    found = refused(text)
    assert what in found[1]
    assert found[0] == line


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                *change("x").split("\n"),
                *creation("y").split("\n"),
                *rename("v", "w").split("\n"),
                "-- ",
                "GIT binary patch",
                "literal 0",
                "HcmV?d00001",
                "\\ No newline",
                "diff --git",
                "--- ",
                "+++ ",
                "@@ ",
            ]
        ),
        max_size=14,
    )
)
def test_any_lines_are_read_or_refused(rows: list[str]) -> None:
    try:
        files = parse("".join(f"{row}\n" for row in rows))
    except RepositoryError as error:
        assert str(error.where).startswith("p.patch:")  # noqa: PT017 - one of two good ends
        return
    assert all(file.path for file in files)
