"""Rebase hand-written patches in any git repository, without touching anything of it but its objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patchbot import files
from patchbot.borrowed import Borrowed, borrow, resolve_in
from patchbot.commits import CommitText
from patchbot.errors import EnvironmentProblem, RepositoryError, UsageError
from patchbot.model import JsonObject, Verdict
from patchbot.pipeline.gitobjects import GitObjects, tree_changes
from patchbot.report.terminal import Reporter
from patchbot.series import folder
from patchbot.series.mails import mail
from patchbot.series.mails.mail import Patch
from patchbot.series.merge import rebase
from patchbot.series.merge.place import Clash
from patchbot.series.merge.rebase import Outcome, Rebased

_CONFLICTS = "conflicts"
_NAMED = 3  # commits of upstream that are named for one patch
_NOBODY = "patchbot <patchbot@invalid>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be rebased: the patches of a folder that fit ``base``, or the commits of a range."""

    repository: Path
    base: str | None
    onto: str
    patches: Path | None = None
    commits: str | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How every patch fared, and what came of it: object ids, and the exported mails by patch."""

    base_tree: str
    onto_tree: str
    tree: str
    commit: str
    outcomes: tuple[Outcome, ...]
    mails: Mapping[str, bytes]
    delivered: bool
    unlisted: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Outcome, ...]:
        """The patches that a person must look at."""
        return tuple(outcome for outcome in self.outcomes if outcome.verdict.open)

    def to_json(self) -> JsonObject:
        """Spell the result as ``rebase --json`` does."""
        return {
            "schema": 1,
            "from": self.base_tree,
            "onto": self.onto_tree,
            "result_tree": self.tree,
            "result_commit": self.commit,
            "delivered": self.delivered,
            "patches": [_outcome_to_json(outcome) for outcome in self.outcomes],
        }


def _outcome_to_json(outcome: Outcome) -> JsonObject:
    return {
        "name": outcome.patch.name,
        "subject": _subject(outcome.patch.message),
        "verdict": outcome.verdict.value,
        "conflicts": [{"path": c.path, "kind": c.kind, "why": c.why} for c in outcome.conflicts],
        "notes": list(outcome.notes),
    }


def run(request: Request, reporter: Reporter) -> Result:
    """Rebase, export, prove the export, and only then write anything.

    Raises ``UsageError`` for revisions that are none, ``RepositoryError`` with file and line for a patch that
    is not for ``base`` or is not plainly a patch.
    """
    _refuse_foreign(request)
    with borrow(request.repository) as store:
        given = _read(request, store)
        objects = GitObjects(store)
        with reporter.task("rebase", len(given.patches)) as task:
            done = rebase.rebase(
                given.patches, given.base_tree, given.onto_tree, objects, on_patch=task.advance
            )
        commits = _commit(store, done, given.onto)
        tip = commits[-1] if commits else given.onto
        tree = store.tree_of(tip)
        mails = _exported(store, objects, done, (given.onto, given.onto_tree), (tip, tree))
        delivered = store.lend_back()
        outcomes = tuple(_with_commits(store, outcome, given) for outcome in done.outcomes)
        result = Result(given.base_tree, given.onto_tree, tree, tip, outcomes, mails, delivered)
        if request.patches is not None:
            result = replace(result, unlisted=folder.unlisted(request.patches))
        if request.out is not None:
            with files.locked(_parent(request.out)):
                files.replace_folder(request.out, _folder(result, done))
    return result


def _parent(out: Path) -> Path:
    """Return the folder that ``out`` is to be in, made if it is not there: a lock needs one."""
    parent = out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot be made: {error.strerror}", where=parent) from None
    return parent


def _refuse_foreign(request: Request) -> None:
    """Refuse to replace a folder that holds something else than an earlier result."""
    out = request.out
    if out is None:
        return
    if request.patches is not None and out.resolve() == request.patches.resolve():
        raise UsageError(
            "--out is the folder of --patches", hint="a patch that does not fit would be lost: name another"
        )
    if request.patches is not None and request.patches.resolve().is_relative_to(out.resolve()):
        raise UsageError("the folder of --patches is in --out, which is replaced", hint="name another --out")
    there = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if there and not (out / folder.ORDER).is_file():
        raise UsageError(f"{out} is there and holds no series", hint="name a new folder, or an empty one")
    for file in sorted(out.rglob("*")) if there else ():
        name = file.relative_to(out)
        ours = name.parts[0] == _CONFLICTS or name == Path(folder.ORDER) or name.suffix == folder.SUFFIX
        if not ours and not (file.is_dir() and not file.is_symlink()):
            raise UsageError(
                f"{out} holds {name}, which is no patch", hint="name a new folder, or an empty one"
            )


# -- what goes in -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Input:
    """Both sides by object ids (``base`` and ``onto`` are commits where there are any), and the patches."""

    base: str
    base_tree: str
    onto: str
    onto_tree: str
    patches: tuple[Patch, ...]


def _read(request: Request, store: Borrowed) -> _Input:
    first, last = _range(request.commits) if request.commits is not None else ("", "")
    base = first or request.base or ""
    names = [f"{base}^{{tree}}", f"{base}^{{}}", f"{request.onto}^{{tree}}", f"{request.onto}^{{}}"]
    names += [f"{first}^{{commit}}", f"{last}^{{commit}}"] if first else []
    names += [f"{request.base}^{{tree}}"] if first and request.base else []
    base_tree, base, onto_tree, onto, *ends = resolve_in(request.repository, names)
    if onto == onto_tree:
        onto = store.commit_of(onto_tree)
    if request.patches is not None:
        patches = folder.read(request.patches)
    else:
        patches = _from_commits(store, ends[0], ends[1])
    return _Input(base, base_tree, onto, onto_tree, patches)


def _range(commits: str) -> tuple[str, str]:
    first, dots, last = commits.partition("..")
    if not dots or last.startswith(".") or not first or not last:
        raise UsageError(f"{commits!r} is no range of commits", hint="A..B: what is in B and not in A")
    return first, last


def _from_commits(store: Borrowed, first: str, last: str) -> tuple[Patch, ...]:
    commits = store.commits(first, last)
    if not commits:
        raise UsageError(
            f"nothing is in {last[:12]} that is not in {first[:12]}", hint="A..B: A is the older one"
        )
    mails = store.mails(first, last, renames=True)
    texts = [_text_of(store, commit) for commit in commits]
    names = folder.slugs(_subject(text.message) for text in texts)
    if len(mails) != len(commits):
        raise RepositoryError(f"git makes {len(mails)} mails of {len(commits)} commits", where=store.lender)
    return tuple(
        _patch(name, commit, data, text)
        for name, commit, data, text in zip(names, commits, mails, texts, strict=True)
    )


def _patch(name: str, commit: str, data: bytes, text: CommitText) -> Patch:
    files_of = mail.parse(data, name, commit[:12], strict=False).files if data else ()
    return Patch(name, data, text.message, text.author, text.date, files_of, text.encoding, where=commit[:12])


def _text_of(store: Borrowed, commit: str) -> CommitText:
    """Read a commit object: its words as they are, whatever their encoding."""
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


def _with_commits(store: Borrowed, outcome: Outcome, given: _Input) -> Outcome:
    """Name upstream's commits that have what a patch does, where the history between both sides is at hand."""
    if outcome.verdict not in {Verdict.UPSTREAMED, Verdict.PARTLY_UPSTREAMED}:
        return outcome
    line, path = rebase.telling_line(outcome.patch)
    found = store.commits_with(line, path, given.base, given.onto) if line else []
    notes = (f"upstream's {oid[:12]} changed {path} so: {subject}" for oid, subject in found[:_NAMED])
    return replace(outcome, notes=(*outcome.notes, *notes))


# -- what comes out -----------------------------------------------------------------------------------


def _commit(store: Borrowed, done: Rebased, onto: str) -> tuple[str, ...]:
    steps = [
        (tree_changes(outcome.changes, done.blobs), _words(store, outcome.patch, onto))
        for outcome in done.applied
    ]
    return store.commit_series(onto, steps) if steps else ()


def _words(store: Borrowed, patch: Patch, onto: str) -> CommitText:
    """Return the words of a commit; what the patch does not say comes from the commit that it is put on."""
    date = patch.date or _text_of(store, onto).date
    return CommitText(
        message=patch.message, author=patch.author or _NOBODY, date=date, encoding=patch.encoding
    )


def _exported(
    store: Borrowed, objects: GitObjects, done: Rebased, onto: tuple[str, str], tip: tuple[str, str]
) -> dict[str, bytes]:
    """Return the mails of the result, proved to give its tree, by patch.

    The text of a patch that fits as it is stays as it is.
    """
    applied = done.applied
    made = store.mails(onto[0], tip[0], renames=True) if applied else ()
    mails = {outcome.patch.name: _kept(outcome) or data for outcome, data in zip(applied, made, strict=True)}
    again = [mail.parse(data, name, f"{name}.patch", strict=False) for name, data in mails.items()]
    for outcome, patch in zip(applied, again, strict=True):
        _refuse_other_words(outcome.patch, patch)
        rebase.refuse_lost_lines(outcome.patch, patch, outcome.verdict)
    given = rebase.replayed(again, onto[1], objects)
    wanted = done.tree.changes()
    odd = sorted(path for path in given.keys() | wanted.keys() if given.get(path) != wanted.get(path))
    if odd:
        raise RepositoryError(f"the exported patches give another {odd[0]} than the rebase", hint=_BUG)
    tree = onto[1]
    for run in _runs(again):
        tree = store.apply(tree, [mails[patch.name] for patch in run])
    if tree != tip[1]:
        raise RepositoryError("git apply gives another tree than the rebase", hint=_BUG)
    return mails


def _runs(patches: Sequence[Patch]) -> list[list[Patch]]:
    """Cut a series where one ``git apply`` would go wrong: it removes files before it writes any, of all patches."""
    runs: list[list[Patch]] = []
    written: set[str] = set()
    for patch in patches:
        gone = {file.old_path for file in patch.files if not file.copied and file.old_path != file.new_path}
        if not runs or gone & written:
            runs.append([])
            written = set()
        runs[-1].append(patch)
        written |= {file.new_path for file in patch.files if file.new_path}
    return runs


_BUG = "this is a bug in patchbot: please report it with the series"


def _kept(outcome: Outcome) -> bytes | None:
    patch = outcome.patch
    return patch.data if outcome.verdict is Verdict.UNCHANGED and patch.author and patch.date else None


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


def _folder(result: Result, done: Rebased) -> dict[str, bytes]:
    """Return the files of ``--out``: the new series, and what is needed to solve each conflict by hand."""
    order = "".join(f"{name}{folder.SUFFIX}\n" for name in result.mails)
    out = {folder.ORDER: order.encode()}
    out.update({f"{name}{folder.SUFFIX}": data for name, data in result.mails.items()})
    for outcome in result.open:
        place = f"{_CONFLICTS}/{outcome.patch.name}"
        out[f"{place}/original{folder.SUFFIX}"] = outcome.patch.data
        for clash in outcome.conflicts:
            out.update(_sides(clash, f"{place}/{clash.path}", done))
    return out


def _sides(clash: Clash, place: str, done: Rebased) -> dict[str, bytes]:
    sides = {"base": clash.base, "ours": clash.ours, "theirs": clash.theirs}
    out = {}
    for name, entry in sides.items():
        data = done.blobs.find(entry.oid) if entry is not None and entry.oid else None
        if data is not None:
            out[f"{place}.{name}"] = data
    if clash.marked is not None:
        out[f"{place}.marked"] = clash.marked
    return out


def _subject(message: str) -> str:
    """Return the first paragraph of a message in one line."""
    return " ".join(message.strip("\n").partition("\n\n")[0].split())
