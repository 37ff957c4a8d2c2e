from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from series import small

from patchbot.cli import run_cli
from patchbot.model import Release, Suffix, Verdict
from patchbot.series import compare
from patchbot.series import lock as locks
from patchbot.series.compare import Pair, Side

LOCK = locks.Lock(
    release=small.RELEASE,
    suffix=small.SUFFIX,
    tool="wasmtime-patchbot 1.2.3",
    roots=("wasmtime",),
    commit=small.COMMIT,
    published="2023-04-20T12:34:56Z",
    base_tree="b" * 40,
    result_tree="c" * 40,
    patches=(),
    crates=(),
)

MAIL = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: a <a@invalid>
Date: Thu, 1 Jan 1970 00:00:00 +0000
Subject: suffix-c: {release}

diff --git a/a.c b/a.c
index {ids}
--- a/a.c
+++ b/a.c
@@ -{line},3 +{line},4 @@ int main(void)
 one
+#define enter enter_{version}_pb
+#define UPPER UPPER_{version}_PB
 {context}
 three
"""


def mail(release: str, *, line: int = 1, context: str = "two") -> bytes:
    text = MAIL.format(
        release=release,
        ids=f"{line:040}..{line:040} 100644",
        line=line,
        version=release.replace(".", "_"),
        context=context,
    )
    return text.encode()


def side(release: str, mails: Mapping[str, bytes], **verdicts: Verdict) -> Side:
    patches = tuple(
        locks.LockedPatch(name, "generated", "r", "d" * 64, verdict, ()) for name, verdict in verdicts.items()
    )
    parsed = Release.parse(release)
    suffix = Suffix(f"_{release.replace('.', '_')}_pb")
    return Side(dataclasses.replace(LOCK, release=parsed, suffix=suffix, patches=patches), mails)


def test_suffixes_line_numbers_and_blob_ids_are_no_difference() -> None:
    (row,) = compare.compare(
        side("8.0.1", {"c": mail("8.0.1")}, c=Verdict.REGENERATED),
        side("9.0.4", {"c": mail("9.0.4", line=77)}, c=Verdict.REGENERATED),
    )
    assert (row.pair, row.diff) == (Pair.SAME, ())


def test_a_patch_that_does_something_else_is_shown() -> None:
    (row,) = compare.compare(
        side("8.0.1", {"c": mail("8.0.1")}, c=Verdict.REGENERATED),
        side("9.0.4", {"c": mail("9.0.4", context="2")}, c=Verdict.REGENERATED),
    )
    assert row.pair is Pair.CHANGED
    assert "\n".join(row.diff) == snapshot("""\
--- 8.0.1
+++ 9.0.4
@@ -5,5 +5,5 @@
  one
 +#define enter enter_SUFFIX
 +#define UPPER UPPER_SUFFIX
- two
+ 2
  three\
""")


def test_patches_are_paired_by_name_and_never_by_likeness() -> None:
    rows = compare.compare(
        side("8.0.1", {"old": mail("8.0.1")}, old=Verdict.REGENERATED),
        side("9.0.4", {"new": mail("9.0.4")}, new=Verdict.REGENERATED),
    )
    assert [(row.name, row.pair, row.before, row.after) for row in rows] == [
        ("new", Pair.ONLY_TO, "", "regenerated"),
        ("old", Pair.ONLY_FROM, "regenerated", ""),
    ]


def test_a_patch_that_was_dropped_is_named_with_its_verdict() -> None:
    (row,) = compare.compare(
        side("8.0.1", {"c": mail("8.0.1")}, c=Verdict.SHIFTED),
        side("9.0.4", {}, c=Verdict.DROPPED_BY_POLICY),
    )
    assert (row.pair, row.before, row.after) == (Pair.ONLY_FROM, "shifted", "dropped-by-policy")


@pytest.mark.parametrize("json_too", [False, True])
def test_the_command_compares_what_is_committed(
    project: Path, capsys: pytest.CaptureFixture[str], *, json_too: bool
) -> None:
    for release, context in (("8.0.1", "two"), ("9.0.4", "\x1b[31mtwo")):
        made = side(release, {"c": mail(release, context=context)}, c=Verdict.REGENERATED)
        folder = project / "patches" / release
        folder.mkdir()
        (folder / "c.patch").write_bytes(made.mails["c"])
        (folder / "release.toml").write_bytes(locks.render(made.lock))
    assert run_cli(["diff", "8.0.1", "9.0.4", *(["--json"] if json_too else [])]) == 0
    out = capsys.readouterr().out
    if json_too:
        data = json.loads(out)
        assert [(p["name"], p["pair"]) for p in data["patches"]] == [("c", "changed")]
    else:
        assert out.splitlines()[:2] == [
            "patch  8.0.1        9.0.4",
            "c      regenerated  regenerated  changed",
        ]
        assert "\x1b" not in out, "what a patch says may not speak to the terminal"


def test_a_release_without_a_series_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["diff", "8.0.1", "9.0.4"]) == 2
    assert "8.0.1 has no series in" in capsys.readouterr().err
