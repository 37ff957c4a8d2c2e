from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from series import small

from patchbot.errors import RewriteError
from patchbot.git.commits import CommitText
from patchbot.git.store import Store
from patchbot.model import Rewrite, TreeFile
from patchbot.series import message

TEXT = CommitText(message="a change\n\nwhy\n", author="a <a@invalid>", date="0 +0000")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.git") as store:
        yield store


def mail_of(
    store: Store, before: dict[str, bytes], after: dict[str, bytes], text: CommitText = TEXT
) -> bytes:
    base = store.commit_tree([TreeFile(path, data) for path, data in before.items()], TEXT)
    (commit,) = store.commit_series(base, [([TreeFile(p, data) for p, data in after.items()], text)])
    (mail,) = store.mails(base, commit)
    return mail


def test_the_message_says_what_why_and_from_what(store: Store) -> None:
    release = small.imported(store)
    rewrite = small.rewrites()[0]
    assert message.message(rewrite, small.RULES["suffix-c"], release, small.SUFFIX) == (
        "suffix-c: give the names of C files the suffix\n"
        "\n"
        "C has no namespaces.\n"
        "\n"
        "The suffix is _8_0_1_pb. This patch is generated: it is made anew for each release,\n"
        "never merged. Change the rule, not the patch.\n"
        "\n"
        "Upstream-Release: 8.0.1\n"
        "Upstream-Commit: 0123456789abcdef0123456789abcdef01234567\n"
        "Patchbot-Rule: suffix-c digest-c\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        (b"a\nb\nc\n", b"a\nB\nC\nD\n", 3, 2),
        (b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n", 1, 1),
        (b"a\nb\r\nc\rd\n", b"a\nB\r\nc\rd\n", 1, 1),
        (b"a\nb", b"a\nc", 1, 1),
        (b"a\nb", b"a\nb\n", 1, 1),
        (b"a\n", b"", 0, 1),
        (b"", b"a\nb\n", 2, 0),
        (b"caf\xe9 \x85 x\ny\n", b"caf\xe9 \x85 z\ny\n", 1, 1),
        ("\u2028 x \x0c \x1c y\nz\n".encode(), "\u2028 X \x0c \x1c y\nz\n".encode(), 1, 1),
        (b"x\r-y\x0c-z\n", b"x\n", 1, 1),
        (b"\xe9\x85-y\n", b"\xe9\n", 1, 1),
        (b"-- a\n++ b\n", b"-- c\n++ d\n", 2, 2),
        (b"x\n-- \nFrom me\ndiff --git a/q b/q\n", b"y\n-- \nFrom me\ndiff --git a/q b/q\n", 1, 1),
    ],
    ids=[
        "lines", "crlf", "mixed", "no-final-newline", "newline-added", "emptied", "filled", "not-utf8",
        "odd-separators", "cr-inside", "latin-1-inside",
        "looks-like-a-header", "looks-like-a-mail",
    ],
)  # fmt: skip
def test_lines_are_counted_as_git_counts_them(
    store: Store, before: bytes, after: bytes, added: int, removed: int
) -> None:
    exported = mail_of(store, {"src/a.c": before, "src/other.c": b"o\n"}, {"src/a.c": after})
    assert message.diffstat(exported) == message.Diffstat(("src/a.c",), added, removed)


def test_files_are_counted_together_in_the_order_of_the_mail(store: Store) -> None:
    exported = mail_of(store, {"b.c": b"1\n", "a/z.c": b"1\n"}, {"b.c": b"2\n3\n", "a/z.c": b"2\n"})
    assert message.diffstat(exported) == message.Diffstat(("a/z.c", "b.c"), 3, 2)


def test_new_removed_renamed_and_binary_files_are_named() -> None:
    text = b"""\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: a <a@invalid>
Subject: shapes

diff --git a/gone.c b/gone.c
deleted file mode 100644
index 1111111..0000000
--- a/gone.c
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
diff --git a/fresh.c b/fresh.c
new file mode 100644
index 0000000..2222222
--- /dev/null
+++ b/fresh.c
@@ -0,0 +1 @@
+a
diff --git a/old name.c b/new name.c
similarity index 90%
rename from old name.c
rename to new name.c
index 1111111..2222222 100644
--- a/old name.c
+++ b/new name.c
@@ -1,2 +1,2 @@
 a
-b
+c
diff --git a/blob.bin b/blob.bin
index 1111111..2222222 100644
GIT binary patch
literal 4
LcmYdfNag|n0$2dg

literal 4
LcmYdfNa6wj0#*Rd

"""
    assert message.diffstat(text) == message.Diffstat(("gone.c", "fresh.c", "new name.c", "blob.bin"), 2, 3)


def test_a_mail_without_a_diff_changes_nothing() -> None:
    assert message.diffstat(b"") == message.Diffstat((), 0, 0)


def test_a_mail_that_changes_exactly_the_files_of_its_rewrite_passes(store: Store) -> None:
    exported = mail_of(store, {"a.c": b"1\n", "b.c": b"1\n"}, {"a.c": b"2\n", "b.c": b"2\n"})
    rewrite = Rewrite("suffix-c", "d", {"b.c": b"2\n", "a.c": b"2\n"})
    assert message.check(exported, rewrite.name, rewrite.files) == message.Diffstat(("a.c", "b.c"), 2, 2)


@pytest.mark.parametrize(
    ("named", "odd"),
    [({"a.c", "b.c", "c.c"}, "c.c"), ({"a.c"}, "b.c"), ({"c.c"}, "a.c, b.c, c.c"), (set[str](), "a.c, b.c")],
)
def test_a_mail_that_changes_other_files_than_its_rewrite_is_refused(
    store: Store, named: set[str], odd: str
) -> None:
    exported = mail_of(store, {"a.c": b"1\n", "b.c": b"1\n"}, {"a.c": b"2\n", "b.c": b"2\n"})
    with pytest.raises(RewriteError) as told:
        message.check(exported, "suffix-c", named)
    assert str(told.value) == f"suffix-c: the exported patch and the rewrite differ in {odd}"


def test_a_path_that_git_quotes_is_refused_rather_than_taken_for_another(store: Store) -> None:
    exported = mail_of(store, {"f\u00f6.c": b"1\n"}, {"f\u00f6.c": b"2\n"})
    with pytest.raises(RewriteError, match="differ in"):
        message.check(exported, "suffix-c", ["f\u00f6.c"])


def test_a_message_that_reads_like_a_diff_is_refused(store: Store) -> None:
    text = dataclasses.replace(TEXT, message="a change\n\n--- a/not.c\n+++ b/not.c\n@@ -1 +1 @@\n-a\n+b\n")
    exported = mail_of(store, {"a.c": b"1\n"}, {"a.c": b"2\n"}, text)
    with pytest.raises(RewriteError, match=r"differ in not\.c"):
        message.check(exported, "suffix-c", ["a.c"])
