"""Preprocess C and ``.S`` sources without a compiler, keeping where every token is written.

Every branch of every conditional is kept, since a scan speaks for all targets; where a macro has several
definitions (one per branch), each *variant* of the text takes another one.  System headers are left out:
they define no name of wasmtime's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

MAX_TOKENS = 200_000
MAX_NESTING = 100  # macros in macros
MAX_VARIANTS = 8


@dataclass(frozen=True, slots=True)
class CToken:
    """A preprocessing token; ``spaced`` if space stood before it, ``conditions`` the ``#if``s around it.

    ``final`` if it is the name of the macro that made it: such a name is never expanded again.
    """

    text: str
    path: str
    offset: int
    spaced: bool = False
    conditions: tuple[str, ...] = ()
    final: bool = False

    @property
    def is_name(self) -> bool:
        """Whether it is an identifier."""
        return self.text[0].isalpha() or self.text[0] in "_$"


@dataclass(frozen=True, slots=True)
class _Define:
    """A macro; the last parameter of a ``variadic`` one takes all arguments that are left."""

    parameters: tuple[str, ...] | None
    body: tuple[CToken, ...]
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Expanded:
    """Preprocessed text; ``tokens[i]`` begins at ``starts[i]`` of it."""

    text: str
    tokens: tuple[CToken, ...]
    starts: tuple[int, ...]

    def token_at(self, offset: int) -> CToken:
        """Return the token that holds the character at ``offset``."""
        from bisect import bisect_right  # noqa: PLC0415 - only for names that were found

        return self.tokens[bisect_right(self.starts, offset) - 1]


@dataclass(frozen=True, slots=True)
class Unit:
    """A source file, preprocessed: one text per variant, and what could not be read (path, offset, why).

    ``files`` are all that were read for it.
    """

    variants: tuple[Expanded, ...]
    doubts: tuple[tuple[str, int, str], ...] = ()
    files: tuple[str, ...] = ()


ReadFile = Callable[[str], str | None]

_LEX = re.compile(
    r"""(?P<space>[ \t\f\v\r]+)|(?P<newline>\n)|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
       |(?P<string>L?"(?:[^"\\\n]|\\.)*")|(?P<char>'(?:[^'\\\n]|\\.)')|(?P<paste>\#\#)|(?P<punct>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_NOT_CODE = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'|/\*.*?\*/|//[^\n]*""", re.DOTALL)
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*([a-z_]+)\b[ \t]*")


def preprocess(path: str, *, read: ReadFile, defines: Mapping[str, str] | None = None) -> Unit:
    """Preprocess the file ``path``; ``read`` returns a file's text (latin-1) or None.

    ``defines`` is what the build script passes with ``-D``, by name.
    """
    return _preprocess([path], lambda variant: _Run(read, defines or {}, variant))


def preprocess_headers(paths: Sequence[str], *, read: ReadFile, search: Sequence[str]) -> Unit:
    """Preprocess headers side by side, each once; ``search`` are the folders for ``#include <…>``."""
    return _preprocess(paths, lambda variant: _Run(read, {}, variant, search=tuple(search), seen=set()))


def _preprocess(paths: Sequence[str], start: Callable[[int], _Run]) -> Unit:
    variants: list[Expanded] = []
    doubts: list[tuple[str, int, str]] = []
    files: dict[str, None] = {}
    most = 1
    while len(variants) < most:
        run = start(len(variants))
        for path in paths:
            run.file(path, ())
        most = max(most, min(run.most, MAX_VARIANTS))
        variants.append(_join(run.out))
        doubts = run.doubts
        files |= run.files
        if run.most > MAX_VARIANTS:
            why = f"a macro has {run.most} definitions, and {MAX_VARIANTS} are read"
            doubts.append((paths[0], 0, why))
    return Unit(tuple(dict.fromkeys(variants)), tuple(doubts), tuple(files))


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
    return re.match(r"[\w$]\Z", left[-1]) is not None and re.match(r"[\w$]", right) is not None


@dataclass(slots=True)
class _Run:
    """One pass; ``seen`` are the files read so far, if each is to be read once only."""

    read: ReadFile
    given: Mapping[str, str]
    variant: int
    search: tuple[str, ...] = ()
    seen: set[str] | None = None
    macros: dict[str, list[_Define]] = field(default_factory=dict)
    out: list[CToken] = field(default_factory=list)
    doubts: list[tuple[str, int, str]] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    most: int = 1
    including: tuple[str, ...] = ()
    left: int = MAX_TOKENS  # that macros may still become

    def __post_init__(self) -> None:
        for name, value in self.given.items():
            self.macros[name] = [_Define(None, tuple(_lex(value, "", 0, ())))]

    def file(self, path: str, conditions: tuple[str, ...]) -> None:
        source = self.read(path)
        if source is None or path in self.including or path in (self.seen or ()):
            return
        self.files[path] = None
        if self.seen is not None:
            self.seen.add(path)
        outer, self.including = self.including, (*self.including, path)
        stack: list[tuple[str, str]] = []  # per open #if: what failed before in it, what holds now
        pending: list[CToken] = []
        for offset, line in _logical_lines(source):
            directive = _DIRECTIVE.match(line)
            if directive is None:
                own = (*conditions, *(c for _, c in stack if c))
                pending += _lex(line, path, offset, own)
                continue
            self.flush(pending)
            rest = line[directive.end() :].strip()
            self.directive(directive[1], rest, path, offset, line, conditions, stack)
        self.flush(pending)
        self.including = outer

    def flush(self, pending: list[CToken]) -> None:
        enough = self.left
        self.out += self.expand(pending, frozenset())
        if self.left < 0 <= enough:
            self.doubts.append((pending[0].path, pending[0].offset, "macros expand without end"))
        pending.clear()

    def directive(
        self,
        word: str,
        rest: str,
        path: str,
        offset: int,
        line: str,
        conditions: tuple[str, ...],
        stack: list[tuple[str, str]],
    ) -> None:
        match word:
            case "define":
                self.define(rest, path, offset + line.rindex(rest) if rest else offset)
            case "ifdef" | "ifndef" | "if":
                condition = {"ifdef": f"defined({rest})", "ifndef": f"!defined({rest})"}.get(word, rest)
                stack.append(("", condition))
            case "elif" if stack:
                failed = _both(stack[-1][0], _not(stack[-1][1]))
                stack[-1] = (failed, _both(failed, rest))
            case "else" if stack:
                failed = _both(stack[-1][0], _not(stack[-1][1]))
                stack[-1] = (failed, failed)
            case "endif" if stack:
                stack.pop()
            case "include" | "include_next" | "import":
                self.include(rest, path, offset, (*conditions, *(c for _, c in stack if c)))
            case "pragma" if match := re.match(r"weak|redefine_extname|comment\s*\(\s*linker", rest):
                self.doubts.append((path, offset, f"#pragma {match[0]} names a symbol"))
            case _:
                pass  # #undef of a branch must not undo another's #define; #include <…>, #error, #line: nothing

    def include(self, rest: str, path: str, offset: int, conditions: tuple[str, ...]) -> None:
        """Read an included file; one in angle brackets is the system's, unless it lies beside this file."""
        named = re.match(r'"([^"]*)"|<([^>]*)>', rest)
        if named is None:
            self.doubts.append((path, offset, "the name of an included file is made by a macro"))
            return
        name = named[1] or named[2]
        places = [_relative(path, name), *(f"{folder}/{name}" for folder in self.search)]
        target = next((place for place in places if self.read(place) is not None), places[0])
        if named[1] and self.read(target) is None:
            self.doubts.append((path, offset, f"the included file {target} is not there"))
        self.file(target, conditions)

    def define(self, rest: str, path: str, offset: int) -> None:
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
        body = tuple(_lex(rest[match.end() :], path, offset + match.end(), ()))
        known = self.macros.setdefault(match[1], [])
        if not any(_texts(d.body) == _texts(body) and d.parameters == parameters for d in known):
            known.append(_Define(parameters, body, variadic))

    def expand(self, tokens: Sequence[CToken], hidden: frozenset[str], depth: int = 0) -> list[CToken]:
        """Return the tokens with macros expanded, but for those that are being expanded (``hidden``)."""
        out: list[CToken] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            if token.text in hidden:
                token = replace(token, final=True)
            choices = self.macros.get(token.text) if token.is_name and not token.final else None
            if choices and depth > MAX_NESTING:
                self.left = -1
            if not choices or self.left < 0:
                out.append(token)
                continue
            self.most = max(self.most, len(choices))
            macro = choices[self.variant % len(choices)]
            arguments: list[list[CToken]] = []
            if macro.parameters is not None:
                end = _arguments(tokens, at, arguments)
                if end < 0:
                    out.append(token)
                    continue
                at = end
            body = self.substitute(macro, arguments, token, hidden, depth)
            self.left -= 1 + len(body)
            out += self.expand(body, hidden | {token.text}, depth + 1)
        return out

    def substitute(
        self,
        macro: _Define,
        arguments: list[list[CToken]],
        call: CToken,
        hidden: frozenset[str],
        depth: int,
    ) -> list[CToken]:
        """Put arguments for parameters, join ``##``; a token of the body counts as written at the call."""
        if macro.variadic and macro.parameters:
            arguments = _rest_joined(arguments, len(macro.parameters), replace(call, text=",", spaced=False))
        values = dict(zip(macro.parameters or (), arguments, strict=False))
        out: list[CToken] = []
        body = macro.body
        for at, part in enumerate(body):
            following = body[at + 1].text if at + 1 < len(body) else ""
            if part.text == "##" or (part.text == "#" and following in values):
                continue
            pasted_before = at > 0 and body[at - 1].text == "##"
            pasted_after = following == "##"
            if part.text in values and at > 0 and body[at - 1].text == "#":
                piece = [_string_of(values[part.text], call)]
            elif part.text in values:
                raw = values[part.text]
                value = raw if pasted_before or pasted_after else self.expand(raw, hidden, depth + 1)
                piece = [replace(t, spaced=part.spaced if i == 0 else t.spaced) for i, t in enumerate(value)]
            else:
                piece = [replace(part, path=call.path, offset=call.offset, conditions=call.conditions)]
            if pasted_before and out and out[-1].text == ",":  # GNU's `, ## __VA_ARGS__`
                if not piece:
                    out.pop()
            elif pasted_before and out and piece:
                left = out.pop()
                piece[0] = replace(left, text=left.text + piece[0].text, final=False)
            out += piece
        if out:
            out[0] = replace(out[0], spaced=call.spaced)
        return out


def _logical_lines(source: str) -> Iterator[tuple[int, str]]:
    """Return lines with comments blanked and continuations joined, and where each begins.

    Offsets within a joined line stay true: the backslash and newline become blanks.
    """
    masked = _NOT_CODE.sub(lambda m: m[0] if m[0][0] in "\"'" else re.sub(r"[^\n]", " ", m[0]), source)
    masked = re.sub(r"\\[ \t]*\r?\n", lambda m: " " * len(m[0]), masked)
    offset = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", masked):  # splitlines() would cut at form feeds and \x85 too
        yield offset, line
        offset += len(line)


def _lex(line: str, path: str, offset: int, conditions: tuple[str, ...]) -> Iterator[CToken]:
    spaced = False
    for match in _LEX.finditer(line):
        if match.lastgroup == "space":
            spaced = True
            continue
        yield CToken(match[0], path, offset + match.start(), spaced, conditions)
        spaced = False


def _arguments(tokens: Sequence[CToken], at: int, into: list[list[CToken]]) -> int:
    """Read ``( a, b )`` from ``tokens[at]`` on; return where it ends, -1 if no parenthesis follows."""
    while at < len(tokens) and tokens[at].text == "\n":
        at += 1
    if at >= len(tokens) or tokens[at].text != "(":
        return -1
    depth = 0
    into.append([])
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.text == "(":
            depth += 1
            if depth == 1:
                continue
        elif token.text == ")":
            depth -= 1
            if depth == 0:
                return at
        elif token.text == "," and depth == 1:
            into.append([])
            continue
        if token.text != "\n":
            into[-1].append(token)
    return -1


def _rest_joined(arguments: list[list[CToken]], count: int, comma: CToken) -> list[list[CToken]]:
    """Return ``count`` arguments, the last of them all that are left, with their commas."""
    rest: list[CToken] = []
    for position, argument in enumerate(arguments[count - 1 :]):
        rest += [comma, *argument] if position else argument
    return [*arguments[: count - 1], rest]


def _string_of(tokens: Sequence[CToken], call: CToken) -> CToken:
    """Do what ``#`` does in a macro's body."""
    parts = ['"']
    for position, token in enumerate(tokens):
        literal = token.text[-1] in "\"'"
        text = re.sub(r'(["\\])', r"\\\1", token.text) if literal else token.text
        parts.append(f" {text}" if position and token.spaced else text)
    return replace(call, text="".join([*parts, '"']))


def _texts(tokens: Sequence[CToken]) -> list[str]:
    return [token.text for token in tokens]


def _not(condition: str) -> str:
    plain = re.fullmatch(r"!?defined\(\w+\)", condition)
    if plain is None:
        return f"!({condition})"
    return condition[1:] if condition.startswith("!") else f"!{condition}"


def _both(left: str, right: str) -> str:
    return f"{left} && {right}" if left and right else left or right


def _relative(path: str, target: str) -> str:
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
