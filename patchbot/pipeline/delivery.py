"""What a rebase gives: commits, and mails that stock git turns into the same tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.git.borrowed import Borrowed
from patchbot.git.commits import CommitText
from patchbot.git.store import TreeEntry
from patchbot.model import Verdict
from patchbot.pipeline.gitobjects import tree_changes
from patchbot.series.lines import Change
from patchbot.series.mails import mail, spell
from patchbot.series.mails.mail import Patch
from patchbot.series.mails.spell import TextChange
from patchbot.series.merge import rebase
from patchbot.series.merge.rebase import Outcome, Rebased
from patchbot.series.merge.trees import FOLDER, PLAIN, Entry

_NOBODY = "patchbot <patchbot@invalid>"
_RUN = 10  # patches for which a git of their own pays
_SIDE_BY_SIDE = 2
_BUG = "this is a bug in patchbot: please report it with the series"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The last commit of a series, its tree, and the mails of the result by patch."""

    tip: str
    tree: str
    mails: Mapping[str, bytes]


def deliver(store: Borrowed, done: Rebased, onto: str, onto_tree: str) -> Delivered:
    """Commit what was rebased onto the commit ``onto``, spell it as mails, and prove both.

    The text of a patch that fits as it is stays as it is.  git writes the commits while the mails are spelled.
    Raises ``RepositoryError`` if stock git makes another tree of the mails, or of the commits.
    """
    applied = done.applied
    if not applied:
        return Delivered(onto, onto_tree, {})
    texts = [_words(store, outcome.patch, onto) for outcome in applied]
    steps = [
        (tree_changes(outcome.changes, done.blobs), text)
        for outcome, text in zip(applied, texts, strict=True)
    ]
    wait = store.begin_series(onto, steps)
    drafts = _drafts(done)
    spelled = [
        _spelled(outcome, text, drafts.get(outcome.patch.name))
        for outcome, text in zip(applied, texts, strict=True)
    ]
    tip = wait()[-1]
    if None in spelled:  # what git had better spell
        made = store.mails(onto, tip, renames=True)
        spelled = [own or theirs for own, theirs in zip(spelled, made, strict=True)]
    mails = {outcome.patch.name: data or b"" for outcome, data in zip(applied, spelled, strict=True)}
    with _proving(store, done, mails):
        for outcome in applied:
            _refuse_other(outcome, mails[outcome.patch.name], drafts.get(outcome.patch.name))
        tree = store.tree_of(tip)
        _refuse_other_tree(store, done, onto_tree, tree)
    return Delivered(tip, tree, mails)


# -- mails --------------------------------------------------------------------------------------------


def _drafts(done: Rebased) -> dict[str, list[TextChange]]:
    """Return what patches do to lines, for those that do nothing else and whose text is not kept."""
    now: dict[str, Entry | None] = {}
    out = {}
    for outcome in done.applied:
        if _is_kept(outcome):
            now.update(outcome.changes)
            continue
        draft = []
        for path, after in outcome.changes.items():
            before = now[path] if path in now else done.tree.original(path)
            now[path] = after
            draft.append(_text_change(done, path, before, after, outcome.texts.get(path)))
        whole = [change for change in draft if change is not None]
        comes_and_goes = {bool(change.old_mode) - bool(change.new_mode) for change in whole} >= {-1, 1}
        # a file that goes and one that comes may be one that git takes for moved
        if len(whole) == len(draft) and not comes_and_goes:
            out[outcome.patch.name] = whole
    return out


def _text_change(
    done: Rebased, path: str, before: Entry | None, after: Entry | None, changes: tuple[Change, ...] | None
) -> TextChange | None:
    """Return what becomes of one file, None where it is no text or where the change is not known by its lines."""
    sides = [entry for entry in (before, after) if entry is not None]
    if any(entry.mode not in PLAIN for entry in sides):
        return None
    if any(b"\0" in done.blobs.get(entry.oid) for entry in sides):
        return None
    old = done.blobs.lines(before.oid) if before is not None else ()
    if before is None or after is None:
        new = done.blobs.lines(after.oid) if after is not None else ()
        changes = (Change(0, len(old), new),) if old or new else ()
    if changes is None:
        return None
    return TextChange(
        path=path,
        old_mode=before.mode if before is not None else "",
        new_mode=after.mode if after is not None else "",
        old_oid=before.oid if before is not None else "",
        new_oid=after.oid if after is not None else "",
        old=old,
        changes=changes,
    )


def _spelled(outcome: Outcome, text: CommitText, draft: Sequence[TextChange] | None) -> bytes | None:
    """Return the mail of a patch, or None if it is git's to spell."""
    patch = outcome.patch
    if _is_kept(outcome):
        return patch.data
    if draft is None or text.encoding:
        return None
    return spell.mail(message=text.message, author=text.author, date=text.date, files=draft)


def _is_kept(outcome: Outcome) -> bool:
    patch = outcome.patch
    return outcome.verdict is Verdict.UNCHANGED and bool(patch.data and patch.author and patch.date)


def _refuse_other(outcome: Outcome, data: bytes, draft: Sequence[TextChange] | None) -> None:
    """Refuse a mail with other words or lines than the patch that it is of."""
    patch = outcome.patch
    if _is_kept(outcome):
        return
    where = f"{patch.name}.patch"
    if draft is None:
        made = mail.parse(data, patch.name, where, strict=False)
        rebase.refuse_lost_lines(patch, made, outcome.verdict)
    else:
        made = mail.words(data, patch.name, where)
        rebase.refuse_lost_lines(patch, draft, outcome.verdict)
    _refuse_other_words(patch, made)


def _refuse_other_words(before: Patch, after: Patch) -> None:
    """Refuse a message that does not survive as a mail: a reader would take a line of it for the patch."""
    if before.encoding:
        return  # git has put it into UTF-8
    # without words the name stands for them
    same_words = after.message.split() == (before.message.split() or [before.name])
    same_author = after.author.partition("<")[2] == (before.author or _NOBODY).partition("<")[2]
    if not same_words or not same_author:
        raise RepositoryError(
            f"the message of {before.name} has a line that mail readers take for a header or for the patch itself",
            where=before.where,
            hint="reword it: no line may be `---` or begin with `--- `, `diff -` or `Index: `, "
            "and its text not with `From: `, `Subject: ` or `Date: `",
        )


# -- words --------------------------------------------------------------------------------------------


def _words(store: Borrowed, patch: Patch, onto: str) -> CommitText:
    """Return the words of a commit; what the patch does not say comes from the commit that it is put on."""
    date = patch.date or text_of(store, onto).date
    return CommitText(
        message=patch.message, author=patch.author or _NOBODY, date=date, encoding=patch.encoding
    )


def text_of(store: Borrowed, commit: str) -> CommitText:
    """Read a commit object: its words as they are, whatever their encoding.

    Raises ``RepositoryError`` if it is not there, or none that git would write.
    """
    found = store.find_object(commit)
    if found is None:
        raise RepositoryError(f"does not have the commit {commit}", where=store.lender)
    head, _, message = found[1].partition(b"\n\n")
    author = re.search(rb"^author (.*?) ?(<[^<>\n]*>) (\d+ [+-]\d{4})$", head, re.MULTILINE)
    encoding = re.search(rb"^encoding (\S+)$", head, re.MULTILINE)
    if author is None:
        raise RepositoryError(f"the commit {commit} has no author that git would write", where=store.lender)
    name, address, date = (part.decode("utf-8", "surrogateescape") for part in author.groups())
    return CommitText(
        message=message.decode("utf-8", "surrogateescape"),
        author=f"{name} {address}".lstrip(),
        date=date,
        encoding=encoding[1].decode("latin-1") if encoding else "",
    )


# -- proof --------------------------------------------------------------------------------------------


def _refuse_other_tree(store: Borrowed, done: Rebased, old: str, new: str) -> None:
    """Refuse commits that have anything else than what was meant."""
    changes = done.tree.changes().items()
    meant = {path: entry for path, entry in changes if entry != done.tree.original(path)}
    committed = {path: _entry(row) for path, row in store.find_changed(old, new).items()}
    _refuse_odd(committed, meant, "the commits give another")


@contextmanager
def _proving(store: Borrowed, done: Rebased, mails: Mapping[str, bytes]) -> Iterator[None]:
    """Compare what stock ``git apply`` makes of the mails with what was meant, while something else is done.

    Each run of git begins with what the engine means to be there, and must end with what the next one begins
    with: so they can go side by side.
    """
    now = {path: done.tree.original(path) for path in done.tree.changes()}
    with ExitStack() as running:
        runs = _runs(done.applied)
        for left, run in zip(range(len(runs), 0, -1), runs, strict=True):
            before = {path: now[path] for outcome in run for path in outcome.changes}
            for outcome in run:
                now.update(outcome.changes)
            after = {path: now[path] for path in before}
            wait = _begin(store, before, after, [mails[outcome.patch.name] for outcome in run])
            if left > _SIDE_BY_SIDE:
                wait()
            else:
                running.push(_at_the_end(wait))
        yield


def _at_the_end(wait: Callable[[], None]) -> Callable[..., None]:
    """Wait on leaving a block; what has gone wrong in it is told first."""

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        try:
            wait()
        except RepositoryError:
            if kind is None:
                raise

    return leave


def _begin(
    store: Borrowed,
    before: Mapping[str, Entry | None],
    after: Mapping[str, Entry | None],
    mails: Sequence[bytes],
) -> Callable[[], None]:
    """Begin to apply mails to ``before``; what is returned refuses anything but ``after``."""
    rows = [
        TreeEntry(path, entry.mode, entry.oid)
        for path, entry in before.items()
        if entry is not None and entry.mode != FOLDER
    ]
    wait = store.begin_applying(rows, mails)

    def done() -> None:
        there = wait()
        given = {path: _entry(there.get(path)) for path in after.keys() | there.keys()}
        _refuse_odd(given, after, "git apply makes another")

    return done


def _entry(row: TreeEntry | None) -> Entry | None:
    return Entry(row.mode, row.oid) if row is not None else None


def _refuse_odd(given: Mapping[str, Entry | None], meant: Mapping[str, Entry | None], who: str) -> None:
    odd = sorted(path for path in given.keys() | meant.keys() if given.get(path) != meant.get(path))
    if odd:
        raise RepositoryError(f"{who} {odd[0]} than the rebase", hint=_BUG)


def _runs(series: Sequence[Outcome]) -> list[list[Outcome]]:
    """Cut a series for several runs of git.

    One would go wrong over the whole of some: it removes files before it writes any, of all patches.  And one
    is slower than two beside each other.
    """
    runs: list[list[Outcome]] = []
    written: set[str] = set()
    size = max(_RUN, -(-len(series) // _SIDE_BY_SIDE))
    for outcome in series:
        gone = {path for path, entry in outcome.changes.items() if entry is None}
        if not runs or gone & written or len(runs[-1]) == size:
            runs.append([])
            written = set()
        runs[-1].append(outcome)
        written |= outcome.changes.keys() - gone
    return runs
