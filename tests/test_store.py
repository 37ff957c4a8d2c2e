from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbot.errors import EnvironmentProblem, PatchbotError, RepositoryError
from patchbot.git import sealed
from patchbot.git import store as module
from patchbot.git.commits import CommitText, TreeChange
from patchbot.git.store import Store, TreeEntry
from patchbot.model import TreeFile

NOBODY = 65534
TEXT = CommitText(message="subject\n\nbody\n", author="A U Thor <a@invalid>", date="1700000000 +0100")

LINES = "".join(f"fn line_{number}() {{}}\n\n" for number in range(20))
BASE = (
    TreeFile("crates/a/src/lib.rs", LINES.encode()),
    TreeFile("crates/a/src/\u00e9 t\u00e9.rs", b"one\r\ntwo\r\n"),
    TreeFile("crates/a/empty", b""),
    TreeFile("crates/a/run.sh", b"#!/bin/sh", executable=True),
    TreeFile("crates/a/logo.bin", bytes(range(256))),
    TreeFile("crates/b/moved.txt", b"the same text\n" * 30),
)
STEPS = (
    (
        (
            TreeFile("crates/a/src/lib.rs", LINES.replace("line_3(", "line_3_8_0_1_pb(").encode()),
            TreeFile("crates/a/src/\u00e9 t\u00e9.rs", b"one\r\nthree\r\ntwo\r\n"),
        ),
        CommitText(
            message="suffix-rust: give names their suffix\n\nWhy: \u00fcber.\n\nUpstream-Release: 8.0.1\n",
            author="patchbot <patchbot@invalid>",
            date="1700000000 +0000",
        ),
    ),
    (
        (
            TreeFile("crates/a/empty", b"no longer"),
            TreeFile("crates/a/run.sh", b"#!/bin/sh\n", executable=True),
            TreeFile("crates/a/logo.bin", bytes(reversed(range(256)))),
            TreeFile("crates/b/copied.txt", b"the same text\n" * 30),
        ),
        CommitText(message="suffix-c: more\n", author="patchbot <patchbot@invalid>", date="1700000000 +0000"),
    ),
)

FIRST_MAIL = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: patchbot <patchbot@invalid>
Date: Tue, 14 Nov 2023 22:13:20 +0000
Subject: suffix-rust: give names their suffix
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit

Why: \u00fcber.

Upstream-Release: 8.0.1

diff --git a/crates/a/src/lib.rs b/crates/a/src/lib.rs
index 8cbcb347d82cfdc04e5e38fc1ee7a098283c75ab..f353fd051e4552fbf3179c28cafcaa8cce4cda68 100644
--- a/crates/a/src/lib.rs
+++ b/crates/a/src/lib.rs
@@ -4,7 +4,7 @@ fn line_1() {}
 \n\
 fn line_2() {}
 \n\
-fn line_3() {}
+fn line_3_8_0_1_pb() {}
 \n\
 fn line_4() {}
 \n\
diff --git "a/crates/a/src/\\303\\251 t\\303\\251.rs" "b/crates/a/src/\\303\\251 t\\303\\251.rs"
index 4e349b596c5c9d38a82829fafbaf52281c21e319..f1523abd94154f0b979b7d23d01f595ee4124b89 100644
--- "a/crates/a/src/\\303\\251 t\\303\\251.rs"\t
+++ "b/crates/a/src/\\303\\251 t\\303\\251.rs"\t
@@ -1,2 +1,3 @@
 one\r
+three\r
 two\r
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.git") as opened:
        yield opened


def files_of(store: Store, tree: str) -> list[TreeFile]:
    return list(store.read_files(store.list_tree(tree)))


def everything(folder: Path) -> dict[str, object]:
    """All that a series is, made in a new store."""
    with Store.open(folder / "store.git") as store:
        base = store.commit_tree(BASE, TEXT)
        commits = store.commit_series(base, STEPS)
        store.update_refs({"refs/patchbot/series/8.0.1": (commits[-1], None)})
        mails = store.mails(base, commits[-1])
        touched = {file.path for files, _ in STEPS for file in files}
        with store.checkout(store.tree_of(base), touched) as checkout:
            given = store.am(checkout, mails)
        return {
            "commits": (base, *commits),
            "mails": mails,
            "result": store.tree_of(commits[-1]),
            "applied": store.apply(store.tree_of(base), mails),
            "am": given,
            "refs": store.refs("refs/"),
            "files": files_of(store, commits[-1]),
        }


# -- a few files of a tree ----------------------------------------------------------------------------


def test_git_applies_a_series_to_just_the_files_that_it_touches(store: Store) -> None:
    base = store.commit_tree(BASE, TEXT)
    tip = store.commit_series(base, STEPS)[-1]
    mails = store.mails(base, tip)
    touched = {file.path for files, _ in STEPS for file in files}
    before = [entry for entry in store.list_tree(store.tree_of(base)) if entry.path in touched]
    after = {e.path: e for e in store.list_tree(store.tree_of(tip)) if e.path in touched}
    assert store.begin_applying(before, mails)() == after
    waits = [store.begin_applying(before, mails), store.begin_applying(before, mails[:1])]
    lib = "crates/a/src/lib.rs"
    assert [wait()[lib] for wait in waits] == [after[lib]] * 2
    with pytest.raises(RepositoryError, match="git apply failed"):
        store.begin_applying([], mails)()


def test_what_differs_between_two_trees_is_every_file_that_does(store: Store) -> None:
    base = store.commit_tree(BASE, TEXT)
    gone = BASE[0].path
    (tip,) = store.commit_series(base, [([TreeChange(gone), TreeChange("new", "100755", b"x")], TEXT)])
    found = store.find_changed(store.tree_of(base), store.tree_of(tip))
    assert found == {gone: None, "new": TreeEntry("new", "100755", store.digest(b"x"))}
    assert store.find_changed(store.tree_of(tip), store.tree_of(tip)) == {}


def test_objects_that_were_asked_for_ahead_are_those_that_git_has(store: Store) -> None:
    texts = [b"%d" % n * n for n in range(900)]
    store.commit_tree([TreeFile(str(n), text) for n, text in enumerate(texts)], TEXT)
    blobs = [store.digest(text) for text in texts]
    missing = "0" * 39 + "1"
    store.prefetch([*blobs, missing])
    found = [store.find_object(oid) for oid in reversed(blobs)]
    assert found == [("blob", text) for text in reversed(texts)]
    assert store.find_object(missing) is None
    made = store.write_blob(b"made since")  # what was not there may come
    store.prefetch([store.digest(b"made later")])
    store.write_blob(b"made later")
    assert store.find_object(made) == ("blob", b"made since")
    assert store.find_object(store.digest(b"made later")) == ("blob", b"made later")


# -- the same bytes everywhere ----------------------------------------------------------------------


def test_commits_and_mails_are_the_same_on_every_machine(tmp_path: Path) -> None:
    made = everything(tmp_path)
    commits, mails = made["commits"], made["mails"]
    assert isinstance(commits, tuple)
    assert isinstance(mails, tuple)
    assert mails[0].decode() == FIRST_MAIL
    assert commits == (
        "b0ea9644dec85370639deee184d4e9b3da56ab90",
        "052dac3eaaf7fc94fcf6330a93c7de5ccf7b183f",
        "1975c62b6e9fc01328981e460daaa6a4a8295779",
    )


def test_the_parts_of_a_series_agree(tmp_path: Path) -> None:
    made = everything(tmp_path)
    assert made["applied"] == made["result"]
    with Store.open(tmp_path / "store.git") as store:
        result = {entry.path: entry.oid for entry in store.list_tree(str(made["result"]))}
    touched = {file.path for files, _ in STEPS for file in files}
    assert made["am"] == {path: result[path] for path in touched}
    expected = {file.path: file for file in BASE} | {file.path: file for files, _ in STEPS for file in files}
    assert made["files"] == sorted(expected.values(), key=lambda file: os.fsencode(file.path))
    assert made["refs"] == {"patchbot/series/8.0.1": made["commits"][-1]}  # type: ignore[index]


HOSTILE_CONFIG = """\
[user]
    useConfigOnly = true
[commit]
    gpgSign = true
[gpg]
    program = false
[core]
    abbrev = 4
    attributesFile = {folder}/attributes
    autocrlf = true
    bigFileThreshold = 1
    eol = crlf
    fsmonitor = {folder}/fail
    hooksPath = {folder}/hooks
    ignoreCase = true
    pager = false
    quotePath = false
    safecrlf = true
    whitespace = trailing-space,cr-at-eol
    logAllRefUpdates = always
[init]
    templateDir = {folder}/template
    defaultBranch = hostile
    defaultObjectFormat = sha256
[diff]
    algorithm = patience
    context = 0
    external = {folder}/fail
    indentHeuristic = false
    interHunkContext = 20
    mnemonicPrefix = true
    noprefix = true
    orderFile = {folder}/order
    renames = copies
    suppressBlankEmpty = true
    wsErrorHighlight = all
[diff "odd"]
    textconv = rev
    xfuncname = ^fn (line_0)
    command = {folder}/fail
[filter "odd"]
    clean = rev
    smudge = rev
    required = true
[color]
    ui = always
[format]
    attach = true
    coverLetter = true
    cc = someone@invalid
    encodeEmailHeaders = false
    forceInBodyFrom = true
    from = me@invalid
    headers = "X-Hostile: yes\\n"
    noprefix = true
    notes = true
    numbered = true
    outputDirectory = {folder}/out
    pretty = oneline
    signOff = true
    signature = hostile
    subjectPrefix = HOSTILE
    suffix = .hostile
    thread = true
    to = someone@invalid
    useAutoBase = true
    mboxrd = true
[i18n]
    commitEncoding = ISO-8859-1
    logOutputEncoding = ISO-8859-1
[log]
    date = relative
    mailmap = true
    showSignature = true
[mailmap]
    file = {folder}/mailmap
[am]
    keepcr = false
    threeWay = true
    messageId = true
[apply]
    whitespace = error-all
    ignoreWhitespace = change
[mailinfo]
    scissors = true
[index]
    version = 4
[safe]
    bareRepository = explicit
[transfer]
    fsckObjects = true
[fastimport]
    unpackLimit = 0
[sendemail]
    confirm = always
[advice]
    detachedHead = true
"""

HOSTILE_ATTRIBUTES = (
    "* text eol=crlf working-tree-encoding=UTF-16 ident\n*.rs diff=odd filter=odd\n*.sh -diff\n"
)


def hostile_folder(folder: Path) -> Path:
    folder.mkdir()
    fail = folder / "fail"
    fail.write_text("#!/bin/sh\necho hostile\nexit 1\n")
    fail.chmod(0o755)
    (folder / "attributes").write_text(HOSTILE_ATTRIBUTES)
    (folder / "order").write_text("*.sh\n*.bin\n")
    (folder / "mailmap").write_text("Hostile <hostile@invalid> patchbot <patchbot@invalid>\n")
    for place in ("hooks", "template/hooks"):
        (folder / place).mkdir(parents=True)
        for hook in (
            "applypatch-msg",
            "pre-applypatch",
            "post-checkout",
            "reference-transaction",
            "post-index-change",
        ):
            (folder / place / hook).symlink_to(fail)
    (folder / "template" / "info").mkdir()
    (folder / "template" / "info" / "attributes").write_text(HOSTILE_ATTRIBUTES)
    (folder / "template" / "config").write_text("[diff]\n\tnoprefix = true\n[core]\n\tautocrlf = true\n")
    return folder


def hostile_world(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the machine of somebody who has set everything that can be set."""
    home = Path(os.environ["HOME"])
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "git"
    config.mkdir(parents=True)
    text = HOSTILE_CONFIG.format(folder=hostile_folder(folder))
    match kind:
        case "~/.gitconfig":
            (home / ".gitconfig").write_text(text)
        case "XDG config":
            (config / "config").write_text(text)
        case "XDG attributes":
            (config / "attributes").write_text(HOSTILE_ATTRIBUTES)
        case "attributes that make all binary":
            (config / "attributes").write_text("* -diff\n")
        case "no home":
            monkeypatch.delenv("HOME")
            monkeypatch.delenv("XDG_CONFIG_HOME")
        case "GIT_CONFIG_GLOBAL":
            (folder / "config").write_text(text)
            monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(folder / "config"))
        case "GIT_CONFIG_SYSTEM":
            (folder / "config").write_text(text)
            monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(folder / "config"))
            monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "0")
        case "GIT_CONFIG_COUNT":
            settings = {
                "diff.noprefix": "true",
                "core.attributesFile": f"{folder}/attributes",
                "core.autocrlf": "true",
            }
            for number, (key, value) in enumerate(settings.items()):
                monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
                monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
            monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
        case "GIT_CONFIG_PARAMETERS":
            monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'diff.noprefix=true' 'format.signature=hostile'")
        case "GIT_TEMPLATE_DIR":
            monkeypatch.setenv("GIT_TEMPLATE_DIR", str(folder / "template"))
        case "the words of the machine":
            for name, value in {
                "TZ": "Asia/Kathmandu", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "COLUMNS": "20", "TERM": "xterm",
                "EMAIL": "hostile@invalid", "EDITOR": "false", "PAGER": "false", "LESS": "x",
            }.items():  # fmt: skip
                monkeypatch.setenv(name, value)
        case name:
            monkeypatch.setenv(name, HOSTILE_VARIABLES[name].format(folder=folder))


HOSTILE_VARIABLES = {
    "GIT_DIR": "{folder}",
    "GIT_COMMON_DIR": "{folder}",
    "GIT_WORK_TREE": "{folder}",
    "GIT_INDEX_FILE": "{folder}/index",
    "GIT_OBJECT_DIRECTORY": "{folder}/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{folder}/objects",
    "GIT_NAMESPACE": "hostile",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_DIFF_OPTS": "-u0",
    "GIT_EXTERNAL_DIFF": "{folder}/fail",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ATTR_SOURCE": "HEAD",
    "GIT_AUTHOR_NAME": "hostile",
    "GIT_AUTHOR_DATE": "1 +0000",
    "GIT_COMMITTER_NAME": "hostile",
    "GIT_COMMITTER_EMAIL": "hostile@invalid",
    "GIT_COMMITTER_DATE": "1 +0000",
    "GIT_TRACE": "1",
    "GIT_EXEC_PATH": "{folder}",
    "GIT_QUARANTINE_PATH": "{folder}",
}
HOSTILE_WORLDS = [
    *("~/.gitconfig", "XDG config", "XDG attributes", "attributes that make all binary", "no home"),
    *(
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_TEMPLATE_DIR",
    ),
    *("the words of the machine", *HOSTILE_VARIABLES),
]


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What everything is in a clean world; a session's fixture is made before a test's world is."""
    return everything(tmp_path_factory.mktemp("honest"))


@pytest.mark.parametrize("kind", HOSTILE_WORLDS)
def test_nothing_of_the_callers_world_changes_a_byte(
    kind: str, tmp_path: Path, honest: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile_world(kind, tmp_path / "hostile", monkeypatch)
    assert everything(tmp_path) == honest


def test_the_hostile_settings_would_change_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # else the test above would prove nothing
    monkeypatch.setattr(sealed, "SEALED", {})
    honest = everything(tmp_path / "honest")
    for number, kind in enumerate(("~/.gitconfig", "XDG attributes", "attributes that make all binary")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as world:
            world.setenv("HOME", str(folder))
            world.setenv("XDG_CONFIG_HOME", str(folder / "config"))
            hostile_world(kind, folder / "hostile", world)
            try:
                assert everything(folder) != honest
            except PatchbotError:
                continue


def test_settings_that_say_how_to_reach_a_server_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
        "GIT_ASKPASS",
        "GIT_PROXY_COMMAND",
        "GIT_DIR",
        "GIT_EDITOR",
    ):
        monkeypatch.setenv(name, "x")
    sealed.seal_environment()
    kept = {name for name in os.environ if name.startswith("GIT_") and not name.startswith("GIT_PYTHON_")}
    assert kept == {"GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_ASKPASS", "GIT_PROXY_COMMAND"}


def test_attributes_in_the_tree_change_no_byte(store: Store) -> None:
    odd = TreeFile(".gitattributes", b"* -diff eol=crlf\n*.rs binary\n")
    bases = [store.commit_tree(files, TEXT) for files in (BASE, [*BASE, odd])]
    plain, attributed = (store.mails(base, store.commit_series(base, STEPS)[-1]) for base in bases)
    assert len(plain) == len(STEPS)
    assert plain == attributed


# -- odd names and contents -------------------------------------------------------------------------

ODD_NAMES = [
    *("a b", "two  spaces", " first", '"quoted"', 'in"side', '"', "\udcff\udcfe.bin", "-dash", "--help", "-"),
    *("tab\tname", "new\nline", '"\n"', "back\\slash", "\\303\\251", "\u00e9", "e\u0301", "#hash", "'single'", "$HOME"),
    *("deep/a b/\udcff/c", "*", "[x]", "?", ":colon", ":(top)x", "!bang", "~", "x.rs ", "\x01", "\r", "a=>b"),
    *("From ", "a => b", "{a,b}", "\u4e2d\u6587", "\U0001f980"),
]  # fmt: skip

ODD_LINES = [
    *(b"", b"x", b"\r", b"y\r", b"From a Mon Sep 17 00:00:00 2001", b">From b", b"-- ", b"---", b"-", b"+"),
    *(b"diff --git a/x b/x", b"--- a/x", b"+++ b/x", b"@@ -1 +1 @@", b"\\ No newline at end of file"),
    *(b"trailing  ", b"\t", b"\x0c", b"\x0b", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\xa9", b"=20", b"Subject: x"),
    *(b"index 0000..1111 100644", b"GIT binary patch", b"[PATCH] x", b"x" * 2000, b"-----BEGIN", b"\x1a", b"-- >8 --"),
]  # fmt: skip


def prove(store: Store, base: Sequence[TreeFile], *steps: Sequence[TreeFile]) -> str:
    """Send a series through mails, and back in with both of git's tools; return the result's tree."""
    first = store.commit_tree(base, TEXT)
    commits = store.commit_series(first, [(files, TEXT) for files in steps])
    mails = store.mails(first, commits[-1])
    result = store.tree_of(commits[-1])
    assert store.apply(store.tree_of(first), mails) == result
    touched = {file.path for files in steps for file in files}
    with store.checkout(store.tree_of(first), touched) as folder:
        given = store.am(folder, mails)
    assert given == {entry.path: entry.oid for entry in store.list_tree(result) if entry.path in touched}
    return result


def test_odd_names_come_back_as_they_are(store: Store) -> None:
    files = [TreeFile(name, os.fsencode(name), executable=len(name) % 2 == 0) for name in ODD_NAMES]
    in_order = sorted(files, key=lambda file: os.fsencode(file.path))
    assert files_of(store, store.commit_tree(files, TEXT)) == in_order


def test_odd_names_go_through_mails(store: Store) -> None:
    before = [TreeFile(name, b"a\nb\n") for name in ODD_NAMES[::2]]
    after = [TreeFile(name, b"a\nb\nc\n") for name in ODD_NAMES]
    result = prove(store, before, after)
    assert {file.path: file.data for file in files_of(store, result)} == dict.fromkeys(
        ODD_NAMES, b"a\nb\nc\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"x\n"),
        (b"x\n", b""),
        (b"", b"x"),
        (b"x", b"x\n"),
        (b"x\n", b"x"),
        (b"x", b"y"),
        (b"a\r\nb\r\n", b"a\r\nc\r\n"),
        (b"a\r\nb\n", b"a\nb\r\n"),
        (b"a\n" * 10 + b"b\r", b"a\n" * 10 + b"c\r"),
        (b"\0", b"\0\0"),
        (bytes(range(256)) * 40, bytes(range(255, -1, -1)) * 40),
        (b"text\n", b"\0binary"),
        (b"x\n" * 5000 + b"late \0\n", b"x\n" * 5000 + b"later \0\n"),
        (b"\xff\xfeu\0t\0f\0", b"\xff\xfeu\0t\0f\x008\0"),
        (b"\n".join(ODD_LINES), b"\n".join(ODD_LINES[::-1])),
    ],
)  # fmt: skip
def test_odd_contents_go_through_mails(store: Store, before: bytes, after: bytes) -> None:
    result = prove(store, [TreeFile("f", before)], [TreeFile("f", after)], [TreeFile("f", after + b"more\n")])
    assert files_of(store, result) == [TreeFile("f", after + b"more\n")]


lines = st.lists(st.sampled_from(ODD_LINES), max_size=12)
content = st.tuples(lines, st.booleans()).map(lambda c: b"\n".join(c[0]) + (b"\n" if c[1] else b""))


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the store only grows
)
@given(st.lists(st.tuples(content, content, content), min_size=6, max_size=10))
def test_any_contents_go_through_mails(store: Store, contents: list[tuple[bytes, bytes, bytes]]) -> None:
    states = [[TreeFile(f"{n}.rs", c[step]) for n, c in enumerate(contents)] for step in range(3)]
    steps = [[file for file in files if file not in before] for before, files in itertools.pairwise(states)]
    steps = [step for step in steps if step]
    if steps:
        assert files_of(store, prove(store, states[0], *steps)) == states[2]


def test_the_executable_bit_goes_through_mails(store: Store) -> None:
    before = [TreeFile("on", b"x\n"), TreeFile("off", b"x\n", executable=True), TreeFile("both", b"x\n")]
    after = [
        TreeFile("both", b"y\n", executable=True),
        TreeFile("new", b"z\n", executable=True),
        TreeFile("off", b"x\n"),
        TreeFile("on", b"x\n", executable=True),
    ]
    assert files_of(store, prove(store, before, after)) == after


@pytest.mark.parametrize(
    "data",
    [b"", b"a\r\nb", bytes(range(256)), b"$Id$\n", b"x" * 3_000_000],
    ids=["empty", "crlf", "every byte", "keyword", "3 MB"],
)
def test_blobs_keep_their_bytes(store: Store, data: bytes) -> None:
    oid = store.write_blob(data)
    assert store.read_blob(oid) == data
    assert oid == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - what git names blobs by


# -- commits ----------------------------------------------------------------------------------------


def parents(store: Store, commit: str) -> list[str]:
    return store._git("rev-list", "--parents", "-1", commit).decode().split()[1:]


def test_a_series_is_a_chain_on_its_base(store: Store) -> None:
    base = store.commit_tree(BASE, TEXT)
    first, second = store.commit_series(base, STEPS)
    assert (parents(store, base), parents(store, first), parents(store, second)) == ([], [base], [first])


def test_a_series_may_begin_anywhere_and_be_empty(store: Store) -> None:
    first, second = store.commit_series(None, STEPS)
    assert parents(store, first) == []
    assert parents(store, second) == [first]
    assert store.commit_series(first, []) == ()


def test_a_step_without_files_has_its_parents_tree_and_no_mail(store: Store) -> None:
    base = store.commit_tree(BASE, TEXT)
    (empty,) = store.commit_series(base, [((), TEXT)])
    assert empty != base
    assert store.tree_of(empty) == store.tree_of(base)
    assert store.mails(base, empty) == (b"",)


def test_a_commit_without_files_is_an_empty_tree(store: Store) -> None:
    assert files_of(store, store.commit_tree([], TEXT)) == []


def test_a_commit_says_just_what_it_was_told(store: Store) -> None:
    text = CommitText(
        message="\u00fcber\n\n \nFrom: x\n---\n\n\n", author="\u00c4 <\u00e4@invalid>", date="0 -0330"
    )
    commit = store.commit_tree([], text)
    head, _, message = store._git("cat-file", "commit", commit).decode().partition("\n\n")
    assert message == text.message
    assert head.splitlines()[1:] == [
        f"{who} \u00c4 <\u00e4@invalid> 0 -0330" for who in ("author", "committer")
    ]


def test_commits_are_reachable_from_no_ref(store: Store) -> None:
    store.commit_series(store.commit_tree(BASE, TEXT), STEPS)
    assert store.refs("refs/") == {}


def test_what_a_killed_run_left_is_not_built_upon(store: Store) -> None:
    expected = store.commit_tree(BASE, TEXT)
    left = store.commit_tree([TreeFile("left", b"")], TEXT)
    store.update_refs({f"refs/patchbot/scratch/{os.getpid()}": (left, None)})
    assert store.commit_tree(BASE, TEXT) == expected
    assert store.refs("refs/") == {}


@pytest.mark.parametrize("path", ["/absolute", "", "a//b", "a/"])
def test_a_path_that_git_refuses_is_told_and_leaves_no_ref(store: Store, path: str) -> None:
    with pytest.raises(RepositoryError, match="git fast-import failed: fatal"):
        store.commit_tree([TreeFile(path, b"")], TEXT)
    assert store.refs("refs/") == {}


def test_a_base_that_does_not_exist_is_told(store: Store) -> None:
    with pytest.raises(RepositoryError, match="git fast-import failed"):
        store.commit_series("1" * 40, STEPS)


# -- reading ----------------------------------------------------------------------------------------


def test_a_tree_is_listed_in_the_order_of_its_bytes_and_below_a_folder(store: Store) -> None:
    commit = store.commit_tree([TreeFile(path, b"") for path in ("b", "a/y", "a/x", "a.b", "ab/c")], TEXT)
    assert [entry.path for entry in store.list_tree(commit)] == ["a.b", "a/x", "a/y", "ab/c", "b"]
    assert [entry.path for entry in store.list_tree(commit, "a")] == ["a/x", "a/y"]
    assert [entry.path for entry in store.list_tree(commit, "a/x")] == ["a/x"]
    assert store.list_tree(commit, "none") == ()


def test_no_files_are_read_from_no_entries(store: Store) -> None:
    assert list(store.read_files([])) == []


@pytest.mark.parametrize("oid", ["1" * 40, "HEAD"])
def test_an_object_that_is_missing_is_told(store: Store, oid: str) -> None:
    present = store.list_tree(store.commit_tree([TreeFile("here", b"x")], TEXT))[0]
    with pytest.raises(RepositoryError, match="gone is no file: its object is missing"):
        list(store.read_files([present, module.TreeEntry("gone", "100644", oid), present]))
    with pytest.raises(RepositoryError, match="git cat-file failed"):
        store.read_blob(oid)


def test_what_is_no_file_is_told(store: Store) -> None:
    commit = store.commit_tree(BASE, TEXT)
    with pytest.raises(RepositoryError, match="sub is no file: its object is commit"):
        list(store.read_files([module.TreeEntry("sub", "160000", commit)]))
    with pytest.raises(RepositoryError, match="git ls-tree failed"):
        store.list_tree(store.write_blob(b""))


def test_names_that_do_not_exist_or_look_like_options_resolve_to_nothing(store: Store) -> None:
    for ref in ("refs/none", "--all", "--git-dir", "", "-h", "HEAD", "a..b"):
        assert store.resolve(ref) is None
    commit = store.commit_tree(BASE, TEXT)
    store.update_refs({"refs/patchbot/x": (commit, None)})
    assert store.resolve("refs/patchbot/x") == commit
    assert store.resolve("refs/patchbot/x^{tree}") == store.tree_of("refs/patchbot/x")
    with pytest.raises(RepositoryError):
        store.tree_of("--all")


# -- refs -------------------------------------------------------------------------------------------


def test_refs_are_listed_below_their_prefix(store: Store) -> None:
    commit = store.commit_tree(BASE, TEXT)
    blob = store.write_blob(b"{}")
    store.update_refs(
        {"refs/patchbot/lock/8.0.1": (blob, None), "refs/patchbot/upstream/8.0.1": (commit, None)}
    )
    assert store.refs("refs/patchbot/lock/") == {"8.0.1": blob}
    assert store.refs("refs/patchbot/") == {"lock/8.0.1": blob, "upstream/8.0.1": commit}
    assert store.refs("refs/patchbot/loc") == {}
    assert store.refs("refs/none/") == {}


def test_a_ref_moves_only_from_where_it_is_said_to_be(store: Store) -> None:
    one, two, three = (store.write_blob(data) for data in (b"1", b"2", b"3"))
    ref = "refs/patchbot/lock/8.0.1"
    store.update_refs({ref: (one, None)})
    for old in (None, two, three):
        with pytest.raises(RepositoryError, match="git update-ref failed"):
            store.update_refs({ref: (two, old)})
        assert store.resolve(ref) == one
    store.update_refs({ref: (two, one)})
    assert store.resolve(ref) == two
    with pytest.raises(RepositoryError, match="git update-ref failed"):
        store.update_refs({"refs/patchbot/lock/none": (one, two)})


def test_refs_move_together_or_not_at_all(store: Store) -> None:
    one, two = store.write_blob(b"1"), store.write_blob(b"2")
    store.update_refs({"refs/patchbot/a": (one, None), "refs/patchbot/z": (one, None)})
    for updates in (
        {"refs/patchbot/a": (two, one), "refs/patchbot/z": (two, two)},
        {"refs/patchbot/a": (two, two), "refs/patchbot/z": (two, one)},
        {"refs/patchbot/new": (two, None), "refs/patchbot/z": (two, None)},
        {"refs/patchbot/a": (two, one), "refs/patchbot/z": ("3" * 40, one)},
        {"refs/patchbot/a": (two, one), "refs/patchbot/../z": (two, None)},
    ):
        with pytest.raises(RepositoryError, match="git update-ref failed"):
            store.update_refs(updates)
        assert store.refs("refs/patchbot/") == {"a": one, "z": one}


def test_moving_no_refs_is_fine(store: Store) -> None:
    store.update_refs({})


# -- mails that do not fit --------------------------------------------------------------------------


def test_a_mail_that_does_not_apply_is_told_in_gits_words(store: Store) -> None:
    base = store.commit_tree([TreeFile("f", b"a\nb\nc\n")], TEXT)
    other = store.commit_tree([TreeFile("f", b"x\ny\nz\n")], TEXT)
    (commit,) = store.commit_series(base, [([TreeFile("f", b"a\nB\nc\n")], TEXT)])
    (mail,) = store.mails(base, commit)
    with pytest.raises(RepositoryError, match="git apply failed: error: patch failed: f:1"):
        store.apply(store.tree_of(other), [mail])
    with (
        store.checkout(store.tree_of(other), {"f"}) as folder,
        pytest.raises(RepositoryError, match="git am failed: error: patch failed: f:1"),
    ):
        store.am(folder, [mail])


def test_the_checkout_holds_just_the_paths_and_is_gone_afterwards(store: Store) -> None:
    tree = store.tree_of(store.commit_tree(BASE, TEXT))
    with store.checkout(tree, ["crates/a/run.sh", "crates/none"]) as folder:
        files = [p for p in folder.rglob("*") if p.is_file() and ".git" not in p.parts]
        assert [str(p.relative_to(folder)) for p in files] == ["crates/a/run.sh"]
        assert files[0].read_bytes() == b"#!/bin/sh"
        assert files[0].stat().st_mode & stat.S_IXUSR
        assert list((folder / ".git" / "hooks").glob("*")) == []
    assert not folder.exists()


def test_no_mails_leave_a_tree_as_it_is(store: Store) -> None:
    tree = store.tree_of(store.commit_tree(BASE, TEXT))
    assert store.apply(tree, []) == tree


# -- opening ----------------------------------------------------------------------------------------


def test_a_store_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.git"
    with Store.open(path) as store:
        commit = store.commit_tree(BASE, TEXT)
        store.update_refs({"refs/patchbot/x": (commit, None)})
        assert store.path == path
    with Store.open(path) as store:
        assert store.resolve("refs/patchbot/x") == commit
    assert [p.name for p in path.parent.iterdir()] == ["store.git"]
    assert list((path / "hooks").glob("*")) == []


@pytest.mark.parametrize("kind", ["a file", "an empty folder", "a folder", "a broken store"])
def test_what_is_no_repository_is_told_and_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store.git"
    match kind:
        case "a file":
            path.write_text("mine")
        case "an empty folder":
            path.mkdir()
        case "a folder":
            path.mkdir()
            (path / "mine").write_text("mine")
        case _:
            with Store.open(path):
                pass
            (path / "HEAD").unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RepositoryError, match="is not a git repository") as caught:
        Store.open(path)
    assert caught.value.where == str(path)
    assert "remove it and run again" in (caught.value.hint or "")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_may_not_be_written_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name)
        parent.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            for path in (parent / "store.git", parent / "deep" / "store.git"):
                with pytest.raises(EnvironmentProblem, match="cannot be made: Permission denied") as caught:
                    Store.open(path)
                assert caught.value.where == str(path)
        finally:
            if root:
                os.seteuid(0)
            parent.chmod(0o755)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be made"):
        Store.open(tmp_path / "file" / "store.git")


def test_a_store_that_could_not_be_finished_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        Store.open(tmp_path / "store.git")
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "there.git") as store:
        monkeypatch.setenv("PATH", str(tmp_path))
        for attempt in (
            lambda: Store.open(tmp_path / "new.git"),
            lambda: store.refs("refs/"),
            lambda: store.mails("HEAD", "HEAD"),
        ):
            with pytest.raises(EnvironmentProblem, match="git is not on PATH") as caught:
                attempt()
            assert "install git" in (caught.value.hint or "")
    assert [p.name for p in tmp_path.iterdir()] == ["there.git"]


def test_the_store_can_be_imported_where_git_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import patchbot.git.store"]
    subprocess.run(command, check=True, env={"PATH": str(tmp_path)}, capture_output=True)


def test_a_full_disk_for_gits_input_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(
        EnvironmentProblem, match="git hash-object cannot be given its input: No space"
    ) as caught:
        store.write_blob(b"x")
    assert "TMPDIR" in (caught.value.hint or "")


def test_one_index_for_all_packs_changes_nothing_but_speed(store: Store) -> None:
    lines = [b"%d\n" % n for n in range(200)]  # git keeps a hundred objects or fewer outside of packs
    commit = store.commit_tree([TreeFile(f"f{n}", line) for n, line in enumerate(lines)], TEXT)
    before = files_of(store, commit)
    lock = store.path / "objects" / "pack" / "multi-pack-index.lock"
    lock.touch()
    store.index_packs()  # somebody else is at it, or was killed: there is nothing to wait for
    assert not lock.with_suffix("").exists()
    lock.unlink()
    store.index_packs()
    assert lock.with_suffix("").exists()
    assert files_of(store, commit) == before
