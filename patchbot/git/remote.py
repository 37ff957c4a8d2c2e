"""Tags of another repository: what they name, and how their commits come into the store.

A folder is read through its objects (``borrowed``): neither its configuration nor its hooks take part, and a
partial clone will do.  From anywhere else git fetches, with the user's own words on how to get there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from patchbot import files
from patchbot.errors import RepositoryError, UsageError
from patchbot.git.borrowed import borrow, in_lender
from patchbot.git.plumbing import PlainGit
from patchbot.git.reach import Origin, ask, fetch
from patchbot.git.sealed import run_git, seal
from patchbot.git.store import Store
from patchbot.git.transports import TRANSPORTS

_SCP = re.compile(r"[^/:\s]+:[^:].*", re.DOTALL)  # user@host:path, ssh without its scheme


def origin(address: str, start: Path) -> Origin:
    """Return the repository that a user named, a folder relative to ``start`` or an address.

    Raises ``UsageError`` for what git would take for an option or run a program for, ``RepositoryError`` if it
    is neither a folder nor an address.
    """
    if not address or address.startswith("-") or any(ord(char) < ord(" ") for char in address):
        raise UsageError(
            f"{address!r} is no repository", hint="name a folder or a URL; ./ before a folder's name"
        )
    path = start / address
    if path.exists():
        whole = path.absolute()
        return Origin(str(whole), whole if whole.is_dir() else None)  # a file may be a bundle
    scheme = re.match(r"([A-Za-z0-9+.-]+)(://|::)", address)
    if scheme is not None and (scheme[2] == "::" or scheme[1].lower() not in TRANSPORTS):
        raise UsageError(
            f"git would run a program to read {address!r}",
            hint=f"give a folder, or a URL that begins with {', '.join(TRANSPORTS)}",
        )
    if scheme is None and _SCP.fullmatch(address) is None:
        raise RepositoryError("no such folder", where=address)
    return Origin(address)


def find_tag(store: Store, source: Origin, tag: str) -> str:
    """Return the id of the commit that a tag names; that of an annotated tag is followed.

    Raises ``RepositoryError`` if there is no such tag or ``source`` is no repository, ``EnvironmentProblem`` if
    it cannot be reached.
    """
    if source.folder is not None:
        commit, names = _local_tag(source.folder, tag)
    else:
        commit, names = _remote_tag(store, source, tag)
    if commit is None:
        near = difflib.get_close_matches(tag, names, n=3)
        raise RepositoryError(
            f"has no tag {tag}",
            where=source,
            hint=f"near it: {', '.join(near)}" if near else "`git ls-remote --tags` lists those that it has",
        )
    return commit


def take(store: Store, source: Origin, tag: str, commit: str) -> None:
    """Bring the commit that ``tag`` names into the store, without the history behind it; no ref is moved.

    Raises ``RepositoryError`` if what the tag names is no commit, or another one by now, and
    ``EnvironmentProblem`` if ``source`` cannot be reached.
    """
    if source.folder is not None:
        _copy(store, source.folder, commit)
    else:
        fetch(store.path, source, f"refs/tags/{tag}", "--depth=1")
    found = store.find_object(commit)
    if found is None:
        raise RepositoryError(f"{tag} was moved in this moment", where=source, hint="run again")


def _copy(store: Store, folder: Path, commit: str) -> None:
    """Copy a commit's objects as a pack; those that a partial clone does not have are left out."""
    with borrow(folder) as lender:
        if lender.object_format != store.object_format:
            raise RepositoryError(
                f"its objects have {lender.object_format} ids, and the store's {store.object_format}",
                where=folder,
            )
        flags = ("--quiet", "--revs", "--missing=allow-any", "--stdout")
        wanted = f"--shallow {commit}\n{commit}\n".encode()
        pack = run_git(seal(PlainGit(lender.path)), ["pack-objects", *flags], where=folder, stdin=wanted)
    run_git(seal(PlainGit(store.path)), ["index-pack", "--stdin"], where=store.path, stdin=pack)
    # git's list of commits whose parents are not there; else every walk over this one would miss them
    shallow = store.path / "shallow"
    known = shallow.read_text(encoding="ascii").split() if shallow.is_file() else []
    files.write(shallow, "".join(f"{oid}\n" for oid in sorted({*known, commit})).encode())


def _local_tag(folder: Path, tag: str) -> tuple[str | None, list[str]]:
    """Return the commit of a tag, or None and the tags of the same line of releases."""
    try:
        out = in_lender(folder, "for-each-ref", "--format=%(refname)", f"refs/tags/{_line(tag)}.*")
    except RepositoryError as error:
        hint = "name the folder of a clone, bare or not, or a URL"
        raise RepositoryError(error.what, where=folder, hint=hint) from None
    try:
        flags = ("--verify", "--quiet", "--end-of-options")
        found = in_lender(folder, "rev-parse", *flags, f"refs/tags/{tag}^{{commit}}")
    except RepositoryError:
        return None, _short(out.decode(errors="replace").splitlines())
    return found.decode().split()[-1], []


def _remote_tag(store: Store, source: Origin, tag: str) -> tuple[str | None, list[str]]:
    """Return the commit of a tag, or None and the tags of the same line of releases."""
    ref = f"refs/tags/{tag}"
    rows = _listed(store, source, ref, f"{ref}^{{}}")
    commit = rows.get(f"{ref}^{{}}", rows.get(ref))
    if commit is not None:
        return commit, []
    return None, _short(_listed(store, source, f"refs/tags/{_line(tag)}.*"))


def _line(tag: str) -> str:
    return tag.partition(".")[0]


def _short(refs: Iterable[str]) -> list[str]:
    return [ref.removeprefix("refs/tags/") for ref in refs if not ref.endswith("^{}")]


def _listed(store: Store, source: Origin, *patterns: str) -> dict[str, str]:
    """Return refs of a server by their whole name; git's patterns match the ends of names as well."""
    out = ask(store.path, source, ["ls-remote", "--", source.address, *patterns])
    rows = (line.partition("\t") for line in out.decode(errors="replace").splitlines())
    return {ref: oid for oid, _, ref in rows if ref.startswith("refs/tags/")}
