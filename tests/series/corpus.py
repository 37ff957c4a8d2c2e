"""Reads the adversarial corpus of the series engine, ``tests/cases/series``, and makes git repositories of it.

A case is a comment that says what it is about, then sections behind ``###`` lines, each with files behind
``===`` lines:

    ### base                        the tree that the patches are for
    ### patch NAME: VERDICT KIND…   a tree on top of the patch before (``from base``: on top of the base), how
                                    the patch must fare, and what kinds of conflicts it has if it is open
    ### mail NAME: VERDICT KIND…    a patch as the bytes of a file; only such can be in the series then
    ### onto                        upstream's tree on top of the base, or of the ``### onto`` before
    ### result                      what comes out, on top of the last ``### onto``

A section says only what differs from the tree below it, ``=== PATH WORD…``.  The body is the whole file, or one
of these words says what else:

    edit          the body is a diff without numbers: its lines without ``+`` stand just once in the file;
                  ``@@`` begins another place
    gone          there is no such file any more
    from=PATH     it was at PATH until now
    executable    its mode is 100755; ``plain`` makes it 100644 again
    symlink, submodule    the body is the target, or a commit
    crlf, no-newline, empty, escaped    lines end so; the last one has no end; nothing; ``\\xNN`` is a byte

Lines of the head: ``xfail: WHY``, the engine is known to be wrong here; ``merge-tree: WHY``, a merge of git's is
not what is wanted here; ``refused: TEXT``, the series is refused as a whole with these words; ``caution: WHY``,
a person has to look, and may find that a clean merge was right.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "cases" / "series"
FILES = sorted(FOLDER.glob("*.case"))
PLAIN, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"
_MODES = {"plain": PLAIN, "executable": EXECUTABLE, "symlink": SYMLINK, "submodule": SUBMODULE}
_WORDS = {*_MODES, "edit", "gone", "crlf", "no-newline", "empty", "escaped"}


@dataclass(frozen=True)
class File:
    """A file of a tree; of a submodule ``data`` is the commit."""

    mode: str
    data: bytes


Tree = Mapping[bytes, File]


@dataclass(frozen=True)
class Patch:
    """A patch of a case and how it must fare; ``mail`` has bytes if it is no commit."""

    name: str
    verdict: str
    kinds: tuple[str, ...]
    tree: Tree
    mail: bytes | None = None
    from_base: bool = False

    @property
    def open(self) -> bool:
        return self.verdict in {"conflict", "tainted"}


@dataclass(frozen=True, eq=False)
class Case:
    """What a file says."""

    name: str
    about: str
    base: Tree
    patches: tuple[Patch, ...]
    onto: tuple[Tree, ...]
    result: Tree
    head: Mapping[str, str]

    @property
    def linear(self) -> bool:
        """Whether the series is a branch, each patch a commit on the one before."""
        return not any(patch.from_base or patch.mail is not None for patch in self.patches)

    @property
    def refused(self) -> str | None:
        return self.head.get("refused")


def cases() -> list[Case]:
    return [read(file.stem, file.read_text(encoding="utf-8")) for file in FILES]


def read(name: str, text: str) -> Case:
    """Read a case.  Raises ``ValueError`` for whatever it does not say plainly."""
    head, *parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    about = " ".join(line[1:].strip() for line in head.splitlines() if line.startswith("#"))
    words = dict(re.findall(r"^(xfail|merge-tree|refused|caution): (.+)$", head, flags=re.MULTILINE))
    base: Tree = {}
    onto: list[Tree] = []
    patches: list[Patch] = []
    result: Tree | None = None
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        kind, _, rest = title.partition(" ")
        if kind == "base":
            base = changed({}, body)
        elif kind in {"patch", "mail"}:
            below = patches[-1].tree if patches and " from base" not in f" {rest}" else base
            patches.append(_patch(kind, rest, below, body))
        elif kind == "onto":
            onto.append(changed(onto[-1] if onto else base, body))
        elif kind == "result":
            result = changed(onto[-1] if onto else base, body)
        else:
            raise ValueError(f"{name}: what is {title!r}?")
    onto = onto or [base]
    if not about or not base or not patches:
        raise ValueError(f"{name}: a case has a comment, a base and a patch")
    return Case(name, about, base, tuple(patches), tuple(onto), onto[-1] if result is None else result, words)


def _patch(kind: str, title: str, below: Tree, body: str) -> Patch:
    name, _, rest = title.partition(": ")
    name, from_base, _ = name.partition(" from base")
    verdict, _, kinds = rest.partition(" ")
    patch = Patch(name, verdict, tuple(sorted(filter(None, kinds.split(", ")))), below)
    if kind == "mail":
        return replace(patch, mail=_unescaped(body.rstrip("\n") + "\n"))
    return replace(patch, tree=changed(below, body), from_base=bool(from_base))


def changed(below: Tree, body: str) -> Tree:
    """Return ``below`` with the files of a section."""
    tree = dict(below)
    _, *parts = re.split(r"^=== (.+)\n", body + "\n", flags=re.MULTILINE)
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        match = re.fullmatch(r'(?:"([^"]+)"|(\S+))((?: \S+)*)', title)
        if match is None:
            raise ValueError(f"what is the path in {title!r}?")
        path, words = _unescaped(match[1] or match[2]), match[3].split()
        before = [word.removeprefix("from=").encode() for word in words if word.startswith("from=")]
        if unknown := {word for word in words if not word.startswith("from=")} - _WORDS:
            raise ValueError(f"what is {unknown} in {title!r}?")
        old = tree.pop(before[0] if before else path, None)
        if "gone" in words:
            if old is None:
                raise ValueError(f"{title!r} was not there")
            continue
        tree[path] = _file(old, words, text)
    return tree


def _file(old: File | None, words: Sequence[str], text: str) -> File:
    mode = next((_MODES[word] for word in words if word in _MODES), old.mode if old else PLAIN)
    text = text.rstrip("\n") + "\n"
    as_it_is = not text.strip() and "empty" not in words
    if as_it_is or "edit" in words:
        if old is None:
            raise ValueError("a file needs a body, or `empty`")
        return File(mode, _edited(old.data, _ended(text, words)) if "edit" in words else old.data)
    if "empty" in words:
        return File(mode, b"")
    if mode in {SYMLINK, SUBMODULE} or "no-newline" in words:
        text = text.rstrip("\n")
    return File(mode, _ended(text, words))


def _ended(text: str, words: Sequence[str]) -> bytes:
    data = _unescaped(text) if "escaped" in words else text.encode()
    return data.replace(b"\n", b"\r\n") if "crlf" in words else data


def _unescaped(text: str) -> bytes:
    """Return the bytes of a text in which ``\\xNN`` is a byte."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())


def _edited(data: bytes, edit: bytes) -> bytes:
    """Make the changes of a diff without numbers; each place must be the only one."""
    for place in re.split(rb"^@@.*\n", edit, flags=re.MULTILINE):
        lines = [line or b" \n" for line in place.splitlines(keepends=True)]
        lines = [b" " + line if line in {b"\n", b"\r\n"} else line for line in lines]
        old = b"".join(line[1:] for line in lines if line[:1] in b" -")
        new = b"".join(line[1:] for line in lines if line[:1] in b" +")
        if not place.strip() or any(line[:1] not in b" -+" for line in lines):
            raise ValueError(f"what is the edit {place!r}?")
        found = [match.start() for match in re.finditer(b"(?m)^" + re.escape(old), data)]
        if len(found) != 1:
            raise ValueError(f"{len(found)} places for the edit {place!r}")
        data = data[: found[0]] + new + data[found[0] + len(old) :]
    return data


# -- repositories ------------------------------------------------------------------------------------


def git(repository: Path, *args: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run git in a repository."""
    return subprocess.run(["git", *args], cwd=repository, capture_output=True, check=check)


def said(repository: Path, *args: str) -> str:
    """Return what git says."""
    return git(repository, *args).stdout.decode().strip()


def make(folder: Path, corpus: Iterable[Case]) -> Path:
    """Make one bare repository of all cases.

    The refs of a case are ``CASE/base``, ``CASE/1``, ``CASE/2``, … for its patches, ``CASE/topic`` for the last
    of them, ``CASE/onto`` for upstream and ``CASE/result`` for what must come out.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=none")
    for who in ("name", "email"):
        git(folder, "config", f"user.{who}", "somebody@invalid")
    stream = b"".join(part for case in corpus for part in _stream(case))
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=folder, input=stream, capture_output=True, check=True
    )
    return folder


def _stream(case: Case) -> Iterator[bytes]:
    base = f"refs/heads/{case.name}/base"
    yield _commit(base, None, "base", case.base)
    below = base
    for number, patch in enumerate(case.patches, 1):
        if patch.mail is None:
            ref = f"refs/heads/{case.name}/{number}"
            yield _commit(ref, base if patch.from_base else below, patch.name, patch.tree)
            below = ref
    yield f"reset refs/heads/{case.name}/topic\nfrom {below}\n\n".encode()
    onto = f"refs/heads/{case.name}/onto"
    yield f"reset {onto}\nfrom {base}\n\n".encode()
    for number, tree in enumerate(case.onto, 1):
        yield _commit(onto, onto, f"upstream {number}", tree)
    yield _commit(f"refs/heads/{case.name}/result", onto, "what must come out", case.result)


def _commit(ref: str, below: str | None, message: str, tree: Tree) -> bytes:
    text = f"{message}\n".encode()
    out = [f"commit {ref}\ncommitter Some Body <somebody@invalid> 1700000000 +0000\n".encode()]
    out.append(b"data %d\n%s\n" % (len(text), text))
    if below is not None and below != ref:
        out.append(f"from {below}\n".encode())
    out.append(b"deleteall\n")
    for path, file in tree.items():
        name = b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        if file.mode == SUBMODULE:
            out.append(b"M 160000 %s %s\n" % (file.data, name))
        else:
            out.append(
                b"M %s inline %s\ndata %d\n%s\n" % (file.mode.encode(), name, len(file.data), file.data)
            )
    return b"".join([*out, b"\n"])


def patches(repository: Path, case: Case, folder: Path) -> list[Path]:
    """Write the series of a case as a folder of patch files, as `git format-patch` writes them."""
    folder.mkdir(parents=True)
    flags = ("--full-index", "--binary", "--zero-commit", "-o", str(folder))
    if case.linear:
        git(repository, "format-patch", *flags, f"{case.name}/base..{case.name}/topic")
        return sorted(folder.iterdir())
    for number, patch in enumerate(case.patches, 1):
        if patch.mail is not None:
            (folder / f"{number:04}-{patch.name}.patch").write_bytes(patch.mail)
        else:
            git(
                repository,
                "format-patch",
                f"--start-number={number}",
                *flags,
                "-1",
                f"{case.name}/{number}",
            )
    return sorted(folder.iterdir())
