"""Preprocess C and ``.S`` sources without a compiler, keeping where every token is written.

Here files and their directives are read; macro_replacement.py says what the text between them becomes.
Every branch of every conditional is kept, since a scan speaks for all targets; where a macro has several
definitions (one per branch), each *variant* of the text takes another one.  System headers are left out:
they define no name of wasmtime's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters, digits

from patchbot.symbols.c.branches import Branch, condition_of
from patchbot.symbols.c.lexing import CToken, File, lex
from patchbot.symbols.c.macro_replacement import Macro, Macros, arguments

MAX_DEPTH = 100  # files in files; deeper conditions are not told
MAX_VARIANTS = 8

ASSEMBLER = ".S"  # the ending of files that are preprocessed for the assembler


@dataclass(frozen=True, slots=True)
class Expanded:
    """Preprocessed text; ``tokens[i]`` begins at ``starts[i]`` of it."""

    text: str
    tokens: tuple[CToken, ...]
    starts: tuple[int, ...]

    def token_at(self, offset: int) -> CToken:
        """Return the token that holds the character at ``offset``."""
        return self.tokens[bisect_right(self.starts, offset) - 1]


@dataclass(frozen=True, slots=True)
class Unit:
    """A source file, preprocessed: one text per variant, and what could not be read (path, offset, why).

    ``files`` are all that were read for it, ``used`` the macros that were expanded or could have been: no
    other macro's body had a say in the texts.
    """

    variants: tuple[Expanded, ...]
    doubts: tuple[tuple[str, int, str], ...] = ()
    files: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()


ReadFile = Callable[[str], str | None]

_IN_WORDS = frozenset(f"{ascii_letters}{digits}_$")
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*([a-z_]+)\b[ \t]*")

_HARMLESS_DIRECTIVES = frozenset(
    {"undef", "error", "warning", "line", "ident", "assert", "unassert", "embed"}
)
_HARMLESS_PRAGMAS = re.compile(
    r"""(?:once|pack|STDC|warning|message|region|endregion|mark|unroll|comment\s*\(\s*lib
       |(?:GCC|clang)\s+(?:diagnostic|warning|error|optimize|push_options|pop_options|target|ivdep|unroll
           |system_header|dependency|poison|visibility|loop|fp))\b""",
    re.VERBOSE,
)


def preprocess(path: str, *, read: ReadFile, defines: Mapping[str, str] | None = None) -> Unit:
    """Preprocess the file ``path``; ``read`` returns a file's text (latin-1) or None.

    ``defines`` is what the build script passes with ``-D``, by name.
    """
    assembler = path.endswith(ASSEMBLER)
    return _preprocess([path], lambda variant: _Run(read, defines or {}, variant, assembler=assembler))


def preprocess_headers(paths: Sequence[str], *, read: ReadFile, search: Sequence[str]) -> Unit:
    """Preprocess headers side by side, each once; ``search`` are the folders for ``#include <…>``."""
    return _preprocess(paths, lambda variant: _Run(read, {}, variant, search=tuple(search), seen=set()))


def _preprocess(paths: Sequence[str], start: Callable[[int], _Run]) -> Unit:
    variants: list[Expanded] = []
    doubts: list[tuple[str, int, str]] = []
    files: dict[str, None] = {}
    used: set[str] = set()
    most = 1
    while len(variants) < most:
        run = start(len(variants))
        for path in paths:
            run.file(path, ())
        most = max(most, min(run.macros.most, MAX_VARIANTS))
        variants.append(_join(run.out))
        doubts = run.doubts
        files |= run.files
        used |= run.macros.used
        if run.macros.most > MAX_VARIANTS:
            why = f"a macro has {run.macros.most} definitions, and {MAX_VARIANTS} are read"
            doubts.append((paths[0], 0, why))
    return Unit(tuple(dict.fromkeys(variants)), tuple(doubts), tuple(files), frozenset(used))


def _join(tokens: Sequence[CToken]) -> Expanded:
    starts = []
    parts: list[str] = []
    size = 0
    for token in tokens:
        if parts and (token.spaced or _would_join(parts[-1], token.text)):
            parts.append(" ")
            size += 1
        starts.append(size)
        parts.append(token.text)
        size += len(token.text)
    return Expanded("".join(parts), tuple(tokens), tuple(starts))


def _would_join(left: str, right: str) -> bool:
    """Whether two tokens that macros put side by side would be read as one."""
    return left[-1] in _IN_WORDS and right[:1] in _IN_WORDS


@dataclass(slots=True)
class _Run:
    """One pass; ``seen`` are the files read so far, if each is to be read once only."""

    read: ReadFile
    given: Mapping[str, str]
    variant: int
    assembler: bool = False
    search: tuple[str, ...] = ()
    seen: set[str] | None = None
    out: list[CToken] = field(default_factory=list)
    doubts: list[tuple[str, int, str]] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    including: tuple[str, ...] = ()
    macros: Macros = field(init=False)

    def __post_init__(self) -> None:
        self.macros = Macros(self.variant, self.doubts)
        for name, value in self.given.items():
            body = lex(value, File("", value), 0, assembler=self.assembler)
            self.macros.define(name, Macro(None, tuple(body)))

    def file(self, path: str, conditions: tuple[str, ...]) -> None:
        source = self.read(path)
        if source is None or path in self.including or path in (self.seen or ()):
            return
        if len(self.including) > MAX_DEPTH:
            self.doubts.append((path, 0, "files that include each other too deep"))
            return
        self.files[path] = None
        if self.seen is not None:
            self.seen.add(path)
        outer, self.including = self.including, (*self.including, path)
        file = self.opened(path, source)
        stack: list[Branch] = []
        pending: list[CToken] = []
        for at, line in file.lines():
            directive = _DIRECTIVE.match(line)
            own = (*conditions, *(branch.condition for branch in stack[:MAX_DEPTH] if branch.condition))
            if directive is None:
                pending += lex(line, file, at, own, assembler=self.assembler)
                continue
            self.flush(pending)
            self.directive(directive, file, at, own, stack)
        self.flush(pending)
        self.including = outer

    def opened(self, path: str, source: str) -> File:
        """Return the file, and doubt what not every compiler reads as it is read here."""
        file = File.of(path, source)
        if file.endless is not None:
            self.doubts.append((path, file.offset(file.endless), "a comment that does not end"))
        if not self.assembler:
            self.doubts += file.unusual(source)
        return file

    def flush(self, pending: list[CToken]) -> None:
        known = self.macros.exhausted
        self.out += self.pragmas(self.macros.replaced(pending))
        if self.macros.exhausted and not known:
            self.doubts.append((pending[0].path, pending[0].offset, "macros expand without end"))
        pending.clear()

    def directive(
        self, match: re.Match[str], file: File, at: int, conditions: tuple[str, ...], stack: list[Branch]
    ) -> None:
        word, after = match[1], match.string[match.end() :]
        rest, offset = after.strip(), file.offset(at)
        match word:
            case "define":
                self.define(rest, file, at + match.end() + len(after) - len(after.lstrip()))
            case "ifdef" | "ifndef" | "if":
                stack.append(Branch("", condition_of(word, rest)))
            case "elif" | "elifdef" | "elifndef" if stack:
                stack[-1] = stack[-1].otherwise(condition_of(word.removeprefix("el"), rest))
            case "else" if stack:
                stack[-1] = stack[-1].otherwise("")
            case "endif" if stack:
                stack.pop()
            case "include" | "import":
                self.include(rest, file.path, offset, conditions)
            case "pragma":
                self.pragma(rest, file.path, offset)
            case "elif" | "elifdef" | "elifndef" | "else" | "endif":
                pass  # without their #if
            case _ if word in _HARMLESS_DIRECTIVES or self.assembler:
                pass  # #undef of a branch must not undo another's #define; to the assembler # is a comment
            case _:
                self.doubts.append((file.path, offset, f"#{word} is not followed"))

    def pragma(self, rest: str, path: str, offset: int) -> None:
        """Doubt pragmas that are not known to leave names alone."""
        if rest and _HARMLESS_PRAGMAS.match(rest) is None:
            word = re.match(r"\w*(?:\s*\(?\s*\w+)?", rest)
            said = word[0] if word else rest
            self.doubts.append((path, offset, f"#pragma {said} can make or change a name"))

    def pragmas(self, tokens: list[CToken]) -> list[CToken]:
        """Take ``_Pragma("…")`` out, which macros can make."""
        out: list[CToken] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            call = arguments(tokens, at) if token.text in {"_Pragma", "__pragma"} else None
            if call is None:
                out.append(token)
                continue
            inner, at = call
            words = " ".join(part.text for argument in inner for part in argument)
            text = re.sub(r"\\(.)", r"\1", words.strip('L"')) if token.text == "_Pragma" else words
            self.pragma(text.strip(), token.path, token.offset)
        return out

    def include(self, rest: str, path: str, offset: int, conditions: tuple[str, ...]) -> None:
        """Read an included file; one in angle brackets is the system's, unless it lies beside this file."""
        named = re.match(r'"([^"]*)"|<([^>]*)>', rest)
        if named is None:
            self.doubts.append((path, offset, "the name of an included file is made by a macro"))
            return
        name = named[1] or named[2]
        places = [_relative(path, name), *(f"{folder}/{name}" for folder in self.search)]
        target = next((place for place in places if self.read(place) is not None), places[0])
        if (named[1] or self.assembler) and self.read(target) is None:
            # what a system's header has for C is not of interest; macros for the assembler make labels
            self.doubts.append((path, offset, f"the included file {target} is not there"))
        self.file(target, conditions)

    def define(self, rest: str, file: File, at: int) -> None:
        match = re.match(r"([A-Za-z_$][\w$]*)(\(([^)]*)\))?", rest)
        if match is None:
            return
        parameters = None
        variadic = False
        if match[2] is not None:
            names = [p.strip() for p in match[3].split(",") if p.strip()]
            variadic = bool(names) and names[-1].endswith("...")
            if variadic:
                names[-1] = names[-1].removesuffix("...").strip() or "__VA_ARGS__"
            parameters = tuple(names)
        body = tuple(lex(rest[match.end() :], file, at + match.end(), assembler=self.assembler))
        self.macros.define(match[1], Macro(parameters, body, variadic))


def _relative(path: str, target: str) -> str:
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
