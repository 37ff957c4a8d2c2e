"""What the preprocessor conditions of a C or assembler file mean as ``cfg`` expressions.

A condition speaks of macros that the build script defines, whose conditions are known, and of macros that
compilers predefine for a target (GCC manual, "Common Predefined Macros"; MSVC, "Predefined macros").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from patchbot.symbols.build.build_script import BuildFacts
from patchbot.symbols.build.script_conditions import option
from patchbot.symbols.cfg import NEVER, All, Any, Cfg, Not, Opaque, Option

_ARCHITECTURES = {
    "x86_64": ("__x86_64__", "__x86_64", "__amd64__", "_M_X64", "_M_AMD64"),
    "x86": ("__i386__", "__i386", "_M_IX86"),
    "aarch64": ("__aarch64__", "_M_ARM64"),
    "arm": ("__arm__", "_M_ARM"),
    "s390x": ("__s390x__",),
    "riscv64": ("__riscv",),
}
_PREDEFINED: dict[str, Cfg] = {
    "_WIN32": Option("windows"),
    "_WIN64": All((Option("windows"), Option("target_pointer_width", "64"))),
    "__MINGW32__": All((Option("windows"), Option("target_env", "gnu"))),
    "_MSC_VER": Option("target_env", "msvc"),
    "__GNUC__": Not(Option("target_env", "msvc")),
    "__APPLE__": Option("target_vendor", "apple"),
    "__linux__": Option("target_os", "linux"),
    "__FreeBSD__": Option("target_os", "freebsd"),
    "__cplusplus": NEVER,  # what is read here is compiled as C
    **{macro: Option("target_arch", arch) for arch, macros in _ARCHITECTURES.items() for macro in macros},
}

_TOKEN = re.compile(r"\s*(\|\||&&|[A-Za-z_]\w*|[!()]|.)", re.DOTALL)


def translate(condition: str, build: BuildFacts) -> Cfg:
    """Return what the condition of an ``#if`` means, given what the build script defines."""
    tokens = _TOKEN.findall(condition.strip())
    found, end = _either(tokens, 0, build)
    return found if found is not None and end == len(tokens) else Opaque(condition)


def _either(tokens: Sequence[str], at: int, build: BuildFacts) -> tuple[Cfg | None, int]:
    parts = []
    while True:
        part, at = _both(tokens, at, build)
        if part is None:
            return None, at
        parts.append(part)
        if at >= len(tokens) or tokens[at] != "||":
            return Any(tuple(parts)), at
        at += 1


def _both(tokens: Sequence[str], at: int, build: BuildFacts) -> tuple[Cfg | None, int]:
    parts = []
    while True:
        part, at = _one(tokens, at, build)
        if part is None:
            return None, at
        parts.append(part)
        if at >= len(tokens) or tokens[at] != "&&":
            return All(tuple(parts)), at
        at += 1


def _one(tokens: Sequence[str], at: int, build: BuildFacts) -> tuple[Cfg | None, int]:
    match tokens[at : at + 4]:
        case ["!", *_]:
            part, at = _one(tokens, at + 1, build)
            return (None if part is None else Not(part)), at
        case ["defined", "(", name, ")"]:
            return _defined(name, build), at + 4
        case ["defined", name, *_] if name != "(":
            return _defined(name, build), at + 2
        case ["(", *_]:
            part, at = _either(tokens, at + 1, build)
            closed = at < len(tokens) and tokens[at] == ")"
            return (part, at + 1) if closed else (None, at)
        case _:
            return None, at


def _defined(name: str, build: BuildFacts) -> Cfg:
    if name in build.defines:
        return build.defines[name].cfg
    for family in build.families:
        if name.startswith(family.prefix):
            return option(family.variable, name.removeprefix(family.prefix)) or Opaque(f"defined({name})")
    return _PREDEFINED.get(name, Opaque(f"defined({name})"))
