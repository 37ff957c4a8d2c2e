from __future__ import annotations

import email.utils
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbot.errors import PatchbotError, RepositoryError
from patchbot.series.mails import mail
from patchbot.series.mails.mail import Patch

DIFF = b"diff --git a/x b/x\nindex 0123456..89abcde 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
FROM = b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"


def parsed(head: bytes, diff: bytes = DIFF) -> Patch:
    return mail.parse(head + diff, "a-name", "p.patch")


def headed(field: bytes) -> Patch:
    return parsed(FROM + field + b"\n\n---\n\n")


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(RepositoryError) as caught:
        mail.parse(data, "a-name", "p.patch")
    where = caught.value.where or ""
    assert where.startswith("p.patch:")
    return caught.value.what, where.removeprefix("p.patch:")


def mailinfo(folder: Path, data: bytes) -> dict[str, str]:
    done = subprocess.run(
        ["git", "mailinfo", "-b", "message", "patch"], cwd=folder, input=data, capture_output=True, check=True
    )
    rows = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    return {key: value for key, _, value in (row.partition(": ") for row in rows)}


# -- headers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        (b"[PATCH] words", "words"),
        (b"[PATCH 2/5] words", "words"),
        (b"[RFC PATCH v2 03/10] words", "words"),
        (b"[PATCH 2/5] [tag] words", "[tag] words"),
        (b"[tag] words", "[tag] words"),
        (b"[DISPATCHER] words", "[DISPATCHER] words"),
        (b"words [PATCH] more", "words [PATCH] more"),
        (b"[PATCH]", ""),
        (b"a long\n subject in\n\trows", "a long subject in\trows"),
        (b"a: b: c", "a: b: c"),
        (b"raw \xc3\xa9", "raw é"),
        (b"raw latin \xe9", "raw latin \udce9"),
        (b"=?UTF-8?q?caf=C3=A9_au=20lait?=", "café au lait"),
        (b"=?UTF-8?B?Y2Fmw6k=?=", "café"),
        (b"=?iso-8859-1?q?caf=E9?=", "café"),
        (b"=?utf-8*en?q?caf=C3=A9?= x", "café x"),
        (b"=?UTF-8?q?one=20?=\n =?UTF-8?q?two?=", "one two"),
        (b"=?UTF-8?q?caf=C3?= =?UTF-8?q?=A9?=", "café"),
        (b"\xc3\xa9 =?UTF-8?q?=C3=A9?= \xc3\xa9", "é é é"),
        (b"=?nonsense?q?x?= y", "=?nonsense?q?x?= y"),
        (b"=?hex?q?00?=", "=?hex?q?00?="),
        (b"=?UTF-8?q?x", "=?UTF-8?q?x"),
        (b"=?UTF-8?q?a=0Ab=00c?=", "a b c"),
        (b"=?UTF-8?b?!!?=", ""),
    ],
)
def test_the_subject_is_read_as_people_see_it(subject: bytes, message: str) -> None:
    assert headed(b"Subject: " + subject).message == f"{message or 'a-name'}\n"


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        (b"Jo Doe <jo@doe.invalid>", "Jo Doe <jo@doe.invalid>"),
        (b'"Doe, Jo" <jo@doe.invalid>', "Doe, Jo <jo@doe.invalid>"),
        (rb'"Jo \"J\" Doe" <jo@doe.invalid>', 'Jo "J" Doe <jo@doe.invalid>'),
        (rb'"Jo \\ Doe" <jo@doe.invalid>', r"Jo \ Doe <jo@doe.invalid>"),
        (b"=?UTF-8?q?J=C3=B6?= Doe <jo@doe.invalid>", "Jö Doe <jo@doe.invalid>"),
        (b"=?UTF-8?q?J=C3=B6=20=E2=80=9CJ=E2=80=9D?= <jo@doe.invalid>", "Jö “J” <jo@doe.invalid>"),
        (b"J\xc3\xb6 <jo@doe.invalid>", "Jö <jo@doe.invalid>"),
        (b"J\xf6 <jo@doe.invalid>", "J\udcf6 <jo@doe.invalid>"),
        (b"O'Doe (at work) <jo@doe.invalid>", "O'Doe (at work) <jo@doe.invalid>"),
        (b"bot[bot] <1+bot@users.invalid>", "bot[bot] <1+bot@users.invalid>"),
        (b"jo@doe.invalid", "<jo@doe.invalid>"),
        (b"<jo@doe.invalid>", "<jo@doe.invalid>"),
        (b"Jo <>", "Jo <>"),
        (b"Jo <jo at doe>", "Jo <jo at doe>"),
        (b"Jo\n Doe\n <jo@doe.invalid>", "Jo Doe <jo@doe.invalid>"),
        (b"=?UTF-8?q?J=0A=3Cx=3E?= <jo@doe.invalid>", "J x <jo@doe.invalid>"),
    ],
)
def test_the_author_is_read_whatever_the_name(sender: bytes, author: str) -> None:
    assert headed(b"From: " + sender).author == author


@pytest.mark.parametrize(
    ("date", "raw"),
    [
        (b"Tue, 14 Nov 2023 18:43:20 -0330", "1700000000 -0330"),
        (b"Tue, 14 Nov 2023 22:13:20 +0000", "1700000000 +0000"),
        (b"Wed, 15 Nov 2023 03:58:20 +0545", "1700000000 +0545"),
        (b"14 Nov 2023 22:13:20 GMT", "1700000000 +0000"),
        (b"Thu, 1 Jan 1970 00:00:00 +0000", "0 +0000"),
        (b"Wed, 31 Dec 1969 20:30:00 -0330", "0 -0330"),
        (b"Sat, 7 Feb 2106 06:28:16 +0000", "4294967296 +0000"),
    ],
)
def test_the_date_keeps_its_zone(date: bytes, raw: str) -> None:
    assert headed(b"From: a <a@b>\nDate: " + date).date == raw


@pytest.mark.parametrize(
    "date",
    [
        *(b"", b"yesterday", b"99 99 9999 99:99:99 +0000", b"Mon, 1 Jan 99999999999 00:00:00 +0000"),
        *(
            b"Mon, 1 Jan 1900 00:00:00 +0000",
            b"Mon, 1 Jan 2024 00:00:00 +999999",
            b"1 Jan 2024 00:00:-1e9 +0000",
        ),
    ],
)
def test_a_date_that_is_none_is_refused(date: bytes) -> None:
    what, _ = refused(b"From: a <a@b>\nDate: " + date + b"\nSubject: x\n\n---\n" + DIFF)
    assert what.startswith("its Date: cannot be read")


@settings(max_examples=200)
@given(st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=40)))
def test_no_header_is_a_bug(value: bytes) -> None:
    for field in (b"Date: ", b"From: ", b"Subject: =?utf-8?b?", b"Content-Type: text/plain; charset="):
        try:
            mail.parse(b"Subject: x\n" + field + value + b"\n\n---\n" + DIFF, "n", "p.patch")
        except PatchbotError as error:
            assert str(error.where).startswith("p.patch:")  # noqa: PT017 - one of two good ends


WORDS = st.text(
    st.sampled_from("abcé“字 ,.:;[]()=?_-\\'") | st.characters(exclude_categories=["C", "Z"]),
    min_size=1,
    max_size=70,
).map(lambda text: " ".join(text.split()) or "x")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    subject=WORDS,
    name=WORDS.filter(lambda name: name.strip(".,:;<>\"\\' ") == name and not set(name) & set('<>"\n')),
)
def test_what_git_writes_is_read_as_git_reads_it(tmp_path: Path, subject: str, name: str) -> None:
    repo = tmp_path / "repo"
    if not repo.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", repo], check=True)
    text = subject.encode()
    who = name.encode() + b" <a@b.invalid> 1700000000 -0330"
    stream = b"commit refs/heads/x\nauthor %s\ncommitter %s\ndata %d\n%s\nM 644 inline f\ndata 1\na\n" % (
        who, who, len(text), text,
    )  # fmt: skip
    subprocess.run(["git", "-C", repo, "fast-import", "--quiet", "--force"], input=stream, check=True)
    data = subprocess.run(
        ["git", "-C", repo, "format-patch", "--root", "--stdout", "-1", "x"], capture_output=True, check=True
    ).stdout
    patch = mail.parse(data, "n", "p.patch")
    told = mailinfo(tmp_path, data)
    assert patch.message == f"{subject}\n"
    assert patch.author == f"{name} <a@b.invalid>"
    assert patch.date == "1700000000 -0330"
    # git takes what other programs put before an answer's subject: brackets and colons
    assert " ".join(told["Subject"].split()) == subject.lstrip(": ") or "[" in subject
    assert told["Email"] == "a@b.invalid" or "@" in name


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone is added
    st.integers(-24 * 60 + 1, 24 * 60 - 1),
)
def test_a_date_as_git_writes_it_is_read_as_pythons_own_reader_does(at: datetime, minutes: int) -> None:
    when = at.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    text = email.utils.format_datetime(when)
    parsed = email.utils.parsedate_tz(text)
    assert parsed is not None
    patch = mail.parse(b"From: a <a@b>\nDate: " + text.encode() + b"\nSubject: x\n\n" + DIFF, "n", "p.patch")
    assert int(patch.date.split()[0]) == email.utils.mktime_tz(parsed)
    assert patch.date.split()[1] == text.split()[-1].replace("-0000", "+0000")


# -- text -------------------------------------------------------------------------------------------


def test_a_patch_of_quilt_has_no_author_and_no_day() -> None:
    patch = parsed(b"What it is for.\nIn two lines.\n\n", DIFF.partition(b"\n")[2].partition(b"\n")[2])
    assert (patch.message, patch.author, patch.date) == ("What it is for.\nIn two lines.\n", "", "")
    assert [file.path for file in patch.files] == ["x"]


@pytest.mark.parametrize("text", [b"Note: words\nthat go on\n\n", b"Description: words\nOrigin: upstream\n"])
def test_words_that_begin_as_a_header_does_are_words(text: bytes) -> None:
    assert parsed(text).message == text.decode().strip("\n") + "\n"


def test_a_patch_without_words_has_its_name() -> None:
    assert parsed(b"").message == "a-name\n"
    assert parsed(b"\n\n").message == "a-name\n"


def test_what_follows_the_dashes_is_for_mail_readers() -> None:
    for dashes in (b"---", b"--- ", b"---\t"):
        assert (
            parsed(b"Subject: one\n\nbody\n\nmore\n" + dashes + b"\n x | 2 +-\n\n").message
            == "one\n\nbody\n\nmore\n"
        )
    assert parsed(b"Subject: one\n\n----\n -- \n---\n\n").message == "one\n\n----\n -- \n"


def test_words_that_look_like_a_mail_or_a_diff_stay_words() -> None:
    body = b"From here on\n>From x\n+ b\n@@ -1 +1 @@\n-- \nindex 1..2\n"
    assert parsed(b"Subject: one\n\n" + body + b"---\n\n").message == f"one\n\n{body.decode()}"


def test_a_message_with_the_head_of_a_diff_is_not_taken_for_less() -> None:
    what, line = refused(b"Subject: one\n\ndiff --git a/q b/q\nis what git says\n---\n\n" + DIFF)
    assert line == "3"
    assert "changes nothing" in what


def test_the_text_is_read_in_the_charset_that_it_says() -> None:
    head = b"Subject: one\nContent-Type: text/plain; charset=%s\n\ncaf\xe9\n---\n\n"
    assert parsed(head % b"ISO-8859-1").message == "one\n\ncafé\n"
    assert parsed(head % b'"iso-8859-15"; format=flowed').message == "one\n\ncafé\n"
    assert parsed(head % b"UTF-8").message == "one\n\ncaf\udce9\n"
    assert parsed(head % b"nonsense").message == "one\n\ncaf\udce9\n"


# -- what is no patch ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", "1", "has no diff"),
        (b"\n", "1", "has no diff"),
        (b"Subject: x\n\nwords\n---\n", "4", "has no diff"),
        (DIFF + b"\0", "8", "NUL"),
        (DIFF[:-1], "7", "in the middle of a line"),
        (b"Subject: x\nno header\n\n" + DIFF, "2", "no header"),
        (b"From: nobody\n\n" + DIFF, "1", "no address"),
        (b"Subject: x\nContent-Type: multipart/mixed; boundary=x\n\n" + DIFF, "1", "attachment"),
        (b"Subject: x\nContent-Type: text/html\n\n" + DIFF, "1", "attachment"),
        (b"Subject: x\nContent-Transfer-Encoding: base64\n\n" + DIFF, "1", "base64"),
        (b"Subject: x\nContent-Transfer-Encoding: Quoted-Printable\n\n" + DIFF, "1", "quoted-printable"),
        (
            b"Subject: x\n\n" + DIFF + b"-- \n2.39\n\n" + FROM + b"Subject: y\n\n" + DIFF,
            "13",
            "a second patch",
        ),
        (b"Subject: x\n\n" + DIFF + FROM + b"Subject: y\n\n" + DIFF, "10", "no diff"),
        (b"Subject: x\n\n" + DIFF + b"-- \n2.39\n" + DIFF, "12", "a second patch"),
        (b"Subject: x\n\n" + DIFF + b"-- \n2.39\n" + DIFF.partition(b"index")[2], "15", "a second patch"),
        (b"Subject: x\n" + b"X: " + b"y" * 200_000 + b"\n\n" + DIFF, "2", "no header"),
        ((b"Subject: x\n\n" + DIFF).replace(b"\n", b"\r\n"), "2", "no header"),
    ],
)
def test_what_is_no_patch_is_refused_with_its_line(data: bytes, line: str, what: str) -> None:
    told, where = refused(data)
    assert what in told
    assert where == line


@pytest.mark.parametrize(
    ("body", "author", "message"),
    [
        ("From: B <b@invalid>\n\nWhy.\n", "B <b@invalid>", "a: b\n\nWhy.\n"),
        ("\nFrom: B <b@invalid>\nSubject: other\n\nWhy.\n", "B <b@invalid>", "other\n\nWhy.\n"),
        ("Why.\nFrom: B <b@invalid>\n", "A <a@invalid>", "a: b\n\nWhy.\nFrom: B <b@invalid>\n"),
        ("Why.\nIndex: x\nmore\n", "A <a@invalid>", "a: b\n\nWhy.\n"),
        ("Why.\n--- a.txt\nmore\n", "A <a@invalid>", "a: b\n\nWhy.\n"),
        ("Why.\n---- four\n", "A <a@invalid>", "a: b\n\nWhy.\n---- four\n"),
    ],
)
def test_what_stands_in_the_text_is_read_as_git_reads_it(
    body: str, author: str, message: str, tmp_path: Path
) -> None:
    head = "From: A <a@invalid>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\nSubject: a: b\n\n"
    diff = "---\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
    data = f"{head}{body}{diff}".encode()
    patch = mail.parse(data, "x", "x.patch")
    assert (patch.author, patch.message) == (author, message)
    info = subprocess.run(
        ["git", "mailinfo", tmp_path / "msg", tmp_path / "patch"],
        input=data,
        capture_output=True,
        check=True,
        cwd=tmp_path,
    ).stdout.decode()
    fields = dict(line.split(": ", 1) for line in info.splitlines() if line)
    assert f"{fields['Author']} <{fields['Email']}>" == author
    text = (tmp_path / "msg").read_text().strip()
    assert f"{fields['Subject']}\n\n{text}\n" == message
