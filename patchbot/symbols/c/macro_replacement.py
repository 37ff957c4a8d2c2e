"""Replace macros as C11 6.10.3 says: arguments, ``#`` and ``##``, rescanning; and GNU's ``, ## __VA_ARGS__``.

A macro can have several definitions, one per branch of a condition: whoever asks says which one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from patchbot.symbols.c.lexing import CToken

MAX_TOKENS = 200_000
MAX_NESTING = 100  # macros in macros

_PREDEFINED = re.compile(r"__[A-Z][A-Z0-9_]*__")


@dataclass(frozen=True, slots=True)
class Macro:
    """One definition; the last parameter of a ``variadic`` one takes all arguments that are left.

    ``parameters`` are None for a macro that is called without parentheses.
    """

    parameters: tuple[str, ...] | None
    body: tuple[CToken, ...]
    variadic: bool = False


@dataclass(slots=True)
class Macros:
    """The macros that are defined so far; of several definitions, the one with the number ``variant`` is taken.

    What cannot be replaced faithfully is added to ``doubts`` (path, offset, why).  ``used`` are the macros that
    were replaced or could have been, ``most`` is how many definitions the one with the most of them has.
    """

    variant: int
    doubts: list[tuple[str, int, str]]
    used: set[str] = field(default_factory=set)
    most: int = 1
    _known: dict[str, list[Macro]] = field(default_factory=dict)
    _left: int = MAX_TOKENS  # that macros may still become

    @property
    def exhausted(self) -> bool:
        """Whether macros grew, or called each other, without end: from then on none is replaced."""
        return self._left < 0

    def define(self, name: str, macro: Macro) -> None:
        """Add a definition, unless it says what another one of ``name`` says."""
        known = self._known.setdefault(name, [])
        body = _texts(macro.body)
        if not any(_texts(other.body) == body and other.parameters == macro.parameters for other in known):
            known.append(macro)

    def replaced(self, tokens: Sequence[CToken]) -> list[CToken]:
        """Return the tokens with macros replaced; what a macro's body makes counts as written at the call."""
        return self._scanned(tokens, frozenset(), 0)

    def _scanned(self, tokens: Sequence[CToken], hidden: frozenset[str], depth: int) -> list[CToken]:
        """Replace all macros but those that are being replaced (``hidden``)."""
        out: list[CToken] = []
        at = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            if token.text in hidden:
                token = token._replace(final=True)
            choices = self._known.get(token.text) if token.is_name and not token.final else None
            if choices and depth > MAX_NESTING:
                self._left = -1
            if not choices or self._left < 0:
                out.append(token)
                continue
            macro = self._chosen(token.text, choices)
            call = ([], at) if macro.parameters is None else arguments(tokens, at)
            if call is None:
                out.append(token)
                continue
            given, at = call
            body = self._substituted(macro, given, token, hidden, depth)
            self._left -= 1 + len(body)
            out += self._scanned(body, hidden | {token.text}, depth + 1)
        return out

    def _chosen(self, name: str, choices: Sequence[Macro]) -> Macro:
        self.used.add(name)
        self.most = max(self.most, len(choices))
        return choices[self.variant % len(choices)]

    def _substituted(
        self, macro: Macro, given: list[list[CToken]], call: CToken, hidden: frozenset[str], depth: int
    ) -> list[CToken]:
        """Put arguments for parameters, join ``##``; a token of the body counts as written at the call."""
        if macro.variadic and macro.parameters:
            given = _rest_joined(given, len(macro.parameters), call._replace(text=",", spaced=False))
        values = dict(zip(macro.parameters or (), given, strict=False))
        self._left -= sum(map(len, given))
        out: list[CToken] = []
        body = macro.body
        for at, part in enumerate(body):
            before = body[at - 1].text if at else ""
            following = body[at + 1].text if at + 1 < len(body) else ""
            if part.text == "##" or (part.text == "#" and following in values):
                continue
            if part.text not in values:
                piece = [part._replace(path=call.path, offset=call.offset, conditions=call.conditions)]
            elif before == "#":
                piece = [_string_of(values[part.text], call)]
            else:
                raw = values[part.text]
                value = raw if "##" in {before, following} else self._scanned(raw, hidden, depth + 1)
                piece = [t._replace(spaced=part.spaced if i == 0 else t.spaced) for i, t in enumerate(value)]
            if before == "##" and out:
                self._paste(out, piece, call)
            out += piece
        if out:
            out[0] = out[0]._replace(spaced=call.spaced)
        return out

    def _paste(self, left: list[CToken], right: list[CToken], call: CToken) -> None:
        """Do what ``##`` does in a macro's body: the last token of ``left`` goes into the first of ``right``."""
        if left[-1].text == ",":  # GNU's `, ## __VA_ARGS__`
            if not right:
                left.pop()
        elif right:
            last = left.pop()
            if any(_PREDEFINED.fullmatch(t.text) and t.text not in self._known for t in (last, right[0])):
                why = "a name is pasted from a macro of the compiler's own"
                self.doubts.append((call.path, call.offset, why))
            right[0] = last._replace(text=last.text + right[0].text, final=False)


def arguments(tokens: Sequence[CToken], at: int) -> tuple[list[list[CToken]], int] | None:
    """Read ``( a, b )`` from ``tokens[at]`` on: the tokens of each argument, and where it ends.

    None if no parenthesis follows, or one that is not closed; ``()`` holds one argument without tokens.
    """
    while at < len(tokens) and tokens[at].text == "\n":
        at += 1
    if at >= len(tokens) or tokens[at].text != "(":
        return None
    depth = 0
    found: list[list[CToken]] = [[]]
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
                return found, at
        elif token.text == "," and depth == 1:
            found.append([])
            continue
        if token.text != "\n":
            found[-1].append(token)
    return None


def _rest_joined(given: list[list[CToken]], count: int, comma: CToken) -> list[list[CToken]]:
    """Return ``count`` arguments, the last of them all that are left, with their commas."""
    rest: list[CToken] = []
    for position, argument in enumerate(given[count - 1 :]):
        rest += [comma, *argument] if position else argument
    return [*given[: count - 1], rest]


def _string_of(tokens: Sequence[CToken], call: CToken) -> CToken:
    """Do what ``#`` does in a macro's body."""
    parts = ['"']
    for position, token in enumerate(tokens):
        literal = token.text[-1] in "\"'"
        text = re.sub(r'(["\\])', r"\\\1", token.text) if literal else token.text
        parts.append(f" {text}" if position and token.spaced else text)
    return call._replace(text="".join([*parts, '"']))


def _texts(tokens: Sequence[CToken]) -> list[str]:
    return [token.text for token in tokens]
