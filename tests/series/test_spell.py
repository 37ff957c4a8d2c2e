"""A patch spelled from known changes is byte for byte what ``git format-patch`` makes of the commit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from patchbot.git.commits import CommitText, TreeChange
from patchbot.git.store import Store
from patchbot.series.lines import Change, split
from patchbot.series.mails import mail, spell
from patchbot.series.mails.spell import TextChange

COMMITS = 250
LINES = (
    *(
        b"fn one() {\n",
        b"    body\n",
        b"}\n",
        b"\n",
        b"  \n",
        b"\ttab\n",
        b"crlf\r\n",
        b"_under \t\n",
        b"$dollar\n",
    ),
    *(b"9 digit\n", b"\xff\xfe not text\n", b"- minus\n", b"+ plus\n", b"\\ back\n", b"@@ -1 +1 @@\n"),
    *(b"long " * 30 + b"\n", b"x" * 79 + b" y\n", b"-- \n", b"diff --git a/x b/x\n"),
)
PATHS = (*(f"{n}/{m}" for n in "abc" for m in ("d.rs", "d", "e/f")), "b-e", "b.f", "sp ace", "ü", 'q"')
SUBJECTS = (
    "short",
    "x" * 68,
    "x" * 69,
    "x" * 70,
    "two  blanks",
    "Größe",
    "=?utf-8?q?a?=",
    "a: b [c] (d)",
    "-- ",
)
BODIES = (
    "",
    "\none line\n",
    "\ntrailing \t\nblank lines\n\n\nbetween\n\n\n",
    "\nGrüße\n",
    "directly below\n",
    "\n  indented\n\ttab\n",
    "\n\n\nfar below\n",
    "\n\f\n",
    "\nends without\n\n \n",
    "\n---\nbelow a rule\n",
    "\nFrom me\n>From you\n",
)
AUTHORS = (
    "A U Thor <a@b.c>",
    "Alex J. Thor <a@b>",
    'A "Q" \\Thor <a@b>',
    "Ä <a@b>",
    "A  B <a@b>",
    f"{'n' * 60} <{'m' * 20}>",
    f"{'n' * 50} <{'m' * 19}>",
    f"{'n' * 50} <{'m' * 18}>",
    "a,b <a@b>",
    "=?q? <a@b>",
    "A <>",
)
DATES = (
    "0 +0000",
    "1700000000 +0000",
    "1700000000 -0130",
    "1719800000 +1245",
    "951782400 -1100",
    "4102444800 +0530",
)


class World:
    """A random history of a few files, as one who knows what every commit does would tell it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - nothing secret
        self.files: dict[str, tuple[str, bytes]] = {}

    def text(self) -> bytes:
        data = b"".join(self.rng.choices(LINES, k=self.rng.choice((0, 1, 3, 12, 40))))
        return data[:-1] if data and self.rng.random() < 0.2 else data

    def edited(self, data: bytes) -> bytes:
        lines = list(split(data))
        for _ in range(self.rng.randint(1, 3)):
            at = self.rng.randint(0, len(lines))
            lines[at : at + self.rng.randint(0, 2)] = self.rng.choices(LINES, k=self.rng.randint(0, 2))
        text = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)
        return text[:-1] if text and self.rng.random() < 0.2 else text

    def step(self) -> list[TreeChange]:
        out = []
        for path in sorted(self.rng.sample(PATHS, k=self.rng.randint(1, 3))):
            if path not in self.files:
                self.files[path] = (self.rng.choice(("100644", "100755")), self.text())
            elif self.rng.random() < 0.15:
                del self.files[path]
            else:
                mode, data = self.files[path]
                mode = self.rng.choice(("100644", "100755")) if self.rng.random() < 0.2 else mode
                self.files[path] = (mode, self.edited(data) if self.rng.random() < 0.9 else data)
            known = self.files.get(path)
            out.append(TreeChange(path, *known) if known else TreeChange(path))
        return out

    def choice(self, values: tuple[str, ...]) -> str:
        return self.rng.choice(values) if self.rng.random() < 0.4 else values[0]

    def words(self) -> CommitText:
        subject, body = self.choice(SUBJECTS), self.choice(BODIES)
        return CommitText(message=f"{subject}\n{body}", author=self.choice(AUTHORS), date=self.choice(DATES))


@pytest.mark.parametrize("seed", range(3))
def test_is_what_git_makes(tmp_path: Path, seed: int) -> None:
    world = World(seed)
    steps = [(world.step(), world.words()) for _ in range(COMMITS)]
    with Store.open(tmp_path / "store.git") as store:
        base = store.commit_tree([], CommitText(message="base\n", author="a <a@b>", date="0 +0000"))
        made = store.mails(base, store.commit_series(base, steps)[-1])
        spelled = 0
        before: dict[str, tuple[str, bytes]] = {}
        for (changes, text), want in zip(steps, made, strict=True):
            files = _known(store, before, changes, want)
            if files is None:
                continue
            got = spell.mail(message=text.message, author=text.author, date=text.date, files=files)
            if got is not None:
                spelled += 1
                assert got.decode("latin-1") == want.decode("latin-1")
    assert spelled > COMMITS // 8  # of much that is odd, the rest is left to git


def _known(
    store: Store, before: dict[str, tuple[str, bytes]], changes: list[TreeChange], want: bytes
) -> list[TextChange] | None:
    """Return what a commit does, with the places of its lines as git's own diff has them."""
    hunks: dict[str, tuple[Change, ...]] = {}
    if want:
        found = mail.parse(want, "x", "x", strict=False) if b"\ndiff --git" in want else None
        for file in found.files if found else ():
            hunks[file.path] = tuple(change for hunk in file.hunks for change in hunk.changes)
    out = []
    for change in changes:
        old = before.get(change.path)
        new = (change.mode, change.data) if change.mode else None
        if old == new:
            continue
        out.append(
            TextChange(
                path=change.path,
                old_mode=old[0] if old else "",
                new_mode=new[0] if new else "",
                old_oid=store.digest(old[1]) if old else "",
                new_oid=store.digest(new[1]) if new else "",
                old=split(old[1]) if old else (),
                changes=hunks.get(change.path, ()),
            )
        )
        if new:
            before[change.path] = new
        else:
            del before[change.path]
    return out or None
