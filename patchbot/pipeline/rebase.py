"""Rebase hand-written patches in any git repository, without touching anything of it but its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from patchbot import files
from patchbot.errors import EnvironmentProblem, RepositoryError, UsageError
from patchbot.git.borrowed import Borrowed, borrow, resolve_in
from patchbot.git.commits import CommitText
from patchbot.model import JsonObject, Verdict
from patchbot.pipeline import delivery
from patchbot.pipeline.gitobjects import GitObjects
from patchbot.report.terminal import Reporter
from patchbot.series import folder
from patchbot.series.mails import mail
from patchbot.series.mails.mail import Patch
from patchbot.series.merge import rebase
from patchbot.series.merge.place import Clash
from patchbot.series.merge.rebase import Outcome, Rebased

_CONFLICTS = "conflicts"
_NAMED = 3  # commits of upstream that are named for one patch


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
        objects = GitObjects(store)
        given = _read(request, store, objects)
        with reporter.task("rebase", len(given.patches)) as task:
            done = rebase.rebase(
                given.patches, given.base_tree, given.onto_tree, objects, on_patch=task.advance
            )
        made = delivery.deliver(store, done, given.onto, given.onto_tree)
        delivered = store.lend_back()
        outcomes = tuple(_with_commits(store, outcome, given) for outcome in done.outcomes)
        result = Result(
            given.base_tree, given.onto_tree, made.tree, made.tip, outcomes, made.mails, delivered
        )
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


def _read(request: Request, store: Borrowed, objects: GitObjects) -> _Input:
    first, last = _range(request.commits) if request.commits is not None else ("", "")
    base = first or request.base or ""
    names = [f"{base}^{{tree}}", f"{base}^{{}}", f"{request.onto}^{{tree}}", f"{request.onto}^{{}}"]
    names += [f"{first}^{{commit}}", f"{last}^{{commit}}"] if first else []
    names += [f"{request.base}^{{tree}}"] if first and request.base else []
    base_tree, base, onto_tree, onto, *ends = resolve_in(request.repository, names)
    if onto == onto_tree:
        onto = store.commit_of(onto_tree)
    if request.patches is not None:
        texts = folder.load(request.patches)
        # git reads the files while their patches are read
        objects.warm(
            dict.fromkeys((base_tree, onto_tree)), (p for _, data, _ in texts for p in mail.named(data))
        )
        patches = tuple(mail.parse(data, name, where) for name, data, where in texts)
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
    texts = [delivery.text_of(store, commit) for commit in commits]
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


def _with_commits(store: Borrowed, outcome: Outcome, given: _Input) -> Outcome:
    """Name upstream's commits that have what a patch does, where the history between both sides is at hand."""
    if outcome.verdict not in {Verdict.UPSTREAMED, Verdict.PARTLY_UPSTREAMED}:
        return outcome
    line, path = rebase.telling_line(outcome.patch)
    found = store.commits_with(line, path, given.base, given.onto) if line else []
    notes = (f"upstream's {oid[:12]} changed {path} so: {subject}" for oid, subject in found[:_NAMED])
    return replace(outcome, notes=(*outcome.notes, *notes))


# -- what comes out -----------------------------------------------------------------------------------


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
