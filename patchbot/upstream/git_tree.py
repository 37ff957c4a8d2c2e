"""The files of a git tree as cargo packs them: which belong to a crate, and where symlinks lead.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from patchbot.errors import RepositoryError
from patchbot.git.store import TreeEntry
from patchbot.model.paths import check_path
from patchbot.upstream.manifests import FILE_NAME, Package

SYMLINK = "120000"
SUBMODULE = "160000"

_MOST_LINKS = 40  # that are followed for one path; Linux has the same limit


@dataclass(frozen=True)
class GitTree:
    """A tree of upstream's repository: its entries by path, and the words of its symlinks."""

    entries: Mapping[str, TreeEntry]
    links: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_package(self) -> dict[str, list[TreeEntry]]:
        """The entries by the package that they belong to: the nearest folder above that has a manifest."""
        folders = {posixpath.dirname(p) for p in self.entries if posixpath.basename(p) == FILE_NAME}
        out: dict[str, list[TreeEntry]] = {}
        for path, entry in self.entries.items():
            owner = next((part for part in _upwards(posixpath.dirname(path)) if part in folders), "")
            out.setdefault(owner, []).append(entry)
        return out

    def follow(self, path: str) -> TreeEntry | None:
        """Return the file that a path leads to over symlinks inside the repository, or None."""
        for _ in range(_MOST_LINKS):
            if path.startswith(("/", "../")) or path == "..":
                return None
            link = next((part for part in _upwards(path) if part in self.links), None)
            if link is None:
                entry = self.entries.get(path)
                return entry if entry is not None and entry.mode not in {SYMLINK, SUBMODULE} else None
            rest = path[len(link) + 1 :]
            # as the kernel resolves it: the target first, then what stands behind it
            target = posixpath.normpath(posixpath.join(posixpath.dirname(link), self.links[link]))
            path = posixpath.normpath(posixpath.join(target, rest)) if rest else target
        return None

    def submodule(self, path: str) -> str | None:
        """Return the submodule that a path is in, or None."""
        for part in _upwards(path):
            entry = self.entries.get(part)
            if entry is not None and entry.mode == SUBMODULE:
                return part
        return None

    def crate_files(self, package: Package) -> tuple[list[TreeEntry], list[str]]:
        """Return the files that cargo would pack of a package, and what was left out that it may have wanted.

        A symlink is listed as the file that it leads to, under its own path.
        """
        wanted = _chosen(package)
        files, flags = [], []
        for entry in self.by_package.get(package.path, ()):
            path = entry.path
            if entry.mode != SUBMODULE and not wanted(path.removeprefix(f"{package.path}/")):
                continue
            target = self.follow(path)
            if target is not None and not (problem := _problem(path)):
                files.append(TreeEntry(path, target.mode, target.oid))
            else:
                flags.append(f"{path} was left out: {self._what(entry) if target is None else problem}")
        return files, flags

    def _what(self, entry: TreeEntry) -> str:
        if entry.mode == SUBMODULE:
            return "it is a submodule"
        return f"it is a symlink to {self.links.get(entry.path, '')}, which is no file here"


def _upwards(path: str) -> Iterator[str]:
    """Return a path and the folders above it, the deepest first."""
    while path:
        yield path
        path = posixpath.dirname(path)


def _problem(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8, and no crate can have it"
    problem = check_path(path)
    return f"its path {problem}" if problem else ""


def _chosen(package: Package) -> Callable[[str], bool]:
    """Return whether cargo packs a file; ``exclude`` says nothing where there is an ``include``."""
    patterns = _Patterns(package.include or package.exclude)
    if package.include:
        return lambda path: path == FILE_NAME or patterns.match(path)
    return lambda path: path == FILE_NAME or not patterns.match(path)


class _Patterns:
    """Patterns of gitignore(5); cargo asks for a path and for each folder above it."""

    def __init__(self, lines: Sequence[str]) -> None:
        read = (line.strip() for line in lines)
        self._rules = [_rule(line) for line in read if line and not line.startswith("#")]
        self._rules.reverse()  # the last that matches decides

    def match(self, path: str) -> bool:
        for part in _upwards(path):
            for pattern, is_folder, negated in self._rules:
                if pattern.fullmatch(part) and (part != path or not is_folder):
                    return not negated
        return False


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool]:
    """Return a pattern, whether it is for folders alone, and whether it takes back what others match."""
    negated = line.startswith("!")
    text = line.removeprefix("!")
    is_folder = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    text = text.removeprefix("./").lstrip("/")
    try:
        pattern = re.compile(("" if anchored else "(?:.*/)?") + _glob(text), re.DOTALL)
    except re.error as error:
        raise RepositoryError(f"the pattern {line!r} in a {FILE_NAME} cannot be read: {error}") from None
    return pattern, is_folder, negated


_WILD = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|\\.|[^*?\[\\]+|.", re.DOTALL)


def _glob(text: str) -> str:
    out = []
    for match in _WILD.finditer(text):
        word = match.group()
        if word == "**/":
            out.append("(?:.*/)?")
        elif word == "**":
            out.append(".*")
        elif word == "*":
            out.append("[^/]*")
        elif word == "?":
            out.append("[^/]")
        elif word.startswith("[") and word.endswith("]"):
            out.append(f"(?!/){_class(word)}")
        else:
            out.append(re.escape(word.removeprefix("\\") if len(word) > 1 else word))
    return "".join(out)


def _class(word: str) -> str:
    inside = word[1:-1]
    negated = inside[:1] in {"!", "^"}
    inside = inside[1:] if negated else inside
    return f"[{'^' if negated else ''}{inside.replace(chr(92), chr(92) * 2).replace('[', chr(92) + '[')}]"
