"""Conditional compilation as values: ``cfg`` expressions, simplified, and what they say of a target.

The grammar is the reference's ("Conditional compilation"); what only a build script or a C compiler can
decide is ``Opaque``.  Three answers exist for a target: it holds, it does not, nobody here can know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from patchbot.targets import Target, system_family


@dataclass(frozen=True, slots=True)
class Option:
    """A configuration option: ``unix``, or with a value ``target_arch = "x86_64"``."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    part: Cfg


@dataclass(frozen=True, slots=True)
class All:
    """Everything of this holds; without parts it always does."""

    parts: tuple[Cfg, ...] = ()


@dataclass(frozen=True, slots=True)
class Any:
    """Something of this holds; without parts it never does."""

    parts: tuple[Cfg, ...] = ()


@dataclass(frozen=True, slots=True)
class Opaque:
    """A condition in words of another language (a build script's, the preprocessor's)."""

    text: str


Cfg = Option | Not | All | Any | Opaque

ALWAYS = All()
NEVER = Any()

_FAMILIES = frozenset({"unix", "windows"})
_ONE_OF = frozenset({"target_arch", "target_os", "target_env", "target_vendor"})  # a target has one of each

_TOKEN = re.compile(
    r'\s*(?:(?P<opaque>opaque\()|(?P<name>(?:r#)?[A-Za-z_]\w*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[(),=]))'
)


# -- spelling --------------------------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def parse(text: str) -> Cfg:
    """Read an expression; what is none of the reference's grammar is ``Opaque``.  Empty text always holds."""
    if not text.strip():
        return ALWAYS
    tokens = _tokens(text)
    if tokens is None:
        return _opaque(text)
    found, end = _predicate(tokens, 0)
    return found if found is not None and end == len(tokens) else _opaque(text)


def _opaque(text: str) -> Opaque:
    inner = re.fullmatch(r"opaque\((.*)\)", text, re.DOTALL)  # as `render` spells it
    return Opaque(inner[1] if inner else text)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    out = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        kind, at = str(match.lastgroup), match.end()
        if kind == "opaque":
            end = _closing(text, at)
            out.append((kind, text[at : end - 1]))
            at = end
        else:
            out.append((kind, match[kind].removeprefix("r#")))
    return out


def _closing(text: str, at: int) -> int:
    """Return where the parenthesis ends that was opened before ``at``."""
    depth = 1
    while at < len(text) and depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def _predicate(tokens: list[tuple[str, str]], at: int) -> tuple[Cfg | None, int]:
    kind, word = tokens[at] if at < len(tokens) else ("", "")
    if kind == "opaque":
        return Opaque(word), at + 1
    if kind != "name":
        return None, at
    following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
    if following == "(":
        parts, end = _arguments(tokens, at + 2)
        makers: dict[str, Callable[[tuple[Cfg, ...]], Cfg]] = {"all": All, "any": Any}
        if parts is not None and word in makers:
            return makers[word](parts), end
        if parts is not None and word == "not" and len(parts) == 1:
            return Not(parts[0]), end
        return None, at
    if following == "=":
        if at + 2 < len(tokens) and tokens[at + 2][0] == "string":
            return Option(word, tokens[at + 2][1][1:-1]), at + 3
        return None, at
    constants: dict[str, Cfg] = {"true": ALWAYS, "false": NEVER}
    return constants.get(word, Option(word)), at + 1


def _arguments(tokens: list[tuple[str, str]], at: int) -> tuple[tuple[Cfg, ...] | None, int]:
    parts: list[Cfg] = []
    while at < len(tokens) and tokens[at][1] != ")":
        part, at = _predicate(tokens, at)
        if part is None or at >= len(tokens) or tokens[at][1] not in {",", ")"}:
            return None, at
        parts.append(part)
        at += tokens[at][1] == ","
    return (tuple(parts), at + 1) if at < len(tokens) else (None, at)


def render(cfg: Cfg) -> str:
    """Spell an expression as rustfmt does; one that always holds is empty."""
    return "" if cfg == ALWAYS else spell(cfg)


def spell(cfg: Cfg) -> str:
    """Spell an expression as rustfmt does: ``all()`` always holds."""
    match cfg:
        case Option(name, None):
            return name
        case Option(name, value):
            return f'{name} = "{value}"'
        case Not(part):
            return f"not({spell(part)})"
        case All(parts):
            return f"all({', '.join(map(spell, parts))})"
        case Any(parts):
            return f"any({', '.join(map(spell, parts))})"
        case Opaque(text):
            return f"opaque({text})"


# -- simplifying -----------------------------------------------------------------------------------

Facts = Mapping[Cfg, bool]


@lru_cache(maxsize=20_000)
def simplify(cfg: Cfg) -> Cfg:
    """Return an equal expression without repetitions and without what its other parts imply.

    ``target_arch = "x86"`` makes ``not(target_arch = "arm")`` redundant, ``unix`` makes ``not(windows)``:
    ``cfg_if!`` piles them up.
    """
    return _simplify(cfg, {})


def _simplify(cfg: Cfg, facts: Facts) -> Cfg:
    match cfg:
        case Option() | Opaque():
            known = _known(cfg, facts)
            return cfg if known is None else ALWAYS if known else NEVER
        case Not(part):
            return _negated(_simplify(part, facts))
        case All(parts):
            return _gathered(parts, facts, All, Any, holds=True)
        case Any(parts):
            return _gathered(parts, facts, Any, All, holds=False)


def _gathered(
    parts: tuple[Cfg, ...], facts: Facts, kind: type[All | Any], dual: type[All | Any], *, holds: bool
) -> Cfg:
    """Simplify ``all`` (``holds``) or ``any``: each part takes for granted what its plain neighbours say.

    In ``all`` the neighbours hold where it matters, in ``any`` they do not.  No two options imply each
    other (``_implied``), so parts can be left out one by one.
    """
    before: list[Cfg] = []
    now = _opened([_simplify(part, facts) for part in parts], kind)
    while now != before:
        before, now = now, []
        for position, part in enumerate(before):
            granted = _literals([*now, *before[position + 1 :]], holds=holds)
            shorter = _simplify(part, {**facts, **granted})
            if shorter == dual():
                return dual()
            now = _opened([*now, shorter], kind)
    return now[0] if len(now) == 1 else kind(tuple(now))


def _opened(parts: Iterable[Cfg], kind: type[All | Any]) -> list[Cfg]:
    """Open groups of this kind in groups of this kind, and leave out repetitions."""
    out: dict[Cfg, None] = {}
    for part in parts:
        out.update(dict.fromkeys(part.parts if isinstance(part, kind) else [part]))
    return list(out)


def _negated(cfg: Cfg) -> Cfg:
    """Return the opposite, spelled with as few ``not`` as De Morgan allows."""
    if isinstance(cfg, Not):
        return cfg.part
    if isinstance(cfg, All | Any):
        negated = sum(isinstance(part, Not) for part in cfg.parts)
        if negated and 2 * negated + 1 >= len(cfg.parts):
            dual = Any if isinstance(cfg, All) else All
            return dual(tuple(map(_negated, cfg.parts)))
    constants: dict[Cfg, Cfg] = {ALWAYS: NEVER, NEVER: ALWAYS}
    return constants.get(cfg, Not(cfg))


def _atom(cfg: Cfg) -> Cfg | None:
    inner = cfg.part if isinstance(cfg, Not) else cfg
    return inner if isinstance(inner, Option | Opaque) else None


def _literals(parts: Iterable[Cfg], *, holds: bool) -> dict[Cfg, bool]:
    """Return what plain parts say if each of them holds (or does not)."""
    return {atom: isinstance(part, Not) != holds for part in parts if (atom := _atom(part)) is not None}


def _known(cfg: Option | Opaque, facts: Facts) -> bool | None:
    if cfg in facts:
        return facts[cfg]
    if isinstance(cfg, Opaque):
        return None
    for fact, holds in facts.items():
        if isinstance(fact, Option):
            implied = _implied(cfg, fact, holds=holds)
            if implied is not None:
                return implied
    return None


def _implied(cfg: Option, fact: Option, *, holds: bool) -> bool | None:
    """Return what one option says of another: a target has one architecture, system and family."""
    if not holds:
        return None
    if cfg.name == fact.name and cfg.name in _ONE_OF:
        return False
    family = fact.name if fact.name in _FAMILIES else None
    if fact.name == "target_os":
        family = system_family(fact.value or "")
    if family is None:
        return None
    if cfg.name in _FAMILIES:
        return cfg.name == family
    if cfg.name == "target_os" and system_family(cfg.value or "") not in {family, None}:
        return False
    return None


# -- putting together, and asking ------------------------------------------------------------------


def join(conditions: Iterable[str]) -> str:
    """Return one expression for conditions that all hold; empty if they always do."""
    return _join(tuple(conditions))


@lru_cache(maxsize=10_000)
def _join(conditions: tuple[str, ...]) -> str:
    return render(simplify(All(tuple(map(parse, conditions)))))


def either(alternatives: Iterable[str]) -> str:
    """Return one expression for alternatives; an empty one is always true, so all of them are.

    No alternative at all is no condition either.
    """
    return _either(tuple(alternatives))


@lru_cache(maxsize=10_000)
def _either(alternatives: tuple[str, ...]) -> str:
    parts = tuple(map(parse, alternatives))
    return render(simplify(Any(parts))) if parts else ""


def holds(cfg: Cfg, answer: Callable[[Option | Opaque], bool | None]) -> bool | None:
    """Evaluate an expression by what ``answer`` says of its options; None if that does not decide it."""
    match cfg:
        case Option() | Opaque():
            return answer(cfg)
        case Not(part):
            known = holds(part, answer)
            return None if known is None else not known
        case All(parts):
            values = [holds(part, answer) for part in parts]
            return False if False in values else None if None in values else True
        case Any(parts):
            values = [holds(part, answer) for part in parts]
            return True if True in values else None if None in values else False


def on(
    cfg: Cfg, target: Target, custom: Mapping[str, Cfg] | None = None, *, features: bool | None = True
) -> bool | None:
    """Return whether an expression holds on a target.

    ``custom`` are options that the crate's build script sets, by name; ``features`` is what is assumed of
    cargo features.  A build for tests or for miri is not meant.
    """

    def answer(option: Option | Opaque) -> bool | None:
        if isinstance(option, Opaque):
            return None
        if option.name == "feature":
            return features
        if option.name in {"test", "miri", "doc", "doctest"}:
            return False
        if custom is not None and option.value is None and option.name in custom:
            return on(custom[option.name], target, {}, features=features)
        return target.option(option.name, option.value)

    return holds(cfg, answer)
